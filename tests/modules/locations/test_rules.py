"""Source: OCPI 2.2.1 mod_locations, PUT Method, PATCH Method, Flow and Lifecycle; LOC-03 … LOC-17"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.errors import InvalidParameters, LocationNotFound
from chalicelib.modules.locations import rules
from chalicelib.protocol.patch import check_time
from tests.modules.builders import T0, T1, T2, T3, connector, evse, location


@pytest.mark.parametrize("when", [None, "", 5, "yesterday", "2026-03-01T08:00:00+01:00"])
def test_a_patch_without_a_valid_last_updated_is_refused(when: Any) -> None:
    """Source: LOC-07, TRP-08"""
    with pytest.raises(InvalidParameters) as refused:
        check_time({"status": "CHARGING", "last_updated": when})

    assert refused.value.field == "last_updated"


def test_last_updated_is_compared_as_a_time_not_as_text() -> None:
    """Source: TYP-08, TRP-04"""
    assert rules.is_older(
        {"last_updated": "2026-03-01T08:00:09Z"}, {"last_updated": "2026-03-01T08:00:09.2Z"}
    )
    assert not rules.is_older(
        {"last_updated": "2026-03-01T08:00:09"}, {"last_updated": "2026-03-01T08:00:09Z"}
    )


def test_a_patch_changes_only_the_fields_in_it() -> None:
    """Source: TRN-24, LOC-06"""
    stored = location(name="Alfa", mobie_cpe="X", opening_times={"twentyfourseven": True})

    patched = rules.patch_location(stored, {"name": "Beta", "last_updated": T1})

    assert patched == {**stored, "name": "Beta", "last_updated": T1}


def test_null_in_a_patch_removes_an_optional_field() -> None:
    patched = rules.patch_location(location(name="Alfa"), {"name": None, "last_updated": T1})

    assert patched == location(last_updated=T1)


def test_null_in_a_patch_does_not_remove_a_required_field() -> None:
    with pytest.raises(InvalidParameters) as refused:
        rules.patch_location(location(), {"coordinates": {"latitude": None}, "last_updated": T1})

    assert refused.value.field == "coordinates.latitude"


@pytest.mark.parametrize(
    ("field", "patch"),
    [
        ("publish_allowed_to", {"publish_allowed_to": [{"group_id": "G1"}]}),
        ("evses.0.status", {"evses": [{"uid": "E1", "status": "broken"}]}),
        ("evses.1.connectors", {"evses": [{"uid": "E2", "status": "AVAILABLE"}]}),
        ("evses", {"evses": None}),
        ("evses", {"evses": {"uid": "E1"}}),
        ("evses.0.uid", {"evses": [{"status": "AVAILABLE"}]}),
        ("evses.0.uid", {"evses": ["E1"]}),
        ("evses.0.last_updated", {"evses": [{"uid": "E1", "last_updated": "now"}]}),
        ("country", {"country": "PT"}),
    ],
)
def test_a_patch_is_refused_when_the_resulting_location_is_not_valid(
    field: str, patch: dict[str, Any]
) -> None:
    with pytest.raises(InvalidParameters) as refused:
        rules.patch_location(location(), {**patch, "last_updated": T1})

    assert refused.value.field == field


def test_a_patch_with_one_of_three_evses_keeps_the_others() -> None:
    """Source: LOC-08"""
    stored = location(evses=[evse("E1"), evse("E2"), evse("E3")])

    patched = rules.patch_location(
        stored, {"evses": [{"uid": "e2", "status": "CHARGING"}], "last_updated": T1}
    )

    assert patched == location(
        evses=[evse("E1"), evse("E2", status="CHARGING", last_updated=T1), evse("E3")], last_updated=T1
    )


def test_a_patch_of_a_location_may_add_an_evse_and_change_a_connector() -> None:
    """Source: LOC-08"""
    change = {"uid": "E1", "connectors": [{"id": "1", "tariff_ids": ["T1"]}]}

    patched = rules.patch_location(location(), {"evses": [change, evse("E2")], "last_updated": T1})

    changed = evse("E1", connectors=[connector(tariff_ids=["T1"], last_updated=T1)], last_updated=T1)
    assert patched == location(evses=[changed, evse("E2")], last_updated=T1)


def test_an_evse_in_a_patch_is_ignored_when_it_is_older_than_the_stored_one() -> None:
    """Source: LOC-14"""
    stored = location(evses=[evse(status="CHARGING", last_updated=T2)], last_updated=T2)
    late = {"uid": "E1", "status": "AVAILABLE", "last_updated": T1}

    patched = rules.patch_location(stored, {"evses": [late], "name": "Alfa", "last_updated": T3})

    assert patched == {**stored, "name": "Alfa", "last_updated": T3}


def test_last_updated_of_a_location_rises_to_that_of_its_newest_patched_evse() -> None:
    """Source: LOC-03"""
    patch = {"evses": [{"uid": "E1", "status": "CHARGING", "last_updated": T2}], "last_updated": T1}

    patched = rules.patch_location(location(), patch)

    assert patched is not None
    assert (patched["last_updated"], patched["evses"][0]["last_updated"]) == (T2, T2)


def test_a_patch_does_not_change_how_an_id_was_first_written() -> None:
    """Source: OWN-04"""
    patched = rules.patch_location(location(), {"id": "l1", "party_id": "abc", "last_updated": T1})

    assert patched == location(last_updated=T1)


@pytest.mark.parametrize("stored", [evse(last_updated=T1), evse(last_updated="2026-03-01T09:00:00.001Z")])
def test_an_older_put_or_patch_changes_nothing(stored: dict[str, Any]) -> None:
    """Source: LOC-14"""
    older = "2026-03-01T08:59:59.999Z"
    evse_with_connector = {**stored, "connectors": [connector(last_updated=T1)]}

    assert rules.put_evse(stored, evse(last_updated=older)) is None
    assert rules.patch_evse(stored, {"status": "CHARGING", "last_updated": older}) is None
    assert rules.put_connector(evse_with_connector, connector(last_updated=older)) is None
    assert (
        rules.patch_connector(evse_with_connector, "1", {"max_voltage": 400, "last_updated": older}) is None
    )
    assert rules.patch_location(location(last_updated=T1), {"name": "Beta", "last_updated": older}) is None


def test_a_put_with_the_stored_last_updated_takes_effect() -> None:
    """Source: LOC-14"""
    assert rules.put_evse(evse(), evse(status="CHARGING")) == evse(status="CHARGING")


def test_an_evse_is_patched() -> None:
    """Source: LOC-06"""
    patched = rules.patch_evse(evse(mobie_x={"a": 1}), {"status": "CHARGING", "last_updated": T1})

    assert patched == evse(status="CHARGING", mobie_x={"a": 1}, last_updated=T1)


def test_a_patch_of_an_evse_does_not_drop_connectors() -> None:
    """Source: LOC-08"""
    stored = evse(connectors=[connector("1"), connector("2")])

    patched = rules.patch_evse(stored, {"connectors": [{"id": "2", "max_amperage": 16}], "last_updated": T1})

    assert patched is not None
    assert patched["connectors"] == [connector("1"), connector("2", max_amperage=16, last_updated=T1)]


def test_a_child_of_an_unknown_evse_or_connector_is_not_found() -> None:
    """Source: LOC-13, STA-08"""
    changes: list[Callable[[], object]] = [
        lambda: rules.patch_evse(None, {"last_updated": T1}),
        lambda: rules.put_connector(None, connector()),
        lambda: rules.patch_connector(None, "1", {"last_updated": T1}),
        lambda: rules.patch_connector(evse(), "2", {"last_updated": T1}),
    ]
    for change in changes:
        with pytest.raises(LocationNotFound):
            change()


def test_a_replaced_connector_raises_last_updated_of_its_evse() -> None:
    """Source: LOC-05"""
    stored = evse(connectors=[connector("a"), connector("b", tariff_ids=["T1"])], mobie_x=1)

    changed = rules.put_connector(stored, connector("B", last_updated=T1))

    assert changed == evse(
        connectors=[connector("a"), connector("B", last_updated=T1)], mobie_x=1, last_updated=T1
    )


def test_a_connector_is_added_to_its_evse() -> None:
    """Source: LOC-05"""
    changed = rules.put_connector(evse(), connector("2", last_updated=T1))

    assert changed == evse(connectors=[connector("1"), connector("2", last_updated=T1)], last_updated=T1)


def test_a_connector_older_than_its_evse_does_not_lower_last_updated_of_the_evse() -> None:
    """Source: LOC-14"""
    stored = evse(last_updated=T2)

    changed = rules.patch_connector(stored, "1", {"tariff_ids": ["T1"], "last_updated": T1})

    assert changed == evse(connectors=[connector(tariff_ids=["T1"], last_updated=T1)], last_updated=T2)


def test_a_patch_that_breaks_a_connector_is_refused() -> None:
    with pytest.raises(InvalidParameters) as refused:
        rules.patch_connector(evse(), "1", {"max_voltage": None, "last_updated": T1})

    assert refused.value.field == "max_voltage"


statuses = st.sampled_from(["AVAILABLE", "CHARGING", "OUTOFORDER"])
update_lists = st.lists(
    st.tuples(st.integers(0, 5), statuses), min_size=1, max_size=8, unique_by=lambda one: one[0]
)


@given(update_lists, st.randoms())
def test_the_newest_update_of_an_evse_counts_in_any_order_of_arrival(
    updates: list[tuple[int, str]], chance: Any
) -> None:
    """Source: LOC-14, TRP-10"""
    shuffled = list(updates)
    chance.shuffle(shuffled)
    current = evse(last_updated=T0)
    for minute, status in shuffled:
        patch = {"status": status, "last_updated": f"2026-03-01T08:0{minute}:00Z"}
        current = rules.patch_evse(current, patch) or current

    assert current["status"] == max(updates)[1]
