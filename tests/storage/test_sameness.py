"""Tests of writes that are skipped, and of those that keep the version. Source: docs/decisions.md"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.storage.locations import LocationStore, WriteEvse, WriteLocation
from chalicelib.storage.objects import Keep, ObjectStore, Stored, Write
from chalicelib.storage.sameness import has_same_content, without_times
from chalicelib.storage.table import Table
from tests.storage.builders import (
    LATER,
    NOON,
    OWN,
    SITES,
    evse,
    put,
    put_evse,
    put_site,
    query,
    read,
    site,
    site_ref,
    tariff,
    tariff_ref,
)
from tests.storage.capacity import measured

LATEST = "2026-11-24T14:00:00Z"


def test_an_identical_object_costs_one_read(objects: ObjectStore, table: Table) -> None:
    put(objects, "A")

    with measured(table) as spent:
        change = put(objects, "A", skip_same=True)

    assert not change.written
    assert spent.calls == ["BatchGetItem"]


def test_another_last_updated_keeps_the_version_and_moves_the_object_in_lists_with_dates(
    objects: ObjectStore,
) -> None:
    before = put(objects, "A").after

    after = put(objects, "A", LATER, skip_same=True).after

    assert before is not None and after is not None
    assert (after.version, after.stamp) == (before.version, LATER)
    assert objects.page([OWN], query(date_from=LATER)).total == 1
    assert objects.page([OWN], query(date_to=LATER)).total == 0


@pytest.mark.parametrize("changed", [{"name": "New"}, {"partition": OWN + "#hidden"}])
def test_any_other_change_has_a_new_version(objects: ObjectStore, changed: dict[str, str]) -> None:
    before = put(objects, "A").after

    after = put(objects, "A", LATER, skip_same=True, **changed).after  # type: ignore[arg-type]

    assert before is not None and after is not None and after.version > before.version


def test_another_source_is_a_change(objects: ObjectStore) -> None:
    put(objects, "A")
    write = Write(tariff("A"), NOON)

    change = objects.change(tariff_ref("A"), lambda _: write, partition=OWN, source="hub", skip_same=True)

    assert change.written and change.after is not None and change.after.source == "hub"


def test_a_write_that_lost_against_one_of_last_updated_alone_decides_again(objects: ObjectStore) -> None:
    """LOC-14: it would be older than what is stored by then."""
    put(objects, "A")
    seen: list[str] = []

    def decide(current: Stored | None) -> Write | None:
        assert current is not None
        seen.append(current.stamp)
        if len(seen) == 1:
            put(objects, "A", LATEST, skip_same=True)
        return Write(tariff("A", LATER, name="New"), LATER) if current.stamp < LATER else None

    objects.change(tariff_ref("A"), decide, partition=OWN, source="")

    assert seen == [NOON, LATEST]


def test_an_evse_that_lost_against_one_of_last_updated_alone_decides_again(locations: LocationStore) -> None:
    """Even if the header stayed as it was, because another EVSE is newer."""
    put_site(locations, "L1", [evse("1"), evse("2", LATEST)], LATEST)
    seen: list[str] = []

    def decide(current: object, _: object) -> WriteEvse:
        seen.append(current.last_updated)  # type: ignore[attr-defined]
        if len(seen) == 1:
            write = WriteEvse(evse("1", LATER))
            locations.change_evse(site_ref("L1"), "1", lambda *_: write, source="", skip_same=True)
        return WriteEvse(evse("1", LATEST, "CHARGING"))

    locations.change_evse(site_ref("L1"), "1", decide, source="")

    assert len(seen) == 2


def test_a_location_is_compared_with_its_evses_without_reading_them(
    locations: LocationStore, table: Table
) -> None:
    put_site(locations, "L1", [evse("1"), evse("2")])
    put_evse(locations, "L1", evse("2", LATER, "CHARGING"))
    put_evse(locations, "L1", evse("3", LATER))
    evses = [evse("1"), evse("2", LATER, "CHARGING"), evse("3", LATER)]
    write = WriteLocation(site("L1", LATER), evses)
    known = table.get_many(locations.keys_for_change(site_ref("L1"), SITES))

    with measured(table) as spent:
        change = locations.change(
            site_ref("L1"), lambda _: write, known, partition=SITES, source="", skip_same=True
        )

    assert not change.written
    assert spent.calls == []


def test_times_of_evses_alone_keep_every_version_and_cost_no_call_more(
    locations: LocationStore, table: Table
) -> None:
    put_site(locations, "L1", [evse("1"), evse("2")])
    put_evse(locations, "L1", evse("2", LATER, "CHARGING"))
    before = locations.get_header(site_ref("L1"))
    assert before is not None
    versions = [each.version for each in before.evses()]
    evses = [evse("1", LATEST), evse("2", LATEST, "CHARGING")]
    write = WriteLocation(site("L1", LATEST), evses)

    with measured(table) as spent:
        change = locations.change(site_ref("L1"), lambda _: write, partition=SITES, source="", skip_same=True)

    assert change.written
    assert spent.calls == ["BatchGetItem", "TransactWriteItems"]
    assert read(locations) == {**site("L1", LATEST), "evses": evses}
    after = locations.get_header(site_ref("L1"))
    assert after is not None
    assert (after.version, after.header_version) == (before.version, before.header_version)
    assert [each.version for each in after.evses()] == versions


def test_times_of_many_evses_do_not_undo_a_status_that_comes_meanwhile(
    locations: LocationStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They do not fit into one transaction with their location."""
    put_site(locations, "L1", [evse(str(number)) for number in range(150)])
    writer = locations._writer
    read_evses = writer._read_evses_of

    def then_one_changes(header: Any) -> Any:
        evses = read_evses(header)
        monkeypatch.undo()
        put_evse(locations, "L1", evse("149", LATEST, "CHARGING"))
        return evses

    monkeypatch.setattr(writer, "_read_evses_of", then_one_changes)
    write = WriteLocation(site("L1", LATER), [evse(str(n), LATER) for n in range(150)])
    decisions = iter([write, Keep()])

    locations.change(site_ref("L1"), lambda _: next(decisions), partition=SITES, source="", skip_same=True)

    assert read(locations)["evses"][149] == evse("149", LATEST, "CHARGING")


