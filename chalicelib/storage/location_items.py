"""The items of a location, and the checks that they are of one state.

Header, roster and EVSEs are written in transactions, but a query or a batch read may see some items
before a transaction and others after it. The versions show this: a write of all EVSEs sets its version on
them and on the header (`wv`), and every change sets its version on the header and on the items that it writes
(`v`). If the versions do not agree, the items are read again, so an answer never shows half a change.

The header has the size of all its EVSEs (`ec` characters, `ea` bytes in an answer), so that the size of
the whole is known before each write (`protocol/sizes.py`).

A large write gives its EVSE items a new `generation` in their keys. Generations sort by the version of the
write that made them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chalicelib.errors import InvalidParameters
from chalicelib.protocol.json_text import JsonText, write_json
from chalicelib.protocol.overtaking import instant_of
from chalicelib.protocol.sizes import Size
from chalicelib.protocol.types import fold
from chalicelib.storage.items import check_size, sortable
from chalicelib.storage.table import Item, Key

FIRST_GENERATION = "0" * 24
_COMMA = Size(1, 1)
_AROUND = Size(80, 100)
"""The size that `whole_text` adds to header and EVSEs: `evses`, `last_updated`, brackets."""


def roster_key(pk: str) -> Key:
    """Key of a location's roster."""
    return Key(pk, "E")


def evse_key(pk: str, generation: str, slot: int) -> Key:
    """Key of an EVSE; slot: its index among its location's EVSEs, from 0."""
    return Key(pk, f"{generation_prefix(generation)}{slot:05}")


def generation_prefix(generation: str) -> str:
    """Prefix of the sort keys of a generation's EVSEs."""
    return f"E#{generation}#"


def evse_keys(pk: str, evses: str) -> list[Key]:
    """Keys of all EVSEs of a location; evses: attribute `ev` of its header or index entry."""
    generation, _, number = evses.partition(":")
    return [evse_key(pk, generation, slot) for slot in range(int(number))]


def make_roster(pk: str, uids: Sequence[str], written_whole: int) -> Item:
    """Make the roster item: the uids of the EVSEs in their order."""
    key = roster_key(pk)
    return {"pk": key.pk, "sk": key.sk, "uids": list(uids), "n": len(uids), "wv": written_whole}


def make_evse(
    key: Key, document: Mapping[str, Any], version: int, written_whole: int, at: str | None
) -> Item:
    """Make the item of an EVSE that is written now.

    version: of this write, so also its time. at: path of the EVSE in the partner's document.
    Raises: InvalidParameters when it is too large.
    """
    item: Item = {
        "pk": key.pk,
        "sk": key.sk,
        "uid": document["uid"],
        "body": write_json(document),
        "lu": sortable(document["last_updated"], instant_of(version)),
        "v": version,
        "wv": written_whole,
        "via": "location" if version == written_whole else "evse",
    }
    check_size(item, at)
    return item


def make_evses(pk: str, generation: str, documents: Iterable[Mapping[str, Any]], version: int) -> list[Item]:
    """Make the items of all EVSEs of a location, for one write.

    Raises: InvalidParameters when two EVSEs have the same uid or an EVSE is too large.
    """
    items: list[Item] = []
    seen: set[str] = set()
    for slot, document in enumerate(documents):
        uid = fold(document["uid"])
        if uid in seen:
            raise InvalidParameters(f"two EVSEs have the uid {document['uid']!r}", field=f"evses.{slot}.uid")
        seen.add(uid)
        key = evse_key(pk, generation, slot)
        items.append(make_evse(key, document, version, version, f"evses.{slot}"))
    return items


def evses_size_in(header: Item) -> Size | None:
    """The size of a location's EVSEs from its header; None for an old header without these attributes."""
    if header["n"] == 0:
        return Size(0, 0)
    return Size(header["ec"], header["ea"]) if "ec" in header else None


def size_of_evses(evses: Iterable[Item]) -> Size:
    """The size of EVSEs inside their location, with commas."""
    return Size(0, 0).plus(*(Size.of(evse["body"]).plus(_COMMA) for evse in evses))


def whole_size(header: Item, evses: Size) -> Size:
    """The size of the location that `whole_text` makes, or a little more."""
    return Size.of(header["body"]).plus(evses, _AROUND)


def slot_of(roster: Item | None, uid: str) -> int | None:
    """The index of an EVSE among its location's EVSEs, None if there is no such EVSE."""
    wanted = fold(uid)
    uids = roster["uids"] if roster else []
    return next((slot for slot, known in enumerate(uids) if fold(known) == wanted), None)


def roster_agrees(header: Item, roster: Item | None) -> bool:
    """Return whether header and roster are of one state."""
    if roster is None:
        return bool(header["n"] == 0)
    return bool((roster["n"], roster["wv"]) == (header["n"], header["wv"]) or header["n"] == roster["n"] == 0)


def current_evses(header: Item, items: Iterable[Item]) -> list[Item]:
    """Select the items of a location's current EVSEs, in their order."""
    prefix = generation_prefix(header["gen"])
    return sorted((item for item in items if item["sk"].startswith(prefix)), key=lambda item: item["sk"])


def evses_agree(header: Item, evses: Sequence[Item]) -> bool:
    """Return whether header and EVSEs are of one state."""
    return (
        len(evses) == header["n"]
        and all(evse["wv"] == header["wv"] for evse in evses)
        and max([header["hv"], *(evse["v"] for evse in evses)]) == header["v"]
    )


def whole_text(header: Item, evses: Sequence[Item]) -> JsonText:
    """The JSON text of a whole location, joined from its items."""
    members = [header["body"][1:-1]] if header["body"] != "{}" else []
    if evses:
        members.append(f'"evses":[{",".join(evse["body"] for evse in evses)}]')
    members.append(f'"last_updated":{write_json(header["lu_text"])}')
    return JsonText("{" + ",".join(members) + "}")
