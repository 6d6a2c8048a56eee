"""Store of locations: a header item, with each EVSE in an item of its own.

An item holds 400 KB at most, and a write costs by the size of the item, so a change of status at
a site of 200 EVSEs must not rewrite the site. A location is therefore
- a header (sk `#`): the location's JSON without `evses` and `last_updated`;
- a roster (sk `E`): the uids of its EVSEs in their order, read only to find one by uid;
- one item per EVSE (sk `E#{generation}#{slot}`) with its whole JSON, connectors included. A list
  entry has the generation and the number of EVSEs, so a page reads the EVSEs of fifty locations by key.

Every change has the condition that the header is unchanged since it was read, and raises the header's
version. So one condition protects all items, and of two concurrent changes of one location's EVSEs one has to
retry. `location_reader.py` and `location_writer.py` read and write whole locations.

Source: OCPI 2.2.1 mod_locations; LOC-03, LOC-05, LOC-06, LOC-13, LOC-14
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from chalicelib.errors import LocationNotFound
from chalicelib.protocol.json_text import JsonText, read_json
from chalicelib.protocol.overtaking import instant_of
from chalicelib.protocol.pagination import Page, PageQuery
from chalicelib.storage import counters
from chalicelib.storage.items import next_place, sortable
from chalicelib.storage.keys import Ref
from chalicelib.storage.lists import Lists
from chalicelib.storage.location_items import evse_key, roster_agrees, roster_key, slot_of, whole_text
from chalicelib.storage.location_reader import LocationReader
from chalicelib.storage.location_writer import LocationWriter
from chalicelib.storage.objects import Keep, KnownItems, Stored
from chalicelib.storage.retry import attempts
from chalicelib.storage.table import Conflict, Item, Key, Snapshot, Table


@dataclass(frozen=True)
class StoredEvse:
    """A stored EVSE.

    body: its whole JSON text, connectors included. last_updated: fixed-width sort key. via: whether
    its last write was part of a write of the whole location, or of the EVSE alone.
    """

    uid: str
    body: JsonText
    last_updated: str
    version: int
    via: Literal["location", "evse"]

    @property
    def arrived(self) -> datetime | None:
        """The time of its last write; None if its version is not a time."""
        return instant_of(self.version)


@dataclass(frozen=True)
class StoredLocation:
    """A stored location, without its EVSEs.

    body: JSON text without `evses` and `last_updated`. last_updated: fixed-width sort key;
    last_updated_text: the original text. version: rises with every change of the location or of an EVSE,
    but for one of `last_updated` alone (`skip_same`); header_version: version of the last such write of
    the location itself. evse_count: number of EVSEs. evses(): reads them (one call, more for a location above
    1 MB), in their order.
    """

    ref: Ref
    body: JsonText
    last_updated: str
    last_updated_text: str
    version: int
    header_version: int
    source: str
    partition: str
    evse_count: int
    evses: Callable[[], list[StoredEvse]] = field(repr=False, compare=False)

    @property
    def arrived(self) -> datetime | None:
        """The time of its last write or of an EVSE's; None if its version is not a time."""
        return instant_of(self.version)

    def document(self) -> dict[str, Any]:
        """The location as parsed JSON, `last_updated` included, without `evses`."""
        return {**read_json(str(self.body)), "last_updated": self.last_updated_text}


@dataclass(frozen=True)
class WriteLocation:
    """Decision: write the location with this content.

    document: the location without `evses`, with `last_updated`. evses: all its EVSEs in their order,
    None to keep the stored ones as they are. partition, answer: as in `objects.Write`.
    """

    document: Mapping[str, Any]
    evses: Sequence[Mapping[str, Any]] | None = None
    partition: str | None = None
    answer: Any = None


@dataclass(frozen=True)
class WriteEvse:
    """Decision: write the EVSE with this content; `uid` and `last_updated` are required.

    answer: as in `objects.Write`.
    """

    document: Mapping[str, Any]
    answer: Any = None


@dataclass(frozen=True)
class LocationChange:
    """Result of a change of a location; `before is after` if nothing was written. answer: the decision's."""

    before: StoredLocation | None
    after: StoredLocation | None
    answer: Any = None

    @property
    def written(self) -> bool:
        """Return whether anything was written."""
        return self.before is not self.after

    @property
    def created(self) -> bool:
        """Return whether the location is new."""
        return self.before is None and self.after is not None


