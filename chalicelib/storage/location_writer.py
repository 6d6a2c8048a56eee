"""Writes a location: all its items in one transaction, or a large location under a new generation.

If one transaction cannot hold all EVSEs, they are first written under keys of a new generation, which no
reader uses yet. Then one transaction switches header and roster to this generation. Every write has the
condition that the header is unchanged since it was read.

Source: LOC-03, LOC-14
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from chalicelib.protocol.json_text import write_json
from chalicelib.protocol.overtaking import instant_of, is_overtaken
from chalicelib.protocol.sizes import Size, check_location_size
from chalicelib.storage import counters
from chalicelib.storage.counters import Place
from chalicelib.storage.items import item_size, new_version, place_of, put_over
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
    ) -> Item:
        """Write a location over the header that was read, and return the new header.

        place: its place after the write. document: `evses` in it is ignored. evses: all of them, None to keep
        the stored ones. aside: JSON text of the parts that were set aside; None keeps the stored ones.
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
        if evses is None and header is not None:
            evses_size = self._evses_size(header)
            check_location_size(whole_size(written, evses_size), whole_size(header, evses_size), adds=False)
            written |= {name: header[name] for name in ("wv", "gen", "n", "ev")} | _sizes(evses_size)
            self._table.transact([put_over(header, written), *counted])
            return written
        return self._write_whole(written, evses or (), header, counted)

    def write_evse(
        self,
        header: Item,
        roster: Item | None,
        slot: int | None,
        before: Item | None,
        document: Mapping[str, Any],
        source: str,
        aside: str | None = None,
    ) -> Item:
        """Write one EVSE, update the header that was read, and return the EVSE's item.

        slot: the EVSE's index, None for a new one. before: its item as it was read. aside: as in `write`.
        Raises: InvalidParameters when the location would be too large.
        """
        pk, number = header["pk"], header["n"]
        key = evse_key(pk, header["gen"], number if slot is None else slot)
        version = new_version(header, self._clock())
        kept_aside = (before or {}).get("aside", "") if aside is None else aside
        written = make_evse(key, document, version, header["wv"], at=None)
        written |= {"aside": kept_aside} if kept_aside else {}
        known = self._evses_size(header)
        evses_size = known.plus(size_of_evses([written])).minus(size_of_evses([before] if before else []))
        check_location_size(whole_size(header, evses_size), whole_size(header, known), adds=slot is None)
        lifted = {"v": version, "src": source, **_sizes(evses_size)}
        if not is_overtaken(document["last_updated"], header["lu_text"], instant_of(header["v"])):
            lifted |= {"lu": written["lu"], "lu_text": document["last_updated"]}
        operations: list[Operation] = [Put(written)]
        if slot is None:
            lifted |= {"n": number + 1, "ev": f"{header['gen']}:{number + 1}"}
            uids = [*(roster["uids"] if roster else []), written["uid"]]
            operations.append(Put(make_roster(pk, uids, header["wv"])))
        expression = "SET " + ", ".join(f"#{name} = :{name}" for name in lifted)
        values = {**lifted, "read": header["v"]}
        operations.append(Update(Key(pk, header["sk"]), expression, values, "#v = :read"))
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
    ) -> Item:
        """Write a location with all its EVSEs, in one transaction if possible."""
        pk, version, number = written["pk"], written["v"], len(documents)
        generation, before = (header["gen"], header["n"]) if header else (FIRST_GENERATION, 0)
        evses = make_evses(pk, generation, documents, version)
        evses_size, known = size_of_evses(evses), evses_size_in(header) if header else None
        before_size = whole_size(header, known) if header and known else None
        check_location_size(whole_size(written, evses_size), before_size, adds=True)
        written |= {"wv": version, "gen": generation, "n": number, "ev": f"{generation}:{number}"}
        written |= _sizes(evses_size)
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


def _sizes(evses: Size) -> Item:
    return {"ec": evses.characters, "ea": evses.answer}
