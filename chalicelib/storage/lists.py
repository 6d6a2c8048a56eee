"""Pages of lists: OCPI's offset and limit over index keys, with exact totals.

There are two indexes with the list as hash key: `by_created`, sorted by an object's number in the list, for
requests without dates (oldest created first, PAG-11); and `by_updated`, sorted by `last_updated`, for
requests with dates. A page starts after the last object of the previous page, so it reads no entries only to
skip them, and an object that does not change is neither missed nor repeated while others do.

`list_orders.py` finds offsets and counts in both indexes. A page costs one read of the counters (together
with the caller's token), one query, at most one COUNT, and the read of the objects. If a page would cost
more, because the total takes more COUNTs or the objects take two reads (locations), the first page passes the
total to the next pages in the cursor. Only two cases then cost more than four calls: an offset without
cursor, with dates, into a span of more than 7,000 objects that starts or ends within a day; and a partial day
of more than 7,000 objects (one more call for each 1 MB of index).

Source: OCPI 2.2.1 transport_and_format, Pagination; PAG-01 … PAG-11, PAG-13
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from chalicelib.protocol.json_text import JsonText
from chalicelib.protocol.pagination import Page, PageQuery
from chalicelib.protocol.sizes import LARGEST_OBJECT, PAGE_BYTES, answer_size, surely_fits
from chalicelib.storage import counters
from chalicelib.storage.cursor import Cursor, Position
from chalicelib.storage.list_orders import ByCreated, ByUpdated, Order
from chalicelib.storage.spans import Span
from chalicelib.storage.table import Item, Key, Rows, Table

QUARTERS_AHEAD = 40
"""The number of quarters whose counters are read ahead for an offset without cursor, with dates."""


@dataclass(frozen=True)
class Entry:
    """One object of a page: its index entry, and its position, after which the next page may start."""

    list_index: int
    item: Item
    position: Position

    @property
    def key(self) -> Key:
        """Key of the object's main item."""
        return Key(self.item["pk"], self.item["sk"])


@dataclass(frozen=True)
class Listing:
    """The entries of one page; `page` makes a Page of them and their bodies.

    entries: at most the limit. more: whether further entries follow. carried: the total for the cursor, None
    if each page counts it.
    """

    query: PageQuery
    entries: list[Entry]
    total: int
    more: bool
    carried: int | None

    def page(self, bodies: Sequence[JsonText | None]) -> Page:
        """Take as many bodies as an answer can hold, and make the cursor of the next page.

        bodies: for all entries or the first ones; None for an object that was deleted meanwhile. A body that
        is too large for any answer is left out, but still counts in the total and in the offsets, like a
        deleted object.
        """
        sizes = answer_sizes(bodies)
        taken, size = 0, 0
        for each in sizes:
            if each <= LARGEST_OBJECT:
                size += each + len(",")
                if size > PAGE_BYTES and size > each + len(","):
                    break
            taken += 1
        shown = list(zip(self.entries, bodies, sizes, strict=False))[:taken]
        found = [body for _, body, each in shown if body is not None and each <= LARGEST_OBJECT]
        too_large = tuple((entry.key.pk, each) for entry, _, each in shown if each > LARGEST_OBJECT)
        if not self.more and taken == len(self.entries):
            return Page(found, self.total, too_large=too_large)
        last, offset = self.entries[taken - 1], self.query.offset + taken
        cursor = Cursor(offset, last.list_index, last.position, self.carried)
        return Page(found, self.total, offset, cursor.encode(), too_large)


def answer_sizes(bodies: Sequence[JsonText | None]) -> list[int]:
    """The size of each body in an answer; only its length if the page surely has room for all."""
    characters = [len(body or "") for body in bodies]
    if surely_fits(sum(characters) + len(bodies), PAGE_BYTES):
        return characters
    return [answer_size(body or "") for body in bodies]


