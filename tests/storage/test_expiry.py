"""Tests of expiry: objects are deleted after their retention time, and every total is always exact.

DynamoDB deletes a shadow some time after its expiry; a test deletes it itself and makes the stream's records.
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
from tests.harness.nodes import Clock
from tests.pushing.memory_aws import MemoryDynamoDb
from tests.storage.builders import query
from tests.storage.capacity import measured

LIST = "sessions#PT*ABC#PT*EVI#EMSP"
DAYS = 400


class Shelf:
    """A store that keeps sessions for 400 days, with a simulated TTL."""

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
        """Let days pass, delete expired items as DynamoDB does, and return the stream's records."""
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


def test_an_expired_object_is_deleted_with_its_counters(shelf: Shelf) -> None:
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


def test_a_repeated_stream_record_is_counted_once(shelf: Shelf) -> None:
    shelf.put("S1")
    shelf.put("S2")
    shelf.live(days=1)
    shelf.put("S2")
    records = shelf.live(days=DAYS - 0.5)

    shelf.follow(records)
    shelf.follow(records)

    assert shelf.total() == 1


def test_a_change_moves_the_expiry_time_without_another_shadow(shelf: Shelf) -> None:
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


def test_an_object_in_use_does_not_expire_until_it_is_no_longer_in_use(shelf: Shelf) -> None:
    ref = shelf.put(is_in_use=True)
    assert shelf.shadow(ref) is None
    shelf.clock.forward(10_000 * 86_400)
    shelf.put()
    assert shelf.shadow(ref) is not None
    shelf.put(is_in_use=True)

    shelf.follow(shelf.live(days=DAYS + 1))

    assert shelf.total() == 1


def test_items_beside_an_expired_object_are_deleted_too(shelf: Shelf) -> None:
    ref = shelf.put()
    for beside in ("start", "preferences"):
        shelf.table.put({"pk": ref.key.pk, "sk": beside})

    shelf.follow(shelf.live(days=DAYS + 1))

    assert [key for key in shelf.dynamodb.items if key[0] == ref.key.pk] == []


def test_the_next_run_finishes_one_that_stopped_after_the_object(shelf: Shelf) -> None:
    ref = shelf.put()
    shelf.table.put({"pk": ref.key.pk, "sk": "start"})
    records = shelf.live(days=DAYS + 1)
    item = shelf.table.get(ref.key)
    assert item is not None
    shelf.objects._remove(item)

    shelf.follow(records)

    assert shelf.total() == 0
    assert shelf.table.get(Key(ref.key.pk, "start")) is None


def test_an_object_created_again_meanwhile_stays_with_its_items(shelf: Shelf) -> None:
    ref = shelf.put()
    records = shelf.live(days=DAYS + 1)
    shelf.follow(records)
    shelf.put()
    shelf.table.put({"pk": ref.key.pk, "sk": "start"})

    shelf.follow(records)

    assert shelf.total() == 1
    assert shelf.table.get(Key(ref.key.pk, "start")) is not None


def test_a_write_between_the_read_and_the_deletion_wins(
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


def test_expiry_costs_no_call_and_two_write_units_for_a_new_object(dynamodb: Any) -> None:
    def spent(retention: dict[str, timedelta]) -> list[tuple[int, float]]:
        table = make_table(dynamodb)
        store = ObjectStore(table, Clock(), retention)
        costs = []
        for last_updated in ("2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"):
            write = Write(JsonText("1"), last_updated)
            with measured(table) as spending:
                store.change(
                    Ref("sessions", "PT", "ABC", "S1"), lambda _, w=write: w, partition=LIST, source=""
                )
            costs.append((len(spending.calls), spending.write_units))
        return costs

    without, with_end = spent({}), spent({"sessions": timedelta(days=1)})

    assert with_end == [(without[0][0], without[0][1] + 2), without[1]]
    assert with_end[0][0] == 2


def test_the_root_item_of_a_list_with_many_deletions_does_not_grow(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After years of sessions the root item has the same size, and totals and pages are exact."""
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
def test_only_the_deletion_of_a_shadow_expires_its_object(event: str, sk: str) -> None:
    """A written shadow makes a record as well; acting on it would write the shadow again for ever."""
    record = {"eventName": event, "dynamodb": {"Keys": {"pk": {"S": "tokens#X"}, "sk": {"S": sk}}}}

    assert fallen([record]) == []
