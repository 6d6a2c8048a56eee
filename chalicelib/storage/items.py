"""Version, place and write condition of the main items of objects and locations.

A version rises with every write that changes more than `last_updated` (`sameness.py`). It is the clock in
microseconds, or one more than the previous version, so it also rises when an object is deleted and created
again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from chalicelib.errors import InvalidParameters
from chalicelib.protocol.overtaking import order_key
from chalicelib.protocol.types import sort_key
from chalicelib.storage import counters
from chalicelib.storage.counters import Place
from chalicelib.storage.table import Delete, Item, Key, Put, Table

LARGEST_ITEM = 400 * 1024
UNCHANGED = "#v = :read AND #lu = :read_lu"
"""Condition: the stored item is unchanged. A write of `last_updated` alone keeps the version."""
_FIRST_YEAR, _LAST_YEAR = "1970", "2199"


def new_version(item: Item | None, now: datetime) -> int:
    """The version of the next write over an item."""
    return max(int(item["v"]) + 1 if item else 0, int(now.timestamp() * 1_000_000))


def sortable(last_updated: str, now: datetime | None = None) -> str:
    """The sort key of an object to store: its `last_updated`, or `now` if that is in the future.

    Raises: InvalidParameters for a year that no real clock shows.
    """
    if not _FIRST_YEAR <= last_updated[:4] <= _LAST_YEAR:
        raise InvalidParameters(f"expected a year from {_FIRST_YEAR} to {_LAST_YEAR}", field="last_updated")
    return order_key(last_updated, now) if now else sort_key(last_updated)


def place_of(item: Item | None) -> Place | None:
    """The place of an item in its list; None without an item."""
    return Place(item["lp"], item["cr"], item["lu"]) if item else None


def next_place(
    table: Table, item: Item | None, partition: str, last_updated: str, known: Mapping[Key, Item]
) -> Place:
    """The place of an item after the next write: the same, or at the end of a new list.

    known: items that were read before; the root counter of `partition` is read if it is missing.
    """
    if item and item["lp"] == partition:
        return Place(partition, item["cr"], last_updated)
    key = counters.root_key(partition)
    root = table.read([key], known).get(key)
    return Place(partition, counters.next_number(root), last_updated, counters.emptied(root))


def put_over(item: Item | None, written: Item) -> Put:
    """Make a put under the condition that the stored item is unchanged since it was read.

    item: as it was read, None if there was none.
    Raises: InvalidParameters when `written` is larger than an item may be.
    """
    check_size(written)
    if item is None:
        return Put(written, "attribute_not_exists(#pk)")
    return Put(written, UNCHANGED, unchanged_values(item))


def delete_of(item: Item) -> Delete:
    """Make a delete under the condition that the stored item is unchanged since it was read."""
    return Delete(Key(item["pk"], item["sk"]), UNCHANGED, unchanged_values(item))


def unchanged_values(item: Item) -> Item:
    """The values of the condition `UNCHANGED` for an item as it was read."""
    return {"read": item["v"], "read_lu": item["lu"]}


def check_size(item: Item, at: str | None = None) -> None:
    """Refuse an item that DynamoDB would refuse.

    at: path of the object in the partner's document, if it is part of another object.
    Raises: InvalidParameters with the size and the limit.
    """
    size = item_size(item)
    if size > LARGEST_ITEM:
        raise InvalidParameters(f"takes {size} bytes, at most {LARGEST_ITEM} can be stored", field=at)


def item_size(item: Item) -> int:
    """The size of an item in bytes as DynamoDB counts it, or a little more."""
    size = 0
    for name, value in item.items():
        size += len(name) + _size(value)
    return size


def _size(value: object) -> int:
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode())
    return 3 + sum(1 + _size(part) for part in value) if isinstance(value, list) else 21