class Lists:
    """The lists of the table, paged."""

    def __init__(self, table: Table, clock: Callable[[], datetime], counts_per_page: int = 1) -> None:
        """Take the table.

        counts_per_page: the most COUNTs for a page; above it the cursor carries the total.
        """
        self._table = table
        self._clock = clock
        self._counts_per_page = counts_per_page

    def keys(self, partitions: Sequence[str], query: PageQuery) -> list[Key]:
        """The keys of the counters that a page needs."""
        keys = [counters.root_key(partition) for partition in partitions]
        if query.date_from is None and query.date_to is None:
            return keys
        quarters = (
            _edges(query) if query.cursor or not query.offset else self._stretch(query, len(partitions))
        )
        return keys + [Key(f"count#{partition}", quarter) for partition in partitions for quarter in quarters]

    def read(
        self, partitions: Sequence[str], query: PageQuery, known: Mapping[Key, Item] | None = None
    ) -> Listing:
        """Read the entries of one page of the lists, one list after the other."""
        snapshot = self._table.read(self.keys(partitions, query), known)
        if query.date_from is None and query.date_to is None:
            lists: list[Order] = [ByCreated(self._table, name, snapshot) for name in partitions]
        else:
            span = Span.of(query.date_from, query.date_to)
            lists = [ByUpdated(self._table, name, snapshot, span) for name in partitions]
        cursor = _cursor(lists, query)
        entries = _collect(lists, query, cursor)
        total = (
            sum(each.total() for each in lists) if cursor is None or cursor.total is None else cursor.total
        )
        carried = total if sum(each.counts for each in lists) > self._counts_per_page else None
        return Listing(query, entries[: query.limit], total, len(entries) > query.limit, carried)

    def versions(self, partition: str) -> Iterator[Item]:
        """Every entry of a list with `pk` and `v`, oldest `last_updated` first."""
        return self._table.query_all("#lp = :lp", {"lp": partition}, index="by_updated")

    def some_versions(self, partition: str, number: int, after: Item | None) -> Rows:
        """Read a part of `versions` in one call.

        number: the most entries. after: `Rows.last` of the previous call.
        """
        return self._table.query(
            "#lp = :lp", {"lp": partition}, index="by_updated", limit=number, after=after
        )

    def _stretch(self, query: PageQuery, lists: int) -> list[str]:
        """The quarters of the query's span that are read ahead: those of its ends, and the newest ones."""
        now = self._clock().date().isoformat()
        last = min((query.date_to or now)[:10], now)
        first = query.date_from[:10] if query.date_from else f"{max(int(last[:4]) - 10, 1):04}{last[4:]}"
        names = [
            f"{year:04}Q{part}" for year in range(int(first[:4]), int(last[:4]) + 1) for part in (1, 2, 3, 4)
        ]
        names = [name for name in names if counters.quarter_of(first) <= name <= counters.quarter_of(last)]
        return sorted({*_edges(query), *names[-QUARTERS_AHEAD // max(lists, 1) :]})


def _edges(query: PageQuery) -> list[str]:
    dates = [date for date in (query.date_from, query.date_to) if date]
    return sorted({counters.quarter_of(date) for date in dates})


def _cursor(lists: Sequence[Order], query: PageQuery) -> Cursor | None:
    """The query's cursor, if it fits these lists and the query's offset; else None."""
    cursor = Cursor.decode(query.cursor) if query.cursor else None
    if cursor is None or cursor.offset != query.offset or cursor.list_index >= len(lists):
        return None
    return cursor if lists[cursor.list_index].accepts(cursor.position) else None


def _collect(lists: Sequence[Order], query: PageQuery, cursor: Cursor | None) -> list[Entry]:
    """Read the entries of the page, and one more if there is one."""
    after: Position | None
    if cursor:
        index, after, skip = cursor.list_index, cursor.position, 0
    else:
        index, after, skip = _seek(lists, query.offset)
    entries: list[Entry] = []
    while index < len(lists) and len(entries) <= query.limit:
        here = lists[index]
        items = here.read(after, skip + query.limit + 1 - len(entries))[skip:]
        entries += [Entry(index, item, here.position(item)) for item in items]
        index, after, skip = index + 1, None, 0
    return entries


def _seek(lists: Sequence[Order], offset: int) -> tuple[int, Position | None, int]:
    if offset == 0:
        return 0, None, 0
    for index, here in enumerate(lists):
        place = here.seek(offset)
        if place:
            return index, *place
        offset -= here.total()
    return len(lists), None, 0
