"""Objects are forgotten when their time has come, and every total is exact at any moment.

DynamoDB deletes a shadow some time after its end; here a test does, as TTL tells it through the stream.
Source: docs/retention.md; PAG-08
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.protocol.json_text import JsonText, read_json, write_json
from chalicelib.protocol.pagination import PageQuery
from chalicelib.storage import counters
from chalicelib.storage.expiry import SHADOW, fallen
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import ObjectStore, Write
from chalicelib.storage.table import Key, Table
from tests.emulator import make_table
from tests.partners.memory_aws import MemoryDynamoDb
from tests.partners.pushing import Clock
from tests.storage.builders import query
from tests.storage.capacity import measured

LIST = "sessions#PT*ABC#PT*EVI#EMSP"
DAYS = 400


class Shelf:
    """A store that keeps sessions for 400 days, and time to live."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.dynamodb = MemoryDynamoDb()
        self.table = Table(self.dynamodb, "memory")
        self.objects = ObjectStore(self.table, self.clock, {"sessions": timedelta(days=DAYS)})

    def put(self, name: str = "S1", **fields: Any) -> Ref:
        ref = Ref("sessions", "PT", "ABC", name)
        write = Write(JsonText(write_json(name)), self.clock().isoformat().replace("+00:00", "Z"), **fields)
        self.objects.change(ref, lambda _: write, partition=LIST, source="")
        return ref

    def shadow(self, ref: Ref) -> Any:
        return self.table.get(Key(ref.key.pk, SHADOW))

    def live(self, days: float) -> list[dict[str, Any]]:
        """Let days pass and DynamoDB delete what is over. Returns the stream's records of it."""
        self.clock.forward(days * 86_400)
        self.dynamodb.stream.clear()
        over = [
            key
            for key, item in self.dynamodb.items.items()
            if "expires_at" in item and int(item["expires_at"]["N"]) <= self.clock().timestamp()
        ]
        for key in over:
            self.dynamodb._set(key, None)
        service = {"principalId": "dynamodb.amazonaws.com", "type": "Service"}
        return [{**record, "userIdentity": service} for record in self.dynamodb.stream]

    def follow(self, records: list[dict[str, Any]]) -> None:
        for pk in fallen(records):
            self.objects.expire(pk)

    def total(self) -> int:
        page = self.objects.page([LIST], PageQuery())
        assert len(page.bodies) == page.total == len(list(self.objects.versions(LIST)))
        return page.total

    def root(self) -> dict[str, Any]:
        root = self.table.get(counters.root_key(LIST)) or {}
        return {name: value for name, value in root.items() if name not in ("pk", "sk")}


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def test_what_is_over_goes_with_its_counters(shelf: Shelf) -> None:
    old = shelf.put("S1")
    shelf.clock.forward(10 * 86_400)
    young = shelf.put("S2")

    records = shelf.live(days=DAYS - 5)
    assert shelf.total() == 2
    shelf.follow(records)

    assert shelf.total() == 1
    assert shelf.objects.get(old) is None and shelf.objects.get(young) is not None
    by_date = shelf.objects.page([LIST], query(date_from="2026-01-01T00:00:00Z"))
    assert by_date.total == 1


def test_what_the_stream_tells_twice_is_counted_once(shelf: Shelf) -> None:
    shelf.put("S1")
    shelf.put("S2")
    shelf.live(days=1)
    shelf.put("S2")
    records = shelf.live(days=DAYS - 0.5)

    shelf.follow(records)
    shelf.follow(records)

    assert shelf.total() == 1


def test_a_change_moves_the_end_on_and_costs_no_further_shadow(shelf: Shelf) -> None:
    ref = shelf.put()
    first = shelf.shadow(ref)
    shelf.clock.forward(86_400 * 300)
    shelf.dynamodb.stream.clear()
    shelf.put()
    assert SHADOW not in {record["dynamodb"]["Keys"]["sk"]["S"] for record in shelf.dynamodb.stream}

    shelf.follow(shelf.live(days=DAYS - 299))

    assert shelf.total() == 1
    assert shelf.shadow(ref)["expires_at"] == first["expires_at"] + 300 * 86_400
    shelf.follow(shelf.live(days=300))
    assert shelf.total() == 0


def test_what_is_in_use_stays_and_has_an_end_when_it_no_longer_is(shelf: Shelf) -> None:
    ref = shelf.put(is_in_use=True)
    assert shelf.shadow(ref) is None
    shelf.clock.forward(10_000 * 86_400)
    shelf.put()
    assert shelf.shadow(ref) is not None
    shelf.put(is_in_use=True)

    shelf.follow(shelf.live(days=DAYS + 1))

    assert shelf.total() == 1


