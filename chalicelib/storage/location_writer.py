"""Writes a location: all its items in one transaction, or a large location under a new generation.

If one transaction cannot hold all EVSEs, they are first written under keys of a new generation, which no
reader uses yet. Then one transaction switches header and roster to this generation. Every write has the
condition that the header is unchanged since it was read.

Source: LOC-03, LOC-14
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from chalicelib.protocol.json_text import write_json
from chalicelib.protocol.overtaking import instant_of, is_overtaken
from chalicelib.protocol.sizes import Size, check_location_size
from chalicelib.storage import counters
from chalicelib.storage.counters import Place
from chalicelib.storage.items import (
    UNCHANGED,
    item_size,
    new_version,
    place_of,
    put_over,
    unchanged_values,
)
from chalicelib.storage.keys import Ref
from chalicelib.storage.location_items import (
    FIRST_GENERATION,
    evse_key,
    evses_size_in,
    make_evse,
    make_evses,
    make_roster,
    size_of_evses,
    whole_size,
)
from chalicelib.storage.retry import draw_lot
from chalicelib.storage.sameness import (
    Digest,
    digest_attributes,
    digest_in,
    digest_of,
    has_same_content,
)
from chalicelib.storage.table import (
    OPERATIONS_PER_TRANSACTION,
    Conflict,
    Delete,
    Item,
    Key,
    Operation,
    Put,
    Table,
    Update,
)

TRANSACTION_BYTES = 3_000_000
"""The most bytes that one transaction writes; DynamoDB's limit is 4 MB, names and syntax included."""


