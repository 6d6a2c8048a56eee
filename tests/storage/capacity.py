"""Counts DynamoDB's calls and capacity units at the table.

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
from unittest import mock

from chalicelib.storage.fast_client import DYNAMODB
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
    """Count the calls and units of a table, in every thread, until the block ends."""
    spent = Spent()
    lock = threading.Lock()
    call = table._call

    def counted(method: str, **request: Any) -> dict[str, Any]:
        answer = call(method, **request, ReturnConsumedCapacity="TOTAL")
        with lock:
            spent.calls.append(DYNAMODB.calls[method])
            if method in _READS:
                spent.read_units += _read_units(method, request, answer)
            else:
                spent.write_units += _write_units(answer)
        return answer

    with mock.patch.object(table, "_call", counted):
        yield spent


_READS = ("get_item", "batch_get_item", "query")


def _read_units(method: str, asked: Mapping[str, Any], answer: Mapping[str, Any]) -> float:
    if method == "get_item":
        return _units(_size(answer.get("Item", {})), asked["ConsistentRead"])
    if method == "query":
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
