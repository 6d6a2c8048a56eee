"""Counts DynamoDB's calls and capacity units at the client.

Write units come from the emulator. Read units are computed from the answers by DynamoDB's rules, because
emulators leave them out or set them to one: one unit for 4 KB, half of it if the read is not consistent; a
batch rounds up each item, a query the sum of its items. A COUNT returns no items to measure, so each index
entry counts as 150 bytes.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from chalicelib.storage.items import item_size
from chalicelib.storage.table import Table
from chalicelib.storage.values import decode_item

COUNTED_ENTRY_BYTES = 150


@dataclass
class Spent:
    """Calls and capacity units since the start of the measurement."""

    calls: list[str] = field(default_factory=list)
    read_units: float = 0
    write_units: float = 0


@contextmanager
def measured(table: Table) -> Iterator[Spent]:
    """Count the calls and units of a table's client, in every thread, until the block ends."""
    spent = Spent()
    lock = threading.Lock()

    def ask(params: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
        params["ReturnConsumedCapacity"] = "TOTAL"
        context["asked"] = params

    def count(parsed: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
        with lock:
            spent.calls.append(model.name)
            if model.name in ("GetItem", "BatchGetItem", "Query"):
                spent.read_units += _read_units(model.name, context["asked"], parsed)
            else:
                spent.write_units += _write_units(parsed)

    events = table._client.meta.events
    events.register("provide-client-params.dynamodb.*", ask, unique_id="ask")
    events.register("after-call.dynamodb.*", count, unique_id="count")
    try:
        yield spent
    finally:
        events.unregister("provide-client-params.dynamodb.*", ask, unique_id="ask")
        events.unregister("after-call.dynamodb.*", count, unique_id="count")


def _read_units(name: str, asked: Mapping[str, Any], answer: Mapping[str, Any]) -> float:
    if name == "GetItem":
        return _units(_size(answer.get("Item", {})), asked["ConsistentRead"])
    if name == "Query":
        size = sum(_size(item) for item in answer.get("Items", ()))
        size += answer.get("ScannedCount", 0) * COUNTED_ENTRY_BYTES if "Items" not in answer else 0
        return _units(size, asked["ConsistentRead"])
    ((table, request),) = asked["RequestItems"].items()
    found = [_size(item) for item in answer.get("Responses", {}).get(table, ())]
    sizes = found + [0] * (len(request["Keys"]) - len(found))
    return sum(_units(size, request["ConsistentRead"]) for size in sizes)


def _units(size: int, consistent: bool) -> float:
    return max(1, -(-size // 4096)) * (1 if consistent else 0.5)


def _write_units(answer: Mapping[str, Any]) -> float:
    consumed = answer.get("ConsumedCapacity", [])
    return sum(entry["CapacityUnits"] for entry in (consumed if isinstance(consumed, list) else [consumed]))


def _size(wire: Mapping[str, Any]) -> int:
    return item_size(decode_item(json.loads(json.dumps(wire))))