class LocationWriter:
    """Writes locations to a table; each write raises Conflict if another change came first."""

    def __init__(
        self, table: Table, clock: Callable[[], datetime], read_evses_of: Callable[[Item], list[Item]]
    ) -> None:
        self._table = table
        self._clock = clock
        self._read_evses_of = read_evses_of

    def write(
        self,
        ref: Ref,
        header: Item | None,
        place: Place,
        document: Mapping[str, Any],
        evses: Sequence[Mapping[str, Any]] | None,
        source: str,
        aside: str | None = None,
        skip_same: bool = False,
    ) -> Item:
        """Write a location over the header that was read. Returns the new header, or `header` when identical.

        place: its place after the write. document: `evses` in it is ignored. evses: all of them, None to keep
        the stored ones. aside: JSON text of the parts that were set aside; None keeps the stored ones.
        skip_same: as in `ObjectStore.change`.
        """
        if aside is None:
            aside = (header or {}).get("aside", "")
        version = new_version(header, self._clock())
        written = {
            "pk": ref.key.pk,
            "sk": ref.key.sk,
            "ref": str(ref),
            "body": write_json(
                {name: value for name, value in document.items() if name not in ("evses", "last_updated")}
            ),
            "lu": place.last_updated,
            "lu_text": document["last_updated"],
            "v": version,
            "hv": version,
            "src": source,
            "lp": place.partition,
            "cr": place.number,
            **({"aside": aside} if aside else {}),
        }
        counted = counters.changes(place_of(header), place)
        is_same = skip_same and header is not None and _has_same_header(header, written)
        if evses is None and header is not None:
            if is_same:
                return self._write_times(header, written, counted)
            evses_size = self._evses_size(header)
            check_location_size(whole_size(written, evses_size), whole_size(header, evses_size), adds=False)
            written |= {name: header[name] for name in _OF_EVSES if name in header} | _sizes(evses_size)
            self._table.transact([put_over(header, written), *counted])
            return written
        return self._write_whole(written, evses or (), header, counted, is_same)

    def write_evse(
        self,
        header: Item,
        roster: Item | None,
        slot: int | None,
        before: Item | None,
        document: Mapping[str, Any],
        source: str,
        aside: str | None = None,
        skip_same: bool = False,
    ) -> Item:
        """Write one EVSE and update the header that was read. Returns its item, or `before` when identical.

        slot: the EVSE's index, None for a new one. before: its item as it was read. aside, skip_same: as in
        `write`.
        Raises: InvalidParameters when the location would be too large.
        """
        pk, number = header["pk"], header["n"]
        key = evse_key(pk, header["gen"], number if slot is None else slot)
        version = new_version(header, self._clock())
        kept_aside = (before or {}).get("aside", "") if aside is None else aside
        written = make_evse(key, document, version, header["wv"], at=None)
        written |= {"aside": kept_aside} if kept_aside else {}
        if before is not None and skip_same and _is_same_evse(header, before, written, source):
            if _values(before, "body", "aside") == _values(written, "body", "aside"):
                return before
            version = header["v"]
            written |= {name: before[name] for name in ("v", "wv", "via")}
        known = self._evses_size(header)
        evses_size = known.plus(size_of_evses([written])).minus(size_of_evses([before] if before else []))
        check_location_size(whole_size(header, evses_size), whole_size(header, known), adds=slot is None)
        lifted = {"v": version, "src": source, **_sizes(evses_size)}
        lifted |= digest_attributes(_digest_after(header, before, written))
        if not is_overtaken(document["last_updated"], header["lu_text"], instant_of(header["v"])):
            lifted |= {"lu": written["lu"], "lu_text": document["last_updated"]}
        operations: list[Operation] = [_put_evse_over(before, written)]
        if slot is None:
            lifted |= {"n": number + 1, "ev": f"{header['gen']}:{number + 1}"}
            uids = [*(roster["uids"] if roster else []), written["uid"]]
            operations.append(Put(make_roster(pk, uids, header["wv"])))
        expression = "SET " + ", ".join(f"#{name} = :{name}" for name in lifted)
        values = {**lifted, **unchanged_values(header)}
        operations.append(Update(Key(pk, header["sk"]), expression, values, UNCHANGED))
        self._table.transact(
            [*operations, *counters.changes(place_of(header), place_of({**header, **lifted}))]
        )
        return written

    def _write_whole(
        self,
        written: Item,
        documents: Sequence[Mapping[str, Any]],
        header: Item | None,
        counted: Sequence[Operation],
        is_same: bool,
    ) -> Item:
        """Write a location with all its EVSEs, in one transaction if possible.

        is_same: whether the header has the same content, so that the EVSEs are compared too.
        """
        pk, version, number = written["pk"], written["v"], len(documents)
        generation, before = (header["gen"], header["n"]) if header else (FIRST_GENERATION, 0)
        evses = make_evses(pk, generation, documents, version)
        digest, digest_before = digest_of(evses), digest_in(header) if header else None
        if (
            header
            and is_same
            and digest_before
            and (number, digest.content) == (before, digest_before.content)
        ):
            changed = None if digest == digest_before else _Evses(evses, digest)
            return self._write_times(header, written, counted, changed)
        evses_size, known = size_of_evses(evses), evses_size_in(header) if header else None
        before_size = whole_size(header, known) if header and known else None
        check_location_size(whole_size(written, evses_size), before_size, adds=True)
        written |= {"wv": version, "gen": generation, "n": number, "ev": f"{generation}:{number}"}
        written |= {**_sizes(evses_size), **digest_attributes(digest)}
        roster = Put(make_roster(pk, [evse["uid"] for evse in evses], version))
        operations = [put_over(header, written), *([roster] if number or before else []), *counted]
        in_place: list[Operation] = [Put(evse) for evse in evses]
        in_place += [Delete(evse_key(pk, generation, slot)) for slot in range(number, before)]
        size = item_size(written) + sum(item_size(evse) for evse in evses)
        if len(operations) + len(in_place) <= OPERATIONS_PER_TRANSACTION and size <= TRANSACTION_BYTES:
            self._table.transact([*operations, *in_place])
            return written
        generation = f"{version:016x}{draw_lot()}"
        written |= {"gen": generation, "ev": f"{generation}:{number}"}
        self._turn_to(generation, evses, [put_over(header, written), *operations[1:]])
        return written

    def _write_times(
        self, header: Item, written: Item, counted: Sequence[Operation], changed: _Evses | None = None
    ) -> Item:
        """Write only what differs in `last_updated`, in the stored versions, so that nobody is told.

        changed: all EVSEs as they came, None when they are identical.
        """
        if changed is None and _values(header, *_COMPARED) == _values(written, *_COMPARED):
            return header
        times = {name: written[name] for name in (*_COMPARED, "lu") if name in written}
        header = {name: value for name, value in header.items() if name != "aside"}
        evses, about_evses = (changed.items, changed.attributes()) if changed else ((), {})
        after = {**header, **times, **about_evses}
        operations: list[Operation] = [put_over(header, after), *counted]
        size = sum(map(item_size, evses)) + item_size(after)
        if len(operations) + len(evses) <= OPERATIONS_PER_TRANSACTION and size <= TRANSACTION_BYTES:
            # All of them, so that none has to be read; the header's condition is about all.
            self._table.transact([*operations, *(_times_of(evse) for evse in evses)])
            return after
        for part in _in_transactions(self._changed_times(header, evses)):
            self._table.transact(part)
        self._table.transact(operations)
        return after

    def _changed_times(self, header: Item, evses: Sequence[Item]) -> list[Put]:
        """Make the puts of the EVSEs whose stored text differs.

        They come before the header's write, so each is under a condition: meanwhile a message about one EVSE
        may have changed its status.
        """
        return [
            Put({**there, "body": came["body"], "lu": came["lu"]}, UNCHANGED, unchanged_values(there))
            for there, came in zip(self._read_evses_of(header), evses, strict=True)
            if there["body"] != came["body"]
        ]

    def _evses_size(self, header: Item) -> Size:
        """The size of a location's EVSEs; reads them if an old header does not have it."""
        known = evses_size_in(header)
        return size_of_evses(self._read_evses_of(header)) if known is None else known

    def _turn_to(self, generation: str, evses: Sequence[Item], operations: Sequence[Operation]) -> None:
        """Write EVSEs under a new generation, switch the location to it, and delete older generations.

        Older generations belong to earlier writes, or to writers that will fail or stopped halfway. A writer
        that can still succeed has read the version of this write, so its generation is newer.
        """
        keys = [evse_key(evse["pk"], generation, slot) for slot, evse in enumerate(evses)]
        self._table.write_many({**evse, "sk": key.sk} for evse, key in zip(evses, keys, strict=True))
        try:
            self._table.transact(operations)
        except Conflict:
            self._table.write_many(delete=keys)
            raise
        older = "#pk = :pk AND #sk BETWEEN :first AND :last"
        pk = operations[0].key.pk
        values = {"pk": pk, "first": "E#", "last": evse_key(pk, generation, 0).sk}
        left = [Key(item["pk"], item["sk"]) for item in self._table.query_all(older, values)]
        self._table.write_many(delete=[key for key in left if key not in keys])


