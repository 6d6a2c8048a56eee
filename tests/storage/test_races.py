"""Tests of concurrent writers, on an emulator whose transactions are correct under threads."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest

from chalicelib.protocol.json_text import read_json
from chalicelib.storage import counters
from chalicelib.storage.locations import LocationStore, StoredEvse, WriteEvse, WriteLocation
from chalicelib.storage.objects import ObjectStore, Stored, Write, is_stale
from chalicelib.storage.table import Table
from tests.storage.builders import (
    NOON,
    OWN,
    SITES,
    crawl,
    evse,
    put,
    put_evse,
    put_site,
    query,
    remove,
    site,
    site_ref,
    tariff,
    tariff_ref,
)

T = TypeVar("T")
WRITERS = 12


def at_once(work: Callable[[T], Any], inputs: Iterable[T]) -> list[Any]:
    with ThreadPoolExecutor(WRITERS) as pool:
        return list(pool.map(work, inputs))


def entries(table: Table, partition: str, index: str = "by_created") -> list[dict[str, Any]]:
    return list(table.query_all("#lp = :lp", {"lp": partition}, index=index))


def counted_days(table: Table, partition: str) -> dict[str, int]:
    items = table.query_all("#pk = :pk", {"pk": f"count#{partition}"})
    return {day: count for item in items if item["sk"] != "#" for day, count in counters.days(item) if count}


def test_concurrent_creations_lose_no_count_and_share_no_number(objects: ObjectStore, table: Table) -> None:
    at_once(lambda number: put(objects, f"T{number}", f"2026-11-{number % 28 + 1:02}T00:00:00Z"), range(60))

    assert sorted(entry["cr"] for entry in entries(table, OWN)) == list(range(60))
    assert objects.page([OWN], query()).total == 60
    assert sum(counted_days(table, OWN).values()) == 60
    assert (
        len(
            [body for page in crawl(lambda q: objects.page([OWN], q), query(limit=9)) for body in page.bodies]
        )
        == 60
    )


def test_an_object_created_by_many_writers_is_created_once(objects: ObjectStore) -> None:
    changes = at_once(lambda _: put(objects, "A"), range(WRITERS))

    assert sum(change.created for change in changes) == 1
    assert objects.page([OWN], query()).total == 1


@pytest.mark.parametrize("block", [1000, 4])
def test_counters_are_right_after_a_mix_of_creation_change_and_deletion(
    objects: ObjectStore, table: Table, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(counters, "BLOCK", block)
    lists = [OWN, OWN + "#hidden"]

    def work(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(12):
            name = f"T{chance.randrange(14)}"
            if chance.random() < 0.4:
                remove(objects, name)
            else:
                day = f"2026-{chance.choice((3, 4, 11)):02}-{chance.randrange(1, 4):02}T00:00:00.{seed}Z"
                put(objects, name, day, chance.choice(lists), skip_same=chance.random() < 0.5)

    at_once(work, range(WRITERS))

    for partition in lists:
        found = entries(table, partition)
        root = table.get(counters.root_key(partition)) or {}
        numbers = {entry["cr"] for entry in found}
        holes = Counter(number // block for number in set(range(root["next"])) - numbers)
        assert len(numbers) == len(found) == root["total"] == objects.page([partition], query()).total
        bounds = root.get("empty", [])
        empty = [range(*stretch) for stretch in zip(bounds[::2], bounds[1::2], strict=True)]
        noted = {number: block for stretch in empty for number in stretch}
        assert {int(name[1:]): root[name] for name in root if name[0] == "h"} | noted == holes
        updated = Counter(entry["lu"][:10] for entry in entries(table, partition, "by_updated"))
        assert counted_days(table, partition) == updated
        assert sum(number for _, number in counters.quarters(root)) == len(found)


def test_the_newest_of_concurrent_pushes_stays(objects: ObjectStore) -> None:
    """Source: LOC-14."""
    moments = [f"2026-11-24T12:00:{second:02}Z" for second in range(48)]
    random.Random(3).shuffle(moments)

    def push(moment: str) -> None:
        def decide(current: Stored | None) -> Write | None:
            return None if is_stale(current, moment) else Write(tariff("A", moment), moment)

        objects.change(tariff_ref("A"), decide, partition=OWN, source="")

    at_once(push, moments)

    stored = objects.get(tariff_ref("A"))
    assert stored is not None
    assert read_json(str(stored.body))["last_updated"] == max(moments)
    assert stored.last_updated == "2026-11-24T12:00:47.000000"


def test_concurrent_read_modify_writes_lose_no_update(objects: ObjectStore) -> None:
    def add_one(_: int) -> None:
        def decide(current: Stored | None) -> Write:
            count = read_json(str(current.body))["count"] if current else 0
            return Write(tariff("A", count=count + 1), NOON)

        objects.change(tariff_ref("A"), decide, partition=OWN, source="")

    at_once(add_one, range(48))

    stored = objects.get(tariff_ref("A"))
    assert stored is not None and read_json(str(stored.body))["count"] == 48


def test_concurrent_changes_of_evses_of_one_location_are_all_kept(
    locations: LocationStore, table: Table
) -> None:
    """Source: LOC-03."""
    put_site(locations, "L1", [evse(f"E{number}") for number in range(16)])

    def change(number: int) -> None:
        put_evse(locations, "L1", evse(f"E{number}", f"2026-11-25T{number:02}:00:00Z", "CHARGING"))

    at_once(change, range(16))

    location = read_json(str(locations.get(site_ref("L1"))))
    assert [each["status"] for each in location["evses"]] == ["CHARGING"] * 16
    assert location["last_updated"] == "2026-11-25T15:00:00Z"
    assert counted_days(table, SITES) == {"2026-11-25": 1}


def test_evses_added_concurrently_are_all_kept(locations: LocationStore) -> None:
    """Source: LOC-05."""
    put_site(locations, "L1")

    at_once(lambda number: put_evse(locations, "L1", evse(f"E{number}")), range(16))

    location = read_json(str(locations.get(site_ref("L1"))))
    assert sorted(each["uid"] for each in location["evses"]) == sorted(f"E{number}" for number in range(16))


def test_concurrent_changes_of_connectors_of_one_evse_are_all_kept(locations: LocationStore) -> None:
    put_site(locations, "L1", [evse("E1", connectors={})])

    def change(number: int) -> None:
        def decide(current: StoredEvse | None, _: object) -> WriteEvse:
            assert current is not None
            document = read_json(str(current.body))
            return WriteEvse({**document, "connectors": {**document["connectors"], str(number): "x"}})

        locations.change_evse(site_ref("L1"), "E1", decide, source="")

    at_once(change, range(24))

    found = locations.get_evse(site_ref("L1"), "E1")
    assert found is not None and len(read_json(str(found.body))["connectors"]) == 24


def test_a_reader_never_sees_half_of_a_location_written_whole(locations: LocationStore) -> None:
    """Also with too many EVSEs for one transaction, and with changes of one EVSE in between."""

    def document(generation: int) -> WriteLocation:
        number = (3, 200, 150, 5)[generation % 4]
        evses = [evse(f"E{slot}", generation=generation) for slot in range(number)]
        return WriteLocation(site("L1", generation=generation, evse_number=number), evses)

    def write(generation: int) -> None:
        locations.change(site_ref("L1"), lambda _: document(generation), partition=SITES, source="")

    def touch(_: int) -> None:
        def decide(current: StoredEvse | None, __: object) -> WriteEvse | None:
            return WriteEvse(read_json(str(current.body))) if current else None

        locations.change_evse(site_ref("L1"), "E1", decide, source="")

    def read(_: int) -> None:
        for text in (locations.get(site_ref("L1")), *locations.page([SITES], query()).bodies):
            location = read_json(str(text))
            assert len(location["evses"]) == location["evse_number"]
            assert {each["generation"] for each in location["evses"]} == {location["generation"]}

    write(0)
    steps: list[Callable[[], None]] = []
    for generation in range(1, 13):
        steps += [lambda generation=generation: write(generation), lambda: touch(0), *[lambda: read(0)] * 4]
    at_once(lambda step: step(), steps)
    read(0)


@pytest.mark.parametrize("number", [3, 200])
def test_a_read_interrupted_by_a_write_is_repeated(
    locations: LocationStore, table: Table, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """DynamoDB's reads are not atomic, but the emulator's are, so the test writes between two items."""

    def write(generation: int) -> None:
        evses = [evse(f"E{slot}", generation=generation) for slot in range(number)]
        whole = WriteLocation(site("L1", generation=generation), evses)
        locations.change(site_ref("L1"), lambda _: whole, partition=SITES, source="")

    write(1)
    read_all, read_keys, coming = table.query_all, table.get_many, [2, 3]

    def torn_query(condition: str, values: dict[str, Any], **options: Any) -> list[dict[str, Any]]:
        before = list(read_all(condition, values, **options))
        if condition != "#pk = :pk" or not coming:
            return before
        write(coming.pop(0))
        after = list(read_all(condition, values, **options))
        return [item for item in before if item["sk"] == "#"] + [item for item in after if item["sk"] != "#"]

    def torn_get(keys: Iterable[Any], *options: Any) -> Any:
        asked = list(keys)
        before = read_keys(asked, *options)
        if len(asked) < 3 or not coming:
            return before
        write(coming.pop(0))
        return {**read_keys(asked, *options), **{key: item for key, item in before.items() if key.sk == "#"}}

    monkeypatch.setattr(table, "query_all", torn_query)
    monkeypatch.setattr(table, "get_many", torn_get)

    for asked in (locations.get, lambda _: locations.page([SITES], query()).bodies[0]):
        location = read_json(str(asked(site_ref("L1"))))

        assert coming == []
        assert {each["generation"] for each in location["evses"]} == {location["generation"]}
        assert len(location["evses"]) == number
        coming += [4, 5]


def test_concurrent_large_writes_leave_one_result_and_no_other_items(
    locations: LocationStore, table: Table
) -> None:
    def write(generation: int) -> None:
        evses = [evse(f"E{slot}", generation=generation) for slot in range(120)]
        locations.change(
            site_ref("L1"), lambda _: WriteLocation(site("L1"), evses), partition=SITES, source=""
        )

    at_once(write, range(6))

    location = read_json(str(locations.get(site_ref("L1"))))
    assert len({each["generation"] for each in location["evses"]}) == 1
    assert len(list(table.query_all("#pk = :pk", {"pk": site_ref("L1").key.pk}))) == 122