def test_a_header_without_digest_is_written_as_a_change(locations: LocationStore, table: Table) -> None:
    """Headers of earlier releases have none."""
    put_site(locations, "L1", [evse("1")])
    header = table.get(site_ref("L1").key)
    assert header is not None
    table.put({name: value for name, value in header.items() if name not in ("ed", "et")})
    put_evse(locations, "L1", evse("1", LATER, "CHARGING"))
    write = WriteLocation(site("L1", LATER), [evse("1", LATER, "CHARGING")])

    first = locations.change(site_ref("L1"), lambda _: write, partition=SITES, source="", skip_same=True)
    second = locations.change(site_ref("L1"), lambda _: write, partition=SITES, source="", skip_same=True)

    assert (first.written, second.written) == (True, False)


def test_a_location_without_evses_is_compared_by_its_header(locations: LocationStore) -> None:
    write = WriteLocation(site("L1"), [])

    changes = [
        locations.change(
            site_ref("L1"), lambda _, each=each: each, partition=SITES, source="", skip_same=True
        )
        for each in (write, write, replace(write, document=site("L1", LATER)))
    ]

    assert [change.written for change in changes] == [True, False, True]
    assert changes[2].after is not None and changes[0].after is not None
    assert changes[2].after.version == changes[0].after.version


@pytest.mark.parametrize(
    ("body", "other", "is_same"),
    [
        ('{"a":1,"last_updated":"x"}', '{"a":1,"last_updated":"yyy"}', True),
        ('{"a":1,"b":2}', '{"b":2,"a":1}', True),
        ('{"a":1.0}', '{"a":1.00}', False),
        ('{"a":1}', '{"a":2}', False),
        ('{"a":[1,2]}', '{"a":[2,1]}', False),
        (r'{"a":"\"last_updated\":\"x\""}', r'{"a":"\"last_updated\":\"y\""}', False),
    ],
)
def test_content_is_compared_without_times_and_without_the_order_of_fields(
    body: str, other: str, is_same: bool
) -> None:
    assert has_same_content(body, other) == is_same


def test_times_are_emptied_on_every_level() -> None:
    text = '{"last_updated":"1","e":[{"last_updated":"2"}]}'

    assert without_times(text) == '{"last_updated":"","e":[{"last_updated":""}]}'
