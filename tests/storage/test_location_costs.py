"""Tests of what locations cost.

Source: docs/design.md, Storage and what it may cost
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.protocol.json_text import read_json
from chalicelib.storage.locations import LocationStore, WriteEvse, WriteLocation
from chalicelib.storage.table import Table
from tests.storage.builders import LATER, SITES, evse, put_site, query, site, site_ref
from tests.storage.capacity import Spent, measured


def spent_on_status_change(locations: LocationStore, table: Table, location_id: str, number: int) -> Spent:
    evses = [
        evse(f"PT*MOB*E*LSB*{slot:05}*1", connectors=[{"id": "1", "x": "y" * 600}]) for slot in range(number)
    ]
    put_site(locations, location_id, evses)
    changed = evse("PT*MOB*E*LSB*00001*1", LATER, "CHARGING", connectors=[{"id": "1", "x": "y" * 600}])
    known = table.get_many(locations.keys_for_evse_change(site_ref(location_id)))
    with measured(table) as spent:
        locations.change_evse(
            site_ref(location_id), changed["uid"], lambda *_: WriteEvse(changed), known, source=""
        )
    return spent


def test_a_status_change_at_a_site_of_200_evses_costs_what_it_costs_at_a_site_of_two(
    locations: LocationStore, table: Table
) -> None:
    """The cost is three calls, the first of them together with the caller's token."""
    small = spent_on_status_change(locations, table, "SMALL", 2)
    large = spent_on_status_change(locations, table, "LARGE", 200)

    assert small.calls == large.calls == ["GetItem", "TransactWriteItems"]
    assert small.write_units == large.write_units <= 6
    assert small.read_units == large.read_units == 1


def test_put_and_patch_of_a_location_are_one_call_after_the_callers_token(
    locations: LocationStore, table: Table
) -> None:
    ref = site_ref("L1")
    calls = []
    for decision in (
        WriteLocation(site("L1"), [evse(str(slot)) for slot in range(10)]),
        WriteLocation(site("L1"), [evse(str(slot)) for slot in range(10)]),
        WriteLocation(site("L1", name="Other"), None),
    ):
        known = table.get_many(locations.keys_for_change(ref, SITES))
        with measured(table) as spent:
            locations.change(ref, lambda _, decision=decision: decision, known, partition=SITES, source="")
        calls.append(spent.calls)

    assert calls == [["TransactWriteItems"], ["TransactWriteItems"], ["PutItem"]]


def test_get_of_a_location_is_one_call_and_of_an_evse_one_after_the_callers_token(
    locations: LocationStore, table: Table
) -> None:
    put_site(locations, "L1", [evse(str(slot)) for slot in range(200)])
    known = table.get_many(locations.keys_for_get(site_ref("L1")))

    with measured(table) as whole:
        locations.get(site_ref("L1"))
    with measured(table) as one:
        locations.get_evse(site_ref("L1"), "77", known)

    assert (whole.calls, one.calls) == (["Query"], ["GetItem"])


@pytest.mark.parametrize(
    "dates", [(), ("2026-11-01T00:00:00Z",), ("2026-11-24T08:00:00Z", "2026-11-24T20:00:00Z")]
)
def test_a_page_of_50_locations_with_125_evses_costs_four_calls(
    locations: LocationStore, table: Table, dates: tuple[str, ...]
) -> None:
    for number in range(60):
        put_site(locations, f"L{number}", [evse(str(slot)) for slot in range(2 + number % 2)])

    with measured(table) as spent:
        page = locations.page([SITES], query(*dates))
    with measured(table) as later:
        rest = locations.page([SITES], replace(query(*dates), offset=50, cursor=page.next_cursor))

    assert (len(rest.bodies), rest.total) == (10, 60)
    assert len(later.calls) <= 4, later.calls
    assert (len(page.bodies), page.total, page.next_offset) == (50, 60, 50)
    assert sum(len(read_json(str(body))["evses"]) for body in page.bodies) == 125
    assert len(spent.calls) <= 4, spent.calls
