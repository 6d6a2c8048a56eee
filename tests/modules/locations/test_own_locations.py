"""Source: OCPI 2.2.1 mod_locations, Flow and Lifecycle; LOC-03, LOC-09, LOC-15 … LOC-21"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.errors import InvalidParameters, LocationNotFound
from chalicelib.modules.locations.own_locations import (
    OwnObject,
    patch_own_connector,
    patch_own_evse,
    patch_own_location,
    put_own_connector,
    put_own_evse,
    put_own_location,
)
from chalicelib.node import Node
from chalicelib.protocol.json_text import read_json
from chalicelib.protocol.message import Party
from chalicelib.protocol.types import format_datetime
from chalicelib.storage.keys import Ref
from tests.modules.builders import connector, evse, location, without
from tests.modules.conftest import NodeOf
from tests.storage.capacity import measured

ABC = Party("PT", "ABC")
START = "2026-03-01T12:00:00Z"
NEXT = "2026-03-01T12:01:00Z"


def at_start(uid: str = "E1", **fields: Any) -> dict[str, Any]:
    return evse(uid, **{"connectors": [connector(last_updated=START)], "last_updated": START, **fields})


def site(**fields: Any) -> dict[str, Any]:
    return location(**{"evses": [at_start("E1"), at_start("E2")], "last_updated": START, **fields})


@pytest.fixture
def node(node_of: NodeOf) -> Node:
    """A CPO node with L1, created at START; the clock is one minute later."""
    node = node_of("CPO")
    assert format_datetime(node.clock()) == START
    bare = without(
        location(evses=[bare_evse("E1"), bare_evse("E2")]), "country_code", "party_id", "id", "last_updated"
    )
    assert put_own_location(node, ABC, "L1", bare) == OwnObject(site(), True)
    node.clock.forward(minutes=1)  # type: ignore[attr-defined]
    return node


def bare_evse(uid: str) -> dict[str, Any]:
    return without(evse(uid, connectors=[without(connector(), "last_updated")]), "last_updated")


def stored(node: Node, location_id: str = "L1") -> Any:
    text = node.locations.get(Ref("locations", *ABC, location_id))
    return read_json(str(text)) if text else None


def test_a_put_replaces_a_location_and_marks_missing_evses_as_removed(node: Node) -> None:
    """Source: LOC-09"""
    proposed = without(location(name="Alfa", evses=[bare_evse("E2"), bare_evse("E3")]), "last_updated")

    written = put_own_location(node, ABC, "L1", proposed)

    new = at_start("E3", connectors=[connector(last_updated=NEXT)], last_updated=NEXT)
    gone = at_start("E1", status="REMOVED", last_updated=NEXT)
    assert not written.created
    assert (
        stored(node)
        == written.document
        == site(name="Alfa", evses=[at_start("E2"), new, gone], last_updated=NEXT)
    )


def test_an_unchanged_object_is_not_written_again(node: Node, in_moto: None) -> None:
    read = stored(node)

    with measured(node.table) as spent:
        assert put_own_location(node, ABC, "L1", read) == OwnObject(read, False)
        assert patch_own_location(node, ABC, "L1", {"publish": True}) == OwnObject(read, False)
        assert put_own_evse(node, ABC, "L1", "E1", bare_evse("E1")).document == at_start()
        assert patch_own_connector(node, ABC, "L1", "E1", "1", {"max_voltage": 230}).created is False

    assert spent.write_units == 0


def test_a_patch_of_a_location_does_not_change_its_evses(node: Node) -> None:
    written = patch_own_location(
        node, ABC, "L1", {"name": "Alfa", "opening_times": {"twentyfourseven": True}}
    )

    assert written.document == stored(node)
    assert stored(node) == site(name="Alfa", opening_times={"twentyfourseven": True}, last_updated=NEXT)


def test_a_patch_of_a_location_merges_evses(node: Node) -> None:
    """Source: LOC-08"""
    patch_own_location(node, ABC, "L1", {"evses": [{"uid": "E2", "status": "CHARGING"}]})

    changed = at_start("E2", status="CHARGING", last_updated=NEXT)
    assert stored(node) == site(evses=[at_start("E1"), changed], last_updated=NEXT)


def test_a_patch_with_an_old_last_updated_still_counts_and_gets_a_new_time(node: Node) -> None:
    old = {
        "name": "Alfa",
        "last_updated": START,
        "evses": [{"uid": "E1", "status": "BLOCKED", "last_updated": START}],
    }

    patch_own_location(node, ABC, "L1", old)

    changed = at_start("E1", status="BLOCKED", last_updated=NEXT)
    assert stored(node) == site(name="Alfa", evses=[changed, at_start("E2")], last_updated=NEXT)


def test_an_evse_is_added(node: Node) -> None:
    written = put_own_evse(node, ABC, "L1", "E3", without(bare_evse("E3"), "uid"))

    new = at_start("E3", connectors=[connector(last_updated=NEXT)], last_updated=NEXT)
    assert written == OwnObject(new, True)
    assert stored(node) == site(evses=[at_start("E1"), at_start("E2"), new], last_updated=NEXT)


def test_a_status_change_raises_last_updated_of_its_location(node: Node) -> None:
    """Source: LOC-03"""
    patch_own_evse(node, ABC, "L1", "e1", {"status": "CHARGING"})

    changed = at_start("E1", status="CHARGING", last_updated=NEXT)
    assert stored(node) == site(evses=[changed, at_start("E2")], last_updated=NEXT)


def test_a_change_of_a_connector_raises_last_updated_of_its_evse_and_location(node: Node) -> None:
    """Source: LOC-03"""
    patch_own_connector(node, ABC, "L1", "E1", "1", {"tariff_ids": ["T1"]})
    written = put_own_connector(node, ABC, "L1", "E1", "2", without(connector(), "id", "last_updated"))

    both = [connector("1", tariff_ids=["T1"], last_updated=NEXT), connector("2", last_updated=NEXT)]
    assert written == OwnObject(both[1], True)
    assert stored(node) == site(
        evses=[at_start(connectors=both, last_updated=NEXT), at_start("E2")], last_updated=NEXT
    )


def test_a_known_connector_is_replaced(node: Node) -> None:
    proposed = without(connector(max_amperage=63), "last_updated")

    written = put_own_connector(node, ABC, "L1", "E1", "1", proposed)

    assert written == OwnObject(connector(max_amperage=63, last_updated=NEXT), False)


UNKNOWN: list[Callable[[Node], OwnObject]] = [
    lambda node: patch_own_location(node, ABC, "L9", {"name": "x"}),
    lambda node: put_own_evse(node, ABC, "L9", "E1", evse()),
    lambda node: patch_own_evse(node, ABC, "L1", "E9", {"status": "CHARGING"}),
    lambda node: put_own_connector(node, ABC, "L1", "E9", "1", connector()),
    lambda node: patch_own_connector(node, ABC, "L1", "E9", "1", {"max_voltage": 400}),
    lambda node: patch_own_connector(node, ABC, "L1", "E1", "9", {"max_voltage": 400}),
]


@pytest.mark.parametrize("change", UNKNOWN)
def test_a_change_of_an_unknown_object_is_not_found(node: Node, change: Callable[[Node], OwnObject]) -> None:
    with pytest.raises(LocationNotFound):
        change(node)

    assert stored(node) == site()


WRONG: list[tuple[str, Callable[[Node], OwnObject]]] = [
    ("city", lambda node: put_own_location(node, ABC, "L1", without(location(), "city"))),
    ("id", lambda node: put_own_location(node, ABC, "L1", location(id="L2"))),
    ("evses.0.status", lambda node: put_own_location(node, ABC, "L1", location(evses=[evse(status=1)]))),
    ("evses", lambda node: put_own_location(node, ABC, "L1", location(evses=[evse("A"), evse("a")]))),
    ("evses", lambda node: put_own_location(node, ABC, "L1", location(evses="E1"))),
    ("last_updated", lambda node: put_own_location(node, ABC, "L1", location(last_updated="now"))),
    ("country", lambda node: patch_own_location(node, ABC, "L1", {"country": "PT"})),
    ("party_id", lambda node: patch_own_location(node, ABC, "L1", {"party_id": "XYZ"})),
    ("uid", lambda node: put_own_evse(node, ABC, "L1", "E1", evse("E2"))),
    ("status", lambda node: patch_own_evse(node, ABC, "L1", "E1", {"status": "charging"})),
    ("uid", lambda node: patch_own_evse(node, ABC, "L1", "E1", {"uid": "E2"})),
    ("connectors", lambda node: patch_own_evse(node, ABC, "L1", "E1", {"connectors": None})),
    ("id", lambda node: put_own_connector(node, ABC, "L1", "E1", "1", connector("2"))),
    ("standard", lambda node: patch_own_connector(node, ABC, "L1", "E1", "1", {"standard": None})),
]


@pytest.mark.parametrize(("field", "change"), WRONG)
def test_a_wrong_value_is_refused_and_the_error_names_its_field(
    node: Node, field: str, change: Callable[[Node], OwnObject]
) -> None:
    with pytest.raises(InvalidParameters) as refused:
        change(node)

    assert refused.value.field == field
    assert stored(node) == site()


def test_a_location_changes_its_partition_with_publish(node: Node) -> None:
    """Source: LOC-16"""

    def partition_now() -> str:
        header = node.locations.get_header(Ref("locations", *ABC, "L1"))
        assert header
        return header.partition

    shown = partition_now()
    patch_own_location(node, ABC, "L1", {"publish": False})

    assert partition_now() != shown
    patch_own_location(node, ABC, "L1", {"publish": True})
    assert partition_now() == shown