class _Evses(NamedTuple):
    """All EVSEs of a location as they came, with their digest."""

    items: Sequence[Item]
    digest: Digest

    def attributes(self) -> Item:
        """The attributes of the header about them."""
        return {**_sizes(size_of_evses(self.items)), **digest_attributes(self.digest)}


_OF_EVSES = ("wv", "gen", "n", "ev", "ed", "et")
"""Attributes of a header that are about its EVSEs, besides their sizes."""


_COMPARED = ("body", "lu_text", "aside")


def _times_of(evse: Item) -> Update:
    """Make the update of an EVSE that keeps everything but its text and time."""
    key = Key(evse["pk"], evse["sk"])
    values = {"body": evse["body"], "lu": evse["lu"]}
    return Update(key, "SET #body = :body, #lu = :lu", values, "attribute_exists(#pk)")


def _in_transactions(puts: Sequence[Put]) -> Iterator[list[Operation]]:
    """Split puts into lists that one transaction takes."""
    part: list[Operation] = []
    size = 0
    for put in puts:
        more = item_size(put.item)
        if part and (len(part) == OPERATIONS_PER_TRANSACTION or size + more > TRANSACTION_BYTES):
            yield part
            part, size = [], 0
        part.append(put)
        size += more
    if part:
        yield part


def _values(item: Item, *names: str) -> list[object]:
    return [item.get(name) for name in names]


def _has_same_header(header: Item, written: Item) -> bool:
    """Return whether a header differs from the stored one in `last_updated` at most."""
    beside = [(each["ref"], each["lp"], each["src"]) for each in (header, written)]
    return beside[0] == beside[1] and has_same_content(header["body"], written["body"])


def _is_same_evse(header: Item, before: Item, written: Item, source: str) -> bool:
    return bool(header["src"] == source) and has_same_content(before["body"], written["body"])


def _digest_after(header: Item, before: Item | None, written: Item) -> Digest | None:
    known = digest_in(header)
    if known is None:
        return None
    return known.minus(digest_of([before] if before else [])).plus(digest_of([written]))


def _put_evse_over(before: Item | None, written: Item) -> Put:
    """Make the put of one EVSE; a write that changes only `last_updated` keeps the header's version."""
    return Put(written) if before is None else Put(written, "#lu = :read", {"read": before["lu"]})


def _sizes(evses: Size) -> Item:
    return {"ec": evses.characters, "ea": evses.answer}