def test_what_stands_beside_it_goes_too(shelf: Shelf) -> None:
    ref = shelf.put()
    for beside in ("start", "preferences"):
        shelf.table.put({"pk": ref.key.pk, "sk": beside})

    shelf.follow(shelf.live(days=DAYS + 1))

    assert [key for key in shelf.dynamodb.items if key[0] == ref.key.pk] == []


def test_a_run_that_died_after_the_object_is_finished_by_the_next(shelf: Shelf) -> None:
    ref = shelf.put()
    shelf.table.put({"pk": ref.key.pk, "sk": "start"})
    records = shelf.live(days=DAYS + 1)
    item = shelf.table.get(ref.key)
    assert item is not None
    shelf.objects._remove(item)

    shelf.follow(records)

    assert shelf.total() == 0
    assert shelf.table.get(Key(ref.key.pk, "start")) is None


def test_one_that_came_again_meanwhile_stays_with_what_is_beside_it(shelf: Shelf) -> None:
    ref = shelf.put()
    records = shelf.live(days=DAYS + 1)
    shelf.follow(records)
    shelf.put()
    shelf.table.put({"pk": ref.key.pk, "sk": "start"})

    shelf.follow(records)

    assert shelf.total() == 1
    assert shelf.table.get(Key(ref.key.pk, "start")) is not None


def test_a_write_that_comes_between_reading_and_deleting_wins(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = shelf.put()
    records = shelf.live(days=DAYS + 1)
    transact: Callable[..., None] = shelf.table.transact

    def overtaken(operations: Any) -> None:
        monkeypatch.setattr(shelf.table, "transact", transact)
        shelf.put()
        transact(operations)

    monkeypatch.setattr(shelf.table, "transact", overtaken)

    shelf.follow(records)

    assert shelf.total() == 1
    assert shelf.shadow(ref)["expires_at"] > shelf.clock().timestamp()


def test_a_module_that_is_kept_for_ever_has_no_shadows(shelf: Shelf) -> None:
    ref = Ref("tariffs", "PT", "ABC", "T1")
    shelf.objects.change(
        ref, lambda _: Write(JsonText("1"), "2026-01-01T00:00:00Z"), partition="tariffs#PT*ABC", source=""
    )

    assert shelf.shadow(ref) is None
    assert "ex" not in (shelf.table.get(ref.key) or {})


def test_keeping_time_takes_no_call_and_two_units_for_what_is_new(dynamodb: Any) -> None:
    def spent(retention: dict[str, timedelta]) -> list[tuple[int, float]]:
        table = make_table(dynamodb)
        store = ObjectStore(table, Clock(), retention)
        told = []
        for last_updated in ("2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"):
            write = Write(JsonText("1"), last_updated)
            with measured(table) as spending:
                store.change(
                    Ref("sessions", "PT", "ABC", "S1"), lambda _, w=write: w, partition=LIST, source=""
                )
            told.append((len(spending.calls), spending.write_units))
        return told

    without, with_end = spent({}), spent({"sessions": timedelta(days=1)})

    assert with_end == [(without[0][0], without[0][1] + 2), without[1]]
    assert with_end[0][0] == 2


def test_a_list_that_objects_come_to_and_leave_for_ever_does_not_grow(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Years of sessions beside one that stays: the root keeps its size, and totals and pages are exact."""
    monkeypatch.setattr(counters, "BLOCK", 4)
    shelf.put("kept", is_in_use=True)
    sizes: set[int] = set()

    for batch in range(120):
        for number in range(3):
            shelf.put(f"S{batch}-{number}")
        shelf.follow(shelf.live(days=DAYS / 40))
        if batch > 60:
            sizes.add(len([name for name in shelf.root() if "Q" not in name]))
            assert shelf.objects.page([LIST], PageQuery()).total == 1 + 39 * 3

    left = ["kept", *(f"S{batch}-{number}" for batch in range(81, 120) for number in range(3))]
    for offset in range(len(left) + 2):
        page = shelf.objects.page([LIST], query(offset=offset, limit=5))
        assert [read_json(str(body)) for body in page.bodies] == left[offset : offset + 5]
        assert page.total == len(left)
    assert max(sizes) <= 6
    assert shelf.root()["empty"] == [1, 60]


@pytest.mark.parametrize(("event", "sk"), [("INSERT", SHADOW), ("MODIFY", SHADOW), ("REMOVE", "#")])
def test_only_a_shadow_that_went_is_one_that_fell(event: str, sk: str) -> None:
    """A shadow that is written makes a record as well: to expire by it would write it again, for ever."""
    record = {"eventName": event, "dynamodb": {"Keys": {"pk": {"S": "tokens#X"}, "sk": {"S": sk}}}}

    assert fallen([record]) == []
