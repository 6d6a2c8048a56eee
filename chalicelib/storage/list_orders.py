"""The two orders of a list: by creation, and by `last_updated` within a span.

Each order counts the objects that the query selects, finds the position of an offset, and reads entries
after a position. It takes counters that were read before.

**By creation** the counters give the exact position of an offset, unless objects have left its block of a
thousand numbers: then the block is read from its start.

**By `last_updated`** the total is the sum of the counters of whole days, plus a COUNT over the index for a
partial first or last day. If the span has partial days and surely fits one call, it is read as a whole
instead, which gives total, position and page at once; a page with a cursor still counts. In a larger span
the first page reads to the end of the first day, which saves its COUNT. An offset is found by the counters of
whole days, and then by reading entries; if these are too many, a COUNT with a limit skips them.

Source: OCPI 2.2.1 transport_and_format, Pagination; PAG-02, PAG-03, PAG-08, PAG-11
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from chalicelib.storage import counters
from chalicelib.storage.cursor import Position
from chalicelib.storage.spans import Span, midnight
from chalicelib.storage.table import Item, Key, Snapshot, Table

ONE_CALL = 7000
"""The number of index entries that surely fit one call (1 MB)."""

_CREATED = "#lp = :lp AND #cr > :after"
_UPDATED = "#lp = :lp AND #lu BETWEEN :start AND :end"


class Order(Protocol):
    """One list in one order."""

    @property
    def counts(self) -> int:
        """The number of COUNT calls that the total takes."""

    def total(self) -> int:
        """The number of objects that the query selects."""

    def seek(self, offset: int) -> tuple[Position | None, int] | None:
        """Find an offset: the position to start at, and the entries to skip from there; None past the end."""

    def read(self, after: Position | None, limit: int) -> list[Item]:
        """Read the entries after a position, or from the start."""

    def accepts(self, position: Position) -> bool:
        """Return whether a position belongs to this order."""

    def position(self, entry: Item) -> Position:
        """The position of an entry."""


class ByCreated:
    """A list from the oldest object to the newest."""

    counts = 0

    def __init__(self, table: Table, partition: str, snapshot: Snapshot) -> None:
        self._table = table
        self._partition = partition
        self._root = snapshot.get(counters.root_key(partition))

    def total(self) -> int:
        """The number of objects in the list."""
        return counters.total(self._root)

    def seek(self, offset: int) -> tuple[Position | None, int] | None:
        """Find an offset by the counters of the blocks."""
        if offset >= self.total():
            return None
        number, skip = counters.seek(self._root, offset)
        return Position(number=number - 1), skip

    def read(self, after: Position | None, limit: int) -> list[Item]:
        """Read the entries whose number is above the position's."""
        if not self.total():
            return []
        values = {"lp": self._partition, "after": after.number if after else -1}
        return _read(self._table, _CREATED, values, "by_created", limit)

    def accepts(self, position: Position) -> bool:
        """Return whether a position is a number."""
        return position.last_updated == ""

    def position(self, entry: Item) -> Position:
        """The number of an entry."""
        return Position(number=entry["cr"])


