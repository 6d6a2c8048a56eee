"""Source: OCPI 2.2.1 mod_locations, Flow and Lifecycle; LOC-03, LOC-09, OWN-04"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.errors import InvalidParameters
from chalicelib.modules.locations.completion import complete_connector, complete_evse, complete_location
from chalicelib.protocol.message import Party
from tests.modules.builders import T0, T1, T2, connector, evse, location, without

ABC = Party("PT", "ABC")
NOW = datetime(2026, 3, 1, 9, 0, 0, tzinfo=UTC)


def plain(document: Any) -> Any:
    """Return a document as an operator writes it, without ids of the owner and without times."""
    if isinstance(document, dict):
        return {
            name: plain(value)
            for name, value in document.items()
            if name not in ("country_code", "party_id", "last_updated")
        }
    return [plain(one) for one in document] if isinstance(document, list) else document


def completed(document: dict[str, Any], stored: dict[str, Any] | None = None) -> dict[str, Any]:
    return complete_location(document, stored, NOW, ABC, "L1")


def test_ids_and_times_are_filled_in_on_every_level() -> None:
    assert completed(without(plain(location()), "id")) == location(
        evses=[evse(connectors=[connector(last_updated=T1)], last_updated=T1)], last_updated=T1
    )


def test_an_unchanged_evse_keeps_its_last_updated() -> None:
    """Source: LOC-03"""
    stored = location(evses=[evse("E1"), evse("E2")])
    proposed = plain(location(evses=[evse("E1"), evse("E2", status="CHARGING")]))

    assert completed(proposed, stored) == location(
        evses=[evse("E1"), evse("E2", status="CHARGING", last_updated=T1)], last_updated=T1
    )


def test_a_changed_connector_raises_last_updated_of_its_evse_and_location() -> None:
    """Source: LOC-03"""
    two = [connector("1"), connector("2", tariff_ids=["T1"])]

    changed = completed(plain(location(evses=[evse(connectors=two)])), location(evses=[evse()]))

    assert changed == location(
        evses=[evse(connectors=[connector("1"), {**two[1], "last_updated": T1}], last_updated=T1)],
        last_updated=T1,
    )


def test_an_evse_that_is_left_out_is_kept_as_removed() -> None:
    """Source: LOC-09"""
    stored = location(evses=[evse("E1"), evse("E2"), evse("E3", status="REMOVED")])

    changed = completed(plain(location(evses=[evse("E2")])), stored)

    assert changed == location(
        evses=[evse("E2"), evse("E1", status="REMOVED", last_updated=T1), evse("E3", status="REMOVED")],
        last_updated=T1,
    )


@pytest.mark.parametrize("proposed", [without(location(), "evses"), location(evses=None), location(evses=[])])
def test_a_location_put_without_evses_keeps_them_as_removed(proposed: dict[str, Any]) -> None:
    """Source: LOC-09"""
    changed = completed(plain(proposed), location())

    assert changed["evses"] == [evse(status="REMOVED", last_updated=T1)]


def test_ids_stay_as_they_were_first_written() -> None:
    """Source: OWN-04"""
    stored = location(evses=[evse("e1", connectors=[connector("a")])])
    proposed = location(id="l1", party_id="abc", evses=[evse("E1", connectors=[connector("A")])])

    assert completed(proposed, stored) == stored


@pytest.mark.parametrize(
    ("field", "ids"), [("id", {"id": "L2"}), ("party_id", {"party_id": "XYZ"}), ("id", {"id": 5})]
)
def test_a_body_that_names_another_location_is_refused(field: str, ids: dict[str, Any]) -> None:
    """Source: TRN-27"""
    with pytest.raises(InvalidParameters) as refused:
        completed({**location(), **ids})

    assert refused.value.field == field


def test_an_evse_or_connector_whose_id_differs_from_the_url_is_refused() -> None:
    with pytest.raises(InvalidParameters):
        complete_evse(evse("E2"), None, NOW, "E1")
    with pytest.raises(InvalidParameters):
        complete_connector(connector("2"), None, NOW, "1")


@pytest.mark.parametrize("evses", ["E1", {"uid": "E1"}, 5])
def test_malformed_evses_are_left_to_the_validation(evses: Any) -> None:
    assert completed(location(evses=evses), location())["evses"] == evses


def test_malformed_children_are_left_to_the_validation() -> None:
    malformed: list[Any] = ["E9", {"uid": 5}, {"status": "AVAILABLE"}, {"uid": "E8", "connectors": "none"}]

    kept = completed(location(evses=[evse(), *malformed]), location())["evses"]

    assert kept == [evse(), *malformed[:3], {**malformed[3], "last_updated": T1}]


@pytest.mark.parametrize(
    ("proposed", "expected"),
    [(T2, T2), (T0, T1), (None, T1), ("now", "now"), (5, 5), ("2026-03-01T08:30:00Z",) * 2],
)
def test_a_proposed_last_updated_counts_when_it_is_newer_than_the_stored_one(
    proposed: Any, expected: Any
) -> None:
    changed = completed(location(name="Alfa", last_updated=proposed), location(last_updated=T0))

    assert changed["last_updated"] == expected
