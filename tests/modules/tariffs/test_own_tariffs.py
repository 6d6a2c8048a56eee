"""Source: OCPI 2.2.1 mod_tariffs, Push model; TAR-05, TAR-07, OWN-04"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.errors import InvalidParameters, NotFound
from chalicelib.modules.locations.own_locations import patch_own_connector, patch_own_evse, put_own_location
from chalicelib.modules.tariffs.own_tariffs import delete_own_tariff, patch_own_tariff, put_own_tariff
from chalicelib.node import Node
from chalicelib.protocol.json_text import read_json
from chalicelib.protocol.message import Party
from chalicelib.protocol.types import format_datetime
from chalicelib.storage.keys import Ref
from tests.modules.builders import connector, evse, location, tariff, without
from tests.modules.conftest import NodeOf
from tests.storage.capacity import measured

ABC = Party("PT", "ABC")
PLAIN = without(tariff(), "country_code", "party_id", "id", "last_updated")


@pytest.fixture
def node(node_of: NodeOf) -> Node:
    return node_of("CPO")


def now(node: Node) -> str:
    return format_datetime(node.clock())


def later(node: Node, **duration: float) -> str:
    node.clock.forward(**duration)  # type: ignore[attr-defined]
    return now(node)


def stored(node: Node, tariff_id: str = "T1") -> Any:
    found = node.objects.get(Ref("tariffs", *ABC, tariff_id))
    return read_json(str(found.body)) if found else None


def test_ids_and_time_that_the_operator_leaves_out_are_filled_in(node: Node) -> None:
    written = put_own_tariff(node, ABC, "T1", PLAIN)

    assert written.created
    assert written.document == stored(node) == tariff(last_updated=now(node))


def test_a_tariff_is_replaced_as_a_whole(node: Node) -> None:
    put_own_tariff(node, ABC, "T1", {**PLAIN, "tariff_alt_url": "https://alfa.pt"})
    moment = later(node, minutes=1)

    written = put_own_tariff(node, ABC, "T1", {**PLAIN, "currency": "SEK"})

    assert not written.created
    assert stored(node) == tariff(currency="SEK", last_updated=moment)


def test_a_changed_tariff_gets_a_new_last_updated(node: Node) -> None:
    """Source: TRP-08"""
    read = put_own_tariff(node, ABC, "T1", PLAIN).document
    moment = later(node, minutes=1)

    put_own_tariff(node, ABC, "T1", {**read, "currency": "SEK"})

    assert stored(node)["last_updated"] == moment


def test_an_unchanged_tariff_is_not_written_again(node: Node, in_moto: None) -> None:
    read = put_own_tariff(node, ABC, "T1", PLAIN).document
    later(node, minutes=1)

    with measured(node.table) as spent:
        written = put_own_tariff(node, ABC, "T1", without(read, "last_updated"))

    assert (written.document, written.created) == (read, False)
    assert spent.write_units == 0


def test_a_newer_last_updated_from_the_operator_is_kept(node: Node) -> None:
    put_own_tariff(node, ABC, "T1", {**PLAIN, "last_updated": "2026-01-01T00:00:00Z"})
    assert stored(node)["last_updated"] == "2026-01-01T00:00:00Z"

    put_own_tariff(node, ABC, "T1", {**PLAIN, "currency": "SEK", "last_updated": "2026-01-02T00:00:00Z"})
    assert stored(node)["last_updated"] == "2026-01-02T00:00:00Z"


def test_last_updated_never_goes_back(node: Node) -> None:
    ahead = format_datetime(datetime(2030, 1, 1, tzinfo=UTC))
    put_own_tariff(node, ABC, "T1", {**PLAIN, "last_updated": ahead})

    put_own_tariff(node, ABC, "T1", {**PLAIN, "currency": "SEK"})

    assert stored(node)["last_updated"] == ahead


def test_an_id_stays_as_it_was_first_written(node: Node) -> None:
    """Source: OWN-04, TYP-01"""
    put_own_tariff(node, ABC, "Day-1", PLAIN)

    written = put_own_tariff(node, ABC, "DAY-1", {**PLAIN, "id": "day-1", "currency": "SEK"})

    assert (written.created, written.document["id"]) == (False, "Day-1")


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("id", {"id": "T2"}),
        ("party_id", {"party_id": "XYZ"}),
        ("country_code", {"country_code": 351}),
        ("currency", {"currency": None}),
        ("elements.0.price_components", {"elements": [{}]}),
        ("last_updated", {"last_updated": "now"}),
        ("last_updated", {"last_updated": 5}),
    ],
)
def test_a_wrong_tariff_is_refused_and_the_error_names_its_field(
    node: Node, field: str, change: dict[str, Any]
) -> None:
    with pytest.raises(InvalidParameters) as refused:
        put_own_tariff(node, ABC, "T1", {**PLAIN, **change})

    assert refused.value.field == field
    assert stored(node) is None


def test_a_patch_changes_only_the_fields_in_it(node: Node) -> None:
    put_own_tariff(node, ABC, "T1", {**PLAIN, "tariff_alt_url": "https://alfa.pt"})
    moment = later(node, minutes=1)

    patch_own_tariff(node, ABC, "T1", {"currency": "SEK", "tariff_alt_url": None})

    assert stored(node) == tariff(currency="SEK", last_updated=moment)


def test_a_patch_of_an_unknown_tariff_is_not_found(node: Node) -> None:
    with pytest.raises(NotFound):
        patch_own_tariff(node, ABC, "T1", {"currency": "SEK"})


def test_a_patch_is_refused_when_the_resulting_tariff_is_not_valid(node: Node) -> None:
    put_own_tariff(node, ABC, "T1", PLAIN)

    with pytest.raises(InvalidParameters) as refused:
        patch_own_tariff(node, ABC, "T1", {"elements": None})

    assert refused.value.field == "elements"


def test_a_tariff_without_references_is_deleted(node: Node) -> None:
    put_own_tariff(node, ABC, "T1", PLAIN)

    delete_own_tariff(node, ABC, "t1")

    assert stored(node) is None


def test_an_unknown_tariff_cannot_be_deleted(node: Node) -> None:
    with pytest.raises(NotFound):
        delete_own_tariff(node, ABC, "T1")


@pytest.mark.parametrize("publish", [True, False])
def test_a_tariff_that_a_connector_refers_to_is_not_deleted(node: Node, publish: bool) -> None:
    """Source: TAR-05"""
    put_own_tariff(node, ABC, "T1", PLAIN)
    referring = evse(connectors=[connector(), connector("2", tariff_ids=["T10", "t1"])])
    put_own_location(node, ABC, "L1", location(evses=[evse("E0"), referring], publish=publish))

    with pytest.raises(InvalidParameters) as refused:
        delete_own_tariff(node, ABC, "T1")

    assert refused.value.field == "tariff_ids"
    assert "L1/E1/2" in refused.value.detail
    assert stored(node)


def test_a_tariff_can_be_deleted_after_its_references_are_removed(node: Node) -> None:
    """Source: TAR-05"""
    for tariff_id in ("T1", "T2"):
        put_own_tariff(node, ABC, tariff_id, PLAIN)
    one, two = (
        evse("E1", connectors=[connector(tariff_ids=["T1"])]),
        evse("E2", connectors=[connector(tariff_ids=["T2"])]),
    )
    put_own_location(node, ABC, "L1", location(evses=[one, two]))

    patch_own_connector(node, ABC, "L1", "E1", "1", {"tariff_ids": None})
    patch_own_evse(node, ABC, "L1", "E2", {"status": "REMOVED"})

    delete_own_tariff(node, ABC, "T1")
    delete_own_tariff(node, ABC, "T2")


def test_a_reference_is_found_on_any_page(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Source: TAR-05"""
    monkeypatch.setattr("chalicelib.modules.tariffs.own_tariffs.MAX_LIMIT", 2)
    put_own_tariff(node, ABC, "T1", PLAIN)
    referring = evse(connectors=[connector(tariff_ids=["T1"])])
    for number in range(5):
        evses = [referring] if number == 4 else []
        put_own_location(node, ABC, f"L{number}", location(id=f"L{number}", evses=evses))

    with pytest.raises(InvalidParameters):
        delete_own_tariff(node, ABC, "T1")
