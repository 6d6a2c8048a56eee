"""CDRs of the hub that name no session: they go to the session that began there and then with that token.

`session_id` may be left out by a hub without sessions of its own. What our CDR and the hub's have in common
is then the EVSE, the token and the start, which both tell within a second.

*Who looks.* Our session, while it has no CDR of the hub, whenever it is judged (`claim`): when our CDR comes,
and when patience ends. Then it is missing at the hub, and notes itself where and when it began, for a CDR
that comes later still: that looks when it is judged (`follow`).

*Going there.* The CDR's entry is told where its marks go, and takes them there itself when it is judged. It
remembers that: a credit CDR, which may not name the session either, comes to it and follows.

Source: docs/design.md, A CDR; OCPI 2.2.1 mod_cdrs_cdr_object; CDR-22
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from chalicelib.modules.cdrs.comparison import CLOCK_TOLERANCE
from chalicelib.modules.cdrs.marks import MARK, TOLD, due_item, place_of, place_pk, with_end
from chalicelib.protocol.types import format_datetime, parse_datetime, sort_key
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import Remove
from chalicelib.storage.operations import key_of
from chalicelib.storage.table import Conflict, Item

if TYPE_CHECKING:
    from chalicelib.node import Node

_GONE_TO = "gone-to"


def claim(node: Node, own: Item, is_final: bool) -> bool:
    """Have CDRs of the hub that tell of our session come to it. Returns whether there are any.

    own: the mark of our CDR. is_final: nobody will look again, so those that come later have to.
    """
    if is_final:
        node.table.put(place_of(node, own))
    places = _places_like(node, own, ours=False)
    for place in places:
        _send(node, Ref.parse(place["entry"]), own["entry"])
    node.table.write_many([_due_now(node, place["entry"]) for place in places])
    return bool(places)


def follow(node: Node, ref: Ref, found: Mapping[str, Item]) -> bool:
    """Take what is noted of a CDR to its session, if that is known. Returns whether it is.

    found: what there is of its entry, by sk.
    """
    marks = [item for sk, item in found.items() if sk.startswith(MARK)]
    target = found[_GONE_TO]["entry"] if _GONE_TO in found else _find_session(node, ref, marks)
    if target is None:
        return False
    pk = Ref.parse(target).key.pk
    if TOLD in found:
        with suppress(Conflict):
            node.table.put({**found[TOLD], "pk": pk}, "attribute_not_exists(#pk)")
    if marks:
        node.table.write_many([{**mark, "pk": pk, "entry": target} for mark in marks])
        node.table.write_many([_due_now(node, target)])
    node.objects.change(ref, lambda _: Remove(), partition="", source="")
    node.table.write_many(delete={key_of(place_of(node, mark)) for mark in marks})
    node.table.write_many(delete=map(key_of, marks))
    return True


def _find_session(node: Node, ref: Ref, marks: list[Item]) -> str | None:
    """Our session that waits for these CDRs, if there is one; it is remembered."""
    for mark in marks:
        for place in _places_like(node, mark, ours=True):
            _send(node, ref, place["entry"])
            return str(place["entry"])
    return None


def _places_like(node: Node, mark: Item, ours: bool) -> list[Item]:
    """What is noted of our sessions, or of the hub's CDRs, that began where and when a mark's session did."""
    start = parse_datetime(mark["start"])
    first, last = (sort_key(format_datetime(start + each)) for each in (-CLOCK_TOLERANCE, CLOCK_TOLERANCE))
    values = {"pk": place_pk(Ref.parse(mark["entry"]), mark["evse"]), "first": first, "last": f"{last}$"}
    rows = node.table.query("#pk = :pk AND #sk BETWEEN :first AND :last", values).items
    return [row for row in rows if row["uid"] == mark["uid"] and bool(row["ours"]) is ours]


def _send(node: Node, unnamed: Ref, target: str) -> None:
    item = {"pk": unnamed.key.pk, "sk": _GONE_TO, "entry": target}
    with suppress(Conflict):
        node.table.put(with_end(node, item), "attribute_not_exists(#pk)")


def _due_now(node: Node, entry: str) -> Item:
    return due_item(format_datetime(node.clock()), entry, entry)