@dataclass(frozen=True)
class EvseChange:
    """Result of a change of an EVSE; `before is after` if nothing was written. answer: the decision's."""

    before: StoredEvse | None
    after: StoredEvse | None
    answer: Any = None

    @property
    def written(self) -> bool:
        """Return whether anything was written."""
        return self.before is not self.after

    @property
    def created(self) -> bool:
        """Return whether the EVSE is new."""
        return self.before is None and self.after is not None


LocationDecision = WriteLocation | Keep | None
EvseDecision = WriteEvse | Keep | None
DecideLocation = Callable[[StoredLocation | None], LocationDecision]
DecideEvse = Callable[[StoredEvse | None, StoredLocation], EvseDecision]


class LocationStore:
    """Locations and their EVSEs. A ref's module is "locations"."""

    def __init__(self, table: Table, clock: Callable[[], datetime]) -> None:
        self._table = table
        self._clock = clock
        self._lists = Lists(table, clock, counts_per_page=0)
        self._reader = LocationReader(table)
        self._writer = LocationWriter(table, clock, self._reader.read_evses_of)

    def keys_for_get(self, ref: Ref) -> list[Key]:
        """The keys that `get_header` and `get_evse` read first, to read with the caller's token."""
        return [ref.key, roster_key(ref.key.pk)]

    def keys_for_change(self, ref: Ref, partition: str) -> list[Key]:
        """The keys that `change` reads, to read together with the caller's token."""
        return [ref.key, counters.root_key(partition)]

    def keys_for_evse_change(self, ref: Ref) -> list[Key]:
        """The keys that `change_evse` reads first, to read together with the caller's token."""
        return self.keys_for_get(ref)

    def keys_for_page(self, partitions: Sequence[str], query: PageQuery) -> list[Key]:
        """The keys of the counters that `page` reads, to read together with the caller's token."""
        return self._lists.keys(partitions, query)

    def get(self, ref: Ref) -> JsonText | None:
        """Read the JSON text of a whole location; None if there is none. One call."""
        whole = self._reader.read(ref.key.pk)
        return whole_text(*whole) if whole else None

    def get_whole(self, ref: Ref) -> Stored | None:
        """Read a whole location with the version and source that a push needs; None if there is none."""
        whole = self._reader.read(ref.key.pk)
        if whole is None:
            return None
        header, evses = whole
        return Stored(
            ref=Ref.parse(header["ref"]),
            body=whole_text(header, evses),
            last_updated=header["lu"],
            version=header["v"],
            source=header["src"],
            partition=header["lp"],
        )

    def get_header(self, ref: Ref, known: KnownItems = None) -> StoredLocation | None:
        """Read a location without its EVSEs; None if there is none."""
        header = self._table.read([ref.key], known).get(ref.key)
        return stored_location(header, self._evses_now) if header else None

    def get_evse(self, ref: Ref, uid: str, known: KnownItems = None) -> StoredEvse | None:
        """Read one EVSE; None if there is no such location or EVSE. One call if `known` has the keys."""
        for attempt in attempts():
            found = self._find_evse(ref, uid, None if attempt else known)
            if found is None:
                return None
            header, roster, slot, item = found
            if roster_agrees(header, roster) and (item or slot is None):
                return stored_evse(item) if item else None
        raise AssertionError("attempts() raises")

    def aside_of(self, ref: Ref, evse_uid: str | None = None, *, known: KnownItems = None) -> str:
        """Read what was set aside of a location, or of one EVSE that came alone; "" for nothing."""
        if evse_uid is None:
            item = self._table.read([ref.key], known).get(ref.key)
        else:
            found = self._find_evse(ref, evse_uid, known)
            item = found[3] if found else None
        return str((item or {}).get("aside", ""))

    def change(
        self,
        ref: Ref,
        decide: DecideLocation,
        known: KnownItems = None,
        *,
        partition: str,
        source: str,
        aside: str | None = None,
        skip_same: bool = False,
    ) -> LocationChange:
        """Change a location, with all its EVSEs or without; a reader sees the whole change or nothing.

        decide, partition, source, skip_same, Raises: as in `ObjectStore.change`. aside: as in
        `LocationWriter.write`.
        One call, more when the location has more than 90 EVSEs.
        """
        for attempt in attempts():
            # As in `ObjectStore.change`: only a new location needs the list's counter.
            is_read = not attempt and isinstance(known, Snapshot) and ref.key in known.asked
            keys = [ref.key] if is_read else self.keys_for_change(ref, partition)
            items = self._table.read(keys, None if attempt else known)
            header = items.get(ref.key)
            before = stored_location(header, self._evses_then) if header else None
            try:
                decision = decide(before)
                if not isinstance(decision, WriteLocation):
                    return LocationChange(before, before, decision.answer if decision else None)
                lu = sortable(decision.document["last_updated"], self._clock())
                place = next_place(self._table, header, decision.partition or partition, lu, items)
                written = self._writer.write(
                    ref,
                    header,
                    place,
                    decision.document,
                    decision.evses,
                    source,
                    aside,
                    skip_same,
                )
            except Conflict:
                continue
            after = before if written is header else stored_location(written, self._evses_now)
            return LocationChange(before, after, decision.answer)
        raise AssertionError("attempts() raises")

    def change_evse(
        self,
        ref: Ref,
        uid: str,
        decide: DecideEvse,
        known: KnownItems = None,
        *,
        source: str,
        aside: str | None = None,
        skip_same: bool = False,
    ) -> EvseChange:
        """Change or add one EVSE and update its location's header: one read and one transaction.

        The location's `last_updated` becomes the EVSE's, or stays if it is newer (LOC-03, LOC-14).
        Connectors are part of their EVSE. `source` is stored as the source of the last change. aside: as in
        `LocationWriter.write`, for the EVSE. skip_same: as in `ObjectStore.change`.
        Raises: LocationNotFound when there is no such location (LOC-13), and as `ObjectStore.change`.
        """
        for attempt in attempts():
            found = self._find_evse(ref, uid, None if attempt else known)
            if found is None:
                raise LocationNotFound
            header, roster, slot, item = found
            if not roster_agrees(header, roster) or (slot is not None and item is None):
                continue
            before = stored_evse(item) if item else None
            try:
                decision = decide(before, stored_location(header, self._evses_then))
                if not isinstance(decision, WriteEvse):
                    return EvseChange(before, before, decision.answer if decision else None)
                written = self._writer.write_evse(
                    header, roster, slot, item, decision.document, source, aside, skip_same
                )
            except Conflict:
                continue
            return EvseChange(before, before if written is item else stored_evse(written), decision.answer)
        raise AssertionError("attempts() raises")

    def page(self, partitions: Sequence[str], query: PageQuery, known: KnownItems = None) -> Page:
        """Read one page of whole locations, as `ObjectStore.page`.

        It ends early if its locations have more EVSEs than an answer or a few calls can hold.
        """
        listing = self._lists.read(partitions, query, known)
        return listing.page(self._reader.texts(listing.entries))

    def versions(self, partition: str) -> Iterator[tuple[Ref, int]]:
        """Every location of a list with its version, oldest `last_updated` first; folded refs."""
        return ((Ref.parse(entry["pk"]), entry["v"]) for entry in self._lists.versions(partition))

    def some_versions(
        self, partition: str, number: int, after: Item | None
    ) -> tuple[list[tuple[Ref, int]], Item | None]:
        """Read a part of `versions` in one call.

        number: the most locations. after: the second result of the previous call. Returns the locations, and
        `after` for the next call, None at the end.
        """
        rows = self._lists.some_versions(partition, number, after)
        return [(Ref.parse(entry["pk"]), entry["v"]) for entry in rows.items], rows.last

    def _evses_now(self, header: Item) -> list[StoredEvse]:
        whole = self._reader.read(header["pk"])
        return [stored_evse(item) for item in whole[1]] if whole else []

    def _evses_then(self, header: Item) -> list[StoredEvse]:
        return [stored_evse(item) for item in self._reader.read_evses_of(header)]

    def _find_evse(
        self, ref: Ref, uid: str, known: KnownItems
    ) -> tuple[Item, Item | None, int | None, Item | None] | None:
        """Read header, roster, the EVSE's slot and its item; None if there is no such location."""
        items = self._table.read(self.keys_for_evse_change(ref), known)
        header, roster = items.get(ref.key), items.get(roster_key(ref.key.pk))
        if header is None:
            return None
        slot = slot_of(roster, uid)
        if slot is None:
            return header, roster, None, None
        return header, roster, slot, self._table.get(evse_key(ref.key.pk, header["gen"], slot))


def stored_location(header: Item, read_evses: Callable[[Item], list[StoredEvse]]) -> StoredLocation:
    """Read a header item."""
    return StoredLocation(
        ref=Ref.parse(header["ref"]),
        body=JsonText(header["body"]),
        last_updated=header["lu"],
        last_updated_text=header["lu_text"],
        version=header["v"],
        header_version=header["hv"],
        source=header["src"],
        partition=header["lp"],
        evse_count=header["n"],
        evses=lambda: read_evses(header),
    )


def stored_evse(item: Item) -> StoredEvse:
    """Read an EVSE's item, such as an image of a stream record."""
    return StoredEvse(item["uid"], JsonText(item["body"]), item["lu"], item["v"], item["via"])
