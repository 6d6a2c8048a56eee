"""Store of objects as JSON text: reads, conditional changes, pages of lists.

An object is one item: its key, the few attributes that are searched, and its JSON text exactly as it
is answered. Each object is in one *list* (partition), and a viewer sees whole lists. So what a viewer
may see, its total and its pages cannot differ. An object that a viewer may not see any more moves to
another list.

A change reads, decides and writes under the condition that no other change came first; otherwise
it reads and decides again. The counters of a list are written in the same transaction (`counters.py`),
but only if they change: a change of an object whose `last_updated` stays on the same day is one
plain write.

An object of a module with a retention time is deleted when this time is over (`expiry.py`).

Source: OCPI 2.2.1 transport_and_format, Pagination
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chalicelib.protocol.json_text import JsonText, read_json
from chalicelib.protocol.overtaking import Overtaken, instant_of, is_overtaken
from chalicelib.protocol.pagination import Page, PageQuery
from chalicelib.protocol.types import sort_key
from chalicelib.storage import counters
from chalicelib.storage.counters import Place
from chalicelib.storage.expiry import Retention, end_of, shadow, shadow_to_write
from chalicelib.storage.items import delete_of, new_version, next_place, place_of, put_over, sortable
from chalicelib.storage.keys import Ref as Ref
from chalicelib.storage.lists import Lists
from chalicelib.storage.retry import attempts
from chalicelib.storage.sameness import has_same_content
from chalicelib.storage.table import Conflict, Item, Key, Operation, Snapshot, Table, Value

KnownItems = Mapping[Key, Item] | None
"""Items that were read before, such as `request.snapshot`; missing ones are read."""


@dataclass(frozen=True)
class Stored:
    """A stored object.

    body: its JSON text. last_updated: fixed-width sort key for lists with dates. version: rises with every
    write, but for one of `last_updated` alone (`skip_same`), also if the object is deleted and created again.
    source: id of the partner it came from, "" for our own. partition: the list that contains it. extra: the
    attributes that the writer added.
    """

    ref: Ref
    body: JsonText
    last_updated: str
    version: int
    source: str
    partition: str
    extra: Mapping[str, Value] = field(default_factory=dict)

    @property
    def stamp(self) -> str:
        """Its original `last_updated`; the sort key, to ten microseconds, if its JSON has none."""
        stamp: str = read_json(str(self.body)).get("last_updated") or self.last_updated[:25]
        return stamp

    @property
    def arrived(self) -> datetime | None:
        """The time of its last write; None if its version is not a time."""
        return instant_of(self.version)


@dataclass(frozen=True)
class Write:
    """Decision: write the object with this content.

    last_updated: as in the object (RFC 3339 text); one that is ahead of the clock counts as now.
    partition: its list, None for the one that `change` was called with; an object that moves becomes the
    newest of its new list. is_in_use: it does not expire, even if it is never written again. answer: is not
    stored, but returned in `Changed`.
    """

    body: JsonText
    last_updated: str
    partition: str | None = None
    extra: Mapping[str, Value] = field(default_factory=dict)
    is_in_use: bool = False
    answer: Any = None


@dataclass(frozen=True)
class Keep:
    """Decision: write nothing. answer: as in `Write`."""

    answer: Any = None


@dataclass(frozen=True)
class New:
    """An object to create, in the list that `write` names."""

    ref: Ref
    write: Write
    source: str = ""


class Remove:
    """Decision: delete the object, or do nothing if there is none."""


@dataclass(frozen=True)
class Changed:
    """Result of a change; `before is after` if nothing was written. answer: that of the decision."""

    before: Stored | None
    after: Stored | None
    answer: Any = None

    @property
    def written(self) -> bool:
        """Return whether anything was written."""
        return self.before is not self.after

    @property
    def created(self) -> bool:
        """Return whether the object is new."""
        return self.before is None and self.after is not None


Decision = Write | Remove | Keep | None
Decide = Callable[[Stored | None], Decision]
"""Returns the decision on the stored object; None writes nothing."""


def is_stale(current: Stored | None, last_updated: str) -> bool:
    """Return whether a change with this `last_updated` is older than the stored object.

    last_updated: RFC 3339 text. Equal is not stale, so that a repeated push has its effect.
    Source: LOC-14; protocol/overtaking.py
    """
    if current is None or sort_key(last_updated) >= current.last_updated:
        return False
    return is_overtaken(last_updated, current.stamp, current.arrived)


def overtaken_by(current: Stored | None, last_updated: str) -> list[Overtaken]:
    """Return both `last_updated` if `is_stale`, else an empty list."""
    stale = current is not None and is_stale(current, last_updated)
    return [Overtaken(last_updated, current.stamp)] if current is not None and stale else []


def object_item(ref: Ref, write: Write, place: Place, version: int, source: str) -> Item:
    """The main item of an object."""
    return {
        **write.extra,
        "pk": ref.key.pk,
        "sk": ref.key.sk,
        "ref": str(ref),
        "body": write.body,
        "lu": place.last_updated,
        "v": version,
        "src": source,
        "lp": place.partition,
        "cr": place.number,
    }


def stored_object(item: Item) -> Stored:
    """Read a main item, such as an image of a stream record."""
    return Stored(
        ref=Ref.parse(item["ref"]),
        body=JsonText(item["body"]),
        last_updated=item["lu"],
        version=item["v"],
        source=item["src"],
        partition=item["lp"],
        extra=_extra(item),
    )


def _partition_of(new: New) -> str:
    assert new.write.partition is not None, "what is new needs a list"
    return new.write.partition


def _is_identical(item: Item, decision: Write, partition: str, source: str) -> bool:
    """Return whether a decision need not be written, because the object is stored like this already."""
    place = (decision.partition or partition, source)
    has_time = item["lu"] == sort_key(decision.last_updated) or '"last_updated":' in decision.body
    return (
        item["body"] == decision.body
        and has_time
        and place == (item["lp"], item["src"])
        and (_extra(item) == dict(decision.extra))
    )


def _has_same_content(item: Item, written: Item) -> bool:
    """Return whether only a `last_updated` differs between the stored item and the one to write."""
    beside = [(each["ref"], each["lp"], each["src"]) for each in (item, written)]
    if beside[0] != beside[1] or not has_same_content(item["body"], written["body"]):
        return False
    return _pushed_extra(item) == _pushed_extra(written)


def _extra(item: Item) -> dict[str, Value]:
    return {name: value for name, value in item.items() if name not in _OWN}


def _pushed_extra(item: Item) -> dict[str, Value]:
    return {name: value for name, value in _extra(item).items() if name != "aside"}


_OWN = frozenset(("pk", "sk", "ref", "body", "lu", "v", "src", "lp", "cr", "ex"))


class ObjectStore:
    """The objects of every module but locations."""

    def __init__(
        self, table: Table, clock: Callable[[], datetime], retention: Retention | None = None
    ) -> None:
        self._table = table
        self._clock = clock
        self._retention = retention or {}
        self._lists = Lists(table, clock)

    def keys_for_get(self, ref: Ref) -> list[Key]:
        """The keys that `get` reads, to read together with the caller's token."""
        return [ref.key]

    def keys_for_change(self, ref: Ref, partition: str) -> list[Key]:
        """The keys that `change` reads, to read together with the caller's token."""
        return [ref.key, counters.root_key(partition)]

    def keys_for_page(self, partitions: Sequence[str], query: PageQuery) -> list[Key]:
        """The keys of the counters that `page` reads, to read together with the caller's token."""
        return self._lists.keys(partitions, query)

    def get(self, ref: Ref, known: KnownItems = None) -> Stored | None:
        """Read one object; None if there is none. No call if `known` has it."""
        item = self._table.read([ref.key], known).get(ref.key)
        return stored_object(item) if item else None

    def get_many(self, refs: Iterable[Ref]) -> dict[Ref, Stored]:
        """Read objects, a hundred in a call; those that do not exist are absent."""
        key_by_ref = {ref: ref.key for ref in refs}
        items = self._table.get_many(key_by_ref.values())
        return {ref: stored_object(items[key]) for ref, key in key_by_ref.items() if key in items}

    def change(
        self,
        ref: Ref,
        decide: Decide,
        known: KnownItems = None,
        *,
        partition: str,
        source: str,
        skip_same: bool = False,
    ) -> Changed:
        """Change one object by a pure decision on the stored one: one write, or one transaction.

        decide: takes the stored object and returns the decision; it is called again when another
        change came first, and its errors pass through with nothing written.
        partition: the list for the object, unless the Write names another.
        source: id of the partner that the change comes from, "" for our own. skip_same: an identical object
        is not written, and one that differs in `last_updated` alone keeps its version, so that nobody is told
        (`sameness.py`).
        Raises: InvalidParameters when the object is larger than an item may be, ServerError when
        other changes come first again and again.
        """
        for attempt in attempts():
            # Only a new object needs the list's counter; if the caller read the object alone, leave it out.
            is_read = not attempt and isinstance(known, Snapshot) and ref.key in known.asked
            keys = [ref.key] if is_read else self.keys_for_change(ref, partition)
            items = self._table.read(keys, None if attempt else known)
            item = items.get(ref.key)
            before = stored_object(item) if item else None
            decision = decide(before)
            try:
                if isinstance(decision, Write):
                    if skip_same and item is not None and _is_identical(item, decision, partition, source):
                        return Changed(before, before, decision.answer)
                    after = self._write(ref, decision, item, items, partition, source, skip_same)
                    return Changed(before, after, decision.answer)
                if isinstance(decision, Remove) and item:
                    self._remove(item)
                    return Changed(before, None)
            except Conflict:
                continue
            return Changed(before, before, decision.answer if isinstance(decision, Keep) else None)
        raise AssertionError("attempts() raises")

    def operations_of(
        self,
        ref: Ref,
        decision: Write,
        place: Place,
        item: Item | None,
        source: str,
        skip_same: bool = False,
    ) -> tuple[Item, list[Operation]]:
        """Make the item of a decision, and the operations of one transaction that write it.

        place: its place after the write. item: the stored item, None if there is none. skip_same: as in
        `change`.
        """
        written = self._item(ref, decision, place, item, source)
        if skip_same and item is not None and _has_same_content(item, written):
            written["v"] = item["v"]
        puts = [put_over(item, written), *shadow_to_write(item, written)]
        return written, [*puts, *counters.changes(place_of(item), place)]

    def _item(self, ref: Ref, decision: Write, place: Place, item: Item | None, source: str) -> Item:
        now = self._clock()
        written = object_item(ref, decision, place, new_version(item, now), source)
        end = end_of(ref.module, decision.is_in_use, now, self._retention)
        return written if end is None else {**written, "ex": end}

    def expire(self, pk: str) -> None:
        """Delete an expired object with all items under its pk; write a new shadow if it expires later."""
        for _ in attempts():
            beside = {row["sk"]: row for row in self._table.query_all("#pk = :pk", {"pk": pk})}
            item = beside.pop("#", None)
            if item is not None:
                if "ex" not in item:
                    return
                if item["ex"] > self._clock().timestamp():
                    self._table.put(shadow(pk, item["ex"]))
                    return
                try:
                    self._remove(item)
                except Conflict:
                    continue
            self._table.write_many(delete=[Key(pk, sk) for sk in beside])
            return

    def create(
        self, new: Sequence[New], also: Sequence[Operation] = (), known: KnownItems = None
    ) -> dict[Key, Item]:
        """Create objects and do other writes in one transaction: all or nothing.

        known: counters of their lists from an earlier call; they may be out of date. Returns the new counters
        for the next call.
        Raises: Conflict when one of the objects exists, a condition of `also` does not hold, or another
        write came first; InvalidParameters when one is larger than an item may be.
        """
        partitions = dict.fromkeys(_partition_of(each) for each in new)
        roots = self._table.read([counters.root_key(name) for name in partitions], known)
        root_by_list = {name: roots.get(counters.root_key(name)) for name in partitions}
        following = {name: counters.next_number(root) for name, root in root_by_list.items()}
        places: list[Place] = []
        operations: list[Operation] = []
        for each in new:
            partition = _partition_of(each)
            number, emptied = following[partition], counters.emptied(root_by_list[partition])
            place = Place(partition, number, sortable(each.write.last_updated, self._clock()), emptied)
            following[partition] += 1
            item = self._item(each.ref, each.write, place, None, each.source)
            places.append(place)
            operations += [put_over(None, item), *shadow_to_write(None, item)]
        self._table.transact([*operations, *counters.additions(places), *also])
        return {counters.root_key(name): {"next": number} for name, number in following.items()}

    def page(self, partitions: Sequence[str], query: PageQuery, known: KnownItems = None) -> Page:
        """Read one page of the lists, one list after the other, with the exact total.

        Source: OCPI 2.2.1 transport_and_format, Pagination; PAG-02 … PAG-11
        """
        listing = self._lists.read(partitions, query, known)
        items = self._table.get_many(entry.key for entry in listing.entries)
        found = (items.get(entry.key) for entry in listing.entries)
        return listing.page([JsonText(item["body"]) if item else None for item in found])

    def versions(self, partition: str) -> Iterator[tuple[Ref, int]]:
        """Every object of a list with its version, oldest `last_updated` first; folded refs."""
        return ((Ref.parse(entry["pk"]), entry["v"]) for entry in self._lists.versions(partition))

    def some_versions(
        self, partition: str, number: int, after: Item | None
    ) -> tuple[list[tuple[Ref, int]], Item | None]:
        """Read a part of `versions` in one call.

        number: the most objects. after: the second result of the previous call. Returns the objects, and
        `after` for the next call, None at the end.
        """
        rows = self._lists.some_versions(partition, number, after)
        return [(Ref.parse(entry["pk"]), entry["v"]) for entry in rows.items], rows.last

    def _write(
        self,
        ref: Ref,
        decision: Write,
        item: Item | None,
        items: Mapping[Key, Item],
        partition: str,
        source: str,
        skip_same: bool,
    ) -> Stored:
        lu = sortable(decision.last_updated, self._clock())
        place = next_place(self._table, item, decision.partition or partition, lu, items)
        written, operations = self.operations_of(ref, decision, place, item, source, skip_same)
        self._table.transact(operations)
        return stored_object(written)

    def _remove(self, item: Item) -> None:
        self._table.transact([delete_of(item), *counters.changes(place_of(item), None)])
