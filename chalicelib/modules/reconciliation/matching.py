"""Matching of hub CDRs without `session_id` to our sessions, by EVSE, token and start.

A hub without sessions of its own may omit `session_id`. Such a CDR belongs to our session with the same EVSE,
the same token, and a start that differs by at most a second.

*Search from the session.* While our session has no CDR of the hub, it searches for one each time it is
judged: when our CDR is made, and when the longest wait ends (`match_hub_cdrs`). After the wait it is missing
at the hub. Then the session is noted by place and time, too, for a hub CDR that arrives even later.

*Search from the CDR.* A CDR without session searches for such a session when it is judged
(`move_to_session`).

*Move.* A match writes the target session into the entry of the CDR. When that entry is judged, it moves its
noted CDRs to the session. The target stays stored: a later credit CDR, which may omit the session too,
arrives at the same entry and is moved as well.

Source: docs/design.md, A CDR; OCPI 2.2.1 mod_cdrs_cdr_object; CDR-22
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from chalicelib.modules.cdr_comparison import CLOCK_TOLERANCE
from chalicelib.modules.reconciliation.noted_cdrs import (
    NOTED,
    NOTIFIED,
    due_entry_item,
    place_item,
    place_pk,
    with_end,
)
from chalicelib.protocol.types import format_datetime, parse_datetime, sort_key
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import Remove
from chalicelib.storage.operations import key_of
from chalicelib.storage.table import Conflict, Item

if TYPE_CHECKING:
    from datetime import datetime

    from chalicelib.node import Node
    from chalicelib.storage.table import Table

_MOVED_TO = "gone-to"


def match_hub_cdrs(node: Node, own: Item, is_final: bool) -> bool:
    """Match hub CDRs without session to our session, and make them due. Returns whether there are any.

    own: our noted CDR. is_final: this is the last search from the session, so later hub CDRs have to find it.
    """
    if is_final:
        node.table.put(place_item(node, own))
    places = _places_like(node.table, own, ours=False)
    for place in places:
        _set_target(node, Ref.parse(place["entry"]), own["entry"])
    node.table.write_many([_due_now(node.clock(), place["entry"]) for place in places])
    return bool(places)


def move_to_session(node: Node, ref: Ref, found: Mapping[str, Item]) -> bool:
    """Move the noted CDRs of an entry without session to their session. Returns whether a session was found.

    found: all items of the entry, by sk.
    """
    noted_cdrs = [item for sk, item in found.items() if sk.startswith(NOTED)]
    target = found[_MOVED_TO]["entry"] if _MOVED_TO in found else _match_session(node, ref, noted_cdrs)
    if target is None:
        return False
    pk = Ref.parse(target).key.pk
    if NOTIFIED in found:
        with suppress(Conflict):
            node.table.put({**found[NOTIFIED], "pk": pk}, "attribute_not_exists(#pk)")
    if noted_cdrs:
        node.table.write_many([{**noted, "pk": pk, "entry": target} for noted in noted_cdrs])
        node.table.write_many([_due_now(node.clock(), target)])
    node.objects.change(ref, lambda _: Remove(), partition="", source="")
    node.table.write_many(delete={key_of(place_item(node, noted)) for noted in noted_cdrs})
    node.table.write_many(delete=map(key_of, noted_cdrs))
    return True


def _match_session(node: Node, ref: Ref, noted_cdrs: list[Item]) -> str | None:
    """Find our session that matches these CDRs, and store it as their target."""
    for noted in noted_cdrs:
        for place in _places_like(node.table, noted, ours=True):
            _set_target(node, ref, place["entry"])
            return str(place["entry"])
    return None


def _places_like(table: Table, noted: Item, ours: bool) -> list[Item]:
    """Read the place items of our sessions, or of the hub's CDRs, that match the start of a noted CDR."""
    start = parse_datetime(noted["start"])
    first, last = (sort_key(format_datetime(start + each)) for each in (-CLOCK_TOLERANCE, CLOCK_TOLERANCE))
    values = {"pk": place_pk(Ref.parse(noted["entry"]), noted["evse"]), "first": first, "last": f"{last}$"}
    rows = table.query("#pk = :pk AND #sk BETWEEN :first AND :last", values).items
    return [row for row in rows if row["uid"] == noted["uid"] and bool(row["ours"]) is ours]


def _set_target(node: Node, unnamed: Ref, target: str) -> None:
    item = {"pk": unnamed.key.pk, "sk": _MOVED_TO, "entry": target}
    with suppress(Conflict):
        node.table.put(with_end(node, item), "attribute_not_exists(#pk)")


def _due_now(now: datetime, entry: str) -> Item:
    return due_entry_item(format_datetime(now), entry, entry)