class ByUpdated:
    """The objects of a list whose `last_updated` is in a span, oldest `last_updated` first."""

    def __init__(self, table: Table, partition: str, snapshot: Snapshot, span: Span) -> None:
        self._table = table
        self._partition = partition
        self._span = span
        self._root = snapshot.get(counters.root_key(partition))
        self._quarters = dict(snapshot)
        self._asked = snapshot.asked
        self._counted: dict[Span, int] = {}
        self._read_whole: list[Item] | None = None
        self._end = span.bounds[1]
        head, self._days, tail = span.parts()
        self._head = head if head and self._on_day(head) else None
        self._tail = tail if tail and self._on_day(tail) else None
        self._partial = [part for part in (self._head, self._tail) if part]
        self._at_most = self._on_whole_days() + sum(self._on_day(part) for part in self._partial)

    @property
    def counts(self) -> int:
        """The number of COUNT calls that the total takes."""
        return 1 if self._fits_one_call else len(self._partial)

    def total(self) -> int:
        """The number of objects in the span."""
        if self._span in self._counted:
            return self._counted[self._span]
        if self._fits_one_call:
            return self._count(self._span)
        return self._on_whole_days() + sum(self._count(part) for part in self._partial)

    def seek(self, offset: int) -> tuple[Position | None, int] | None:
        """Find an offset by whole quarters, then whole days, then by skipping entries."""
        if self._fits_one_call:
            return (None, offset) if offset < len(self._everything()) else None
        if offset >= self.total():
            return None
        in_head = self._count(self._head) if self._head else 0
        if offset < in_head:
            return self._pass_over(None, offset)
        offset -= in_head
        for name, number in self._spanned_quarters():
            if name not in self._edges() and offset >= number:
                offset -= number
                continue
            for day, number in self._whole_days(name):
                if offset < number:
                    return self._pass_over(Position(last_updated=midnight(day)), offset)
                offset -= number
        return self._pass_over(Position(last_updated=self._tail.start if self._tail else self._end), offset)

    def read(self, after: Position | None, limit: int) -> list[Item]:
        """Read the entries after a position; a read from the start may save a later COUNT."""
        if not self._at_most:
            return []
        if after is not None:
            return self._entries(after, limit)
        if self._fits_one_call:
            return self._everything()[:limit]
        if self._head is None or self._on_day(self._head) > ONE_CALL:
            return self._entries(None, limit)
        entries = self._entries(None, max(limit, self._on_day(self._head) + 1))
        if entries and entries[-1]["lu"] >= self._head.end:
            self._counted[self._head] = sum(entry["lu"] in self._head for entry in entries)
        return entries[:limit]

    def accepts(self, position: Position) -> bool:
        """Return whether a position is inside the span."""
        return position.pk != "" and position.last_updated in self._span

    def position(self, entry: Item) -> Position:
        """The `last_updated` and the key of an entry."""
        return Position(last_updated=entry["lu"], pk=entry["pk"])

    @property
    def _fits_one_call(self) -> bool:
        """Return whether the total needs a COUNT, and one call can read the whole span instead."""
        return bool(self._partial) and self._at_most <= ONE_CALL

    def _everything(self) -> list[Item]:
        """All entries of the span, read once."""
        if self._read_whole is None:
            self._read_whole = list(
                self._table.query_all(_UPDATED, self._values(self._span), index="by_updated")
            )
            self._counted[self._span] = len(self._read_whole)
        return self._read_whole

    def _count(self, span: Span) -> int:
        if span not in self._counted:
            self._counted[span] = self._table.count(_UPDATED, self._values(span), index="by_updated")
        return self._counted[span]

    def _on_whole_days(self) -> int:
        return sum(
            sum(number for _, number in self._whole_days(name)) if name in self._edges() else number
            for name, number in self._spanned_quarters()
        )

    def _on_day(self, part: Span) -> int:
        """The number of objects on the whole day that contains a partial day."""
        day = part.start[:10]
        return dict(counters.days(self._quarter(counters.quarter_of(day)))).get(day, 0)

    def _spanned_quarters(self) -> Iterator[tuple[str, int]]:
        first, last = self._edges()
        return ((name, number) for name, number in counters.quarters(self._root) if first <= name <= last)

    def _edges(self) -> tuple[str, str]:
        """The quarters in which the span starts and ends."""
        start, end = self._span
        first = counters.quarter_of(start) if len(start) > 1 else start
        return first, counters.quarter_of(end) if len(end) > 1 else end

    def _whole_days(self, quarter: str) -> Iterator[tuple[str, int]]:
        after, end = self._days
        return ((day, number) for day, number in counters.days(self._quarter(quarter)) if after < day < end)

    def _quarter(self, name: str) -> Item | None:
        key = Key(f"count#{self._partition}", name)
        if key not in self._quarters and key not in self._asked:
            self._quarters.update(self._table.get_many([key]))
        return self._quarters.get(key)

    def _pass_over(self, after: Position | None, number: int) -> tuple[Position | None, int]:
        if number <= ONE_CALL:
            return after, number
        values, start = self._from(after)
        last = self._table.skip(_UPDATED, values, number, index="by_updated", after=start)
        return (self.position(last), 0) if last else (Position(last_updated=self._end), 0)

    def _entries(self, after: Position | None, limit: int) -> list[Item]:
        values, start = self._from(after)
        return _read(self._table, _UPDATED, values, "by_updated", limit, start)

    def _from(self, after: Position | None) -> tuple[dict[str, Any], Item | None]:
        """Return the values and the start key of a query; a position without a key is a start time."""
        values = self._values(self._span)
        if after is None:
            return values, None
        if not after.pk:
            return {**values, "start": after.last_updated}, None
        return values, {"lp": self._partition, "lu": after.last_updated, "pk": after.pk, "sk": "#"}

    def _values(self, span: Span) -> dict[str, Any]:
        start, end = span.bounds
        return {"lp": self._partition, "start": start, "end": end}


def _read(
    table: Table, condition: str, values: Mapping[str, Any], index: str, limit: int, after: Item | None = None
) -> list[Item]:
    """Read entries up to the limit: one call for each MB."""
    entries: list[Item] = []
    while True:
        rows = table.query(condition, values, index=index, limit=limit - len(entries), after=after)
        entries += rows.items
        after = rows.last
        if after is None or len(entries) >= limit:
            return entries
