"""What a partner still has to hear, and queueing it: after it registered, and after it was away.

The versions of what the partner is shown are compared with its rows, whatever the number of changes that
it missed. What differs becomes ordinary messages, and each push reads and decides again, so a message too
many costs a read and no request.

A partner may be shown tens of thousands of objects, so it goes step by step, each a message of its own: the
table's stream and the timer only say that a partner is due. A step that fails or is killed comes again. The
steps and their pushes have a queue and workers of their own (`Lane.CATCH_UP`), so that the changes that other
partners wait for never stand behind them. What a partner that left was told is forgotten in the same way.

An object that changed after a step's occasion is left out: the message of the change is in the other queue,
and two pushes of one object at the same time are to be rare.

The lists are read from an index that may lag behind the table for a moment, and a change that was told
to the partners of a moment ago may have missed this one. So a second look is noted, and taken by the
timer (`liveness.py`) when the moment has surely passed.

Source: OCPI 2.2.1 transport_and_format_offline_behaviour; TRN-32, TRP-10
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.log import log
from chalicelib.partners.deliveries import (
    Delivery,
    Known,
    Status,
    forget_deliveries,
    is_owed,
    key_of,
    read_delivery,
    some_deliveries,
)
from chalicelib.partners.visibility import (
    PRIVATE,
    PUSHED,
    Subject,
    is_hidden_partition,
    is_pushed_to,
    list_partitions,
)
from chalicelib.protocol.message import Party
from chalicelib.protocol.types import format_datetime, parse_datetime, sort_key
from chalicelib.queues import Broadcast, CatchUp, Lane
from chalicelib.storage.keys import Ref
from chalicelib.storage.table import Conflict, Item, Key, Put

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner
    from chalicelib.storage.locations import LocationStore
    from chalicelib.storage.objects import ObjectStore

SECOND_LOOK = timedelta(seconds=10)
"""How long an index, or who has read the partners before, may lag behind."""

NEWS = timedelta(days=7)
"""How far back a partner that has just registered is told of what is for it only: of sessions it may ask
for all, and a year of them would come before anything that matters now."""

OBJECTS_PER_STEP = 500
"""As many take a second or two: reading their rows a hundred at a time, queueing them ten at a time."""

STEPS_TO_FIND = 20
"""After so many steps in which the partner has everything it is not searched on: 10,000 objects."""

_LOOKS = "catch-up"
_LATER = "#later"
_GONE = "gone"
_DELETABLE = "tariffs"


class Owed(NamedTuple):
    """An object that a partner has to be told of."""

    pk: str
    ref: str


# -- step by step ------------------------------------------------------------------------------------


def take_step(node: Node, step: CatchUp) -> None:
    """Queue some of what a partner still has to hear, and the next step behind it.

    Raises: RuntimeError when the queue did not take all; then the step has to be taken again.
    """
    if step.what == "FORGET":
        _forget_some(node, step)
        return
    partner = node.directory.get(step.partner_id)
    if partner is None or not partner.is_registered:
        return
    if partner.connection != "CONNECTED" and step.what != "REPLAY":
        return  # When it is back, that is an occasion of its own.
    owed, following, retry_at = _find_some(node, partner, step)
    if retry_at:
        look_later(node, partner.id, retry_at)
    broadcasts = [_broadcast(step, each) for each in owed]
    messages: list[Broadcast | CatchUp] = [*broadcasts, *([following] if following else [])]
    node.queues.send_broadcasts(messages, Lane.CATCH_UP)


def _broadcast(step: CatchUp, owed: Owed) -> Broadcast:
    module = Ref.parse(owed.pk).module
    return Broadcast(
        partner_id=step.partner_id, module=module, pk=owed.pk, sk="#", ref=owed.ref, cause=step.cause,
        again=step.refused_too,
    )  # fmt: skip


class Found(NamedTuple):
    """Some of what a partner has to be told of. following: the next step. retry_at: when the first of the
    objects that were given up is tried again, "" when there is none.
    """

    owed: list[Owed]
    following: CatchUp | None
    retry_at: str = ""


def _find_some(node: Node, partner: Partner, step: CatchUp) -> Found:
    """Find what a partner has to be told of the next objects."""
    places = _places(node, partner, step.module)
    place = step.place or "".join(places[:1])
    if place not in places:
        return Found([], None)  # The partner changed meanwhile, which is an occasion of its own.
    shown: list[tuple[Ref, Known]] = []
    owed: list[Owed] = []
    after, number = step.after, OBJECTS_PER_STEP
    while place and number > 0:
        if place == _GONE:
            gone, read, after = _some_gone(node, partner, number, after, step.refused_too)
            owed += gone
        else:
            found, read, after = _some_shown(node, partner, place, number, after)
            shown += found
        number -= read
        if after is None:
            place = _following(places, place)
    rows = node.table.get_many(key_of(partner.id, ref.key.pk) for ref, _ in shown)
    retry_at: list[str] = []
    for ref, known in shown:
        row = read_delivery(rows.get(key_of(partner.id, ref.key.pk)))
        if _has_own_message(step, known, row):
            continue
        if row.waits(node.clock()) and not step.refused_too:
            retry_at.append(row.retry_at)
        elif is_owed(row, known, step.refused_too):
            owed.append(Owed(ref.key.pk, str(ref)))
    following = step.model_copy(update={"place": place, "after": after}) if place else None
    return Found(owed, following, min(retry_at, key=sort_key, default=""))


def _has_own_message(step: CatchUp, known: Known, row: Delivery) -> bool:
    """Tell whether an object changed so lately that a message of the change is on its way in the other lane.

    A push of each at the same time would be two requests in any order, and two CDRs. What was given up has no
    message.
    """
    is_newer = 0 < step.newest < known.version
    return is_newer and row.status not in (Status.MISSED, Status.DEAD)


def find_owed(node: Node, partner: Partner, known: Collection[str] = ()) -> list[Owed]:
    """Find some of the objects that a partner has to be told of; the first steps are enough to find one.

    known: the pk of those that are not looked for.
    """
    step: CatchUp | None = CatchUp(what="CATCH_UP", partner_id=partner.id, cause="")
    for _ in range(STEPS_TO_FIND):
        if step is None:
            break
        found = _find_some(node, partner, step)
        if unknown := [each for each in found.owed if each.pk not in known]:
            return unknown
        step = found.following
    return []


def _places(node: Node, partner: Partner, only: str) -> list[str]:
    """Where there is something to compare, in order: every list that the partner is pushed, and its rows.

    only: of this module alone, "" for all.
    """
    modules = [module for module in _modules(partner) if only in ("", module)]
    lists = [place for module in modules for place in _lists(node, partner, module)]
    return [*lists, _GONE] if only in ("", _DELETABLE) else lists


def _following(places: Sequence[str], place: str) -> str:
    return "".join(places[places.index(place) + 1 :][:1])


def _some_shown(
    node: Node, partner: Partner, place: str, number: int, after: Item | None
) -> tuple[list[tuple[Ref, Known]], int, Item | None]:
    found, last = _store(node, place).some_versions(place, number, after)
    judged = [(ref, _judge(node, partner, place, ref, version)) for ref, version in found]
    return [(ref, known) for ref, known in judged if known is not None], len(found), last


def _some_gone(
    node: Node, partner: Partner, number: int, after: Item | None, refused_too: bool
) -> tuple[list[Owed], int, Item | None]:
    """Rows of what is no longer there: of tariffs, because nothing else is ever deleted."""
    rows, last = some_deliveries(node.table, partner.id, _DELETABLE, number, after)
    told = {pk: row for pk, row in rows.items() if is_owed(row, None, refused_too)}
    there = node.table.get_many((Key(pk) for pk in told), consistent=False)
    return [Owed(pk, row.ref) for pk, row in told.items() if Key(pk) not in there], len(rows), last


def _forget_some(node: Node, step: CatchUp) -> None:
    if forget_deliveries(node.table, step.partner_id, OBJECTS_PER_STEP):
        number = int(step.place or 0) + 1
        node.queues.send_broadcasts([step.model_copy(update={"place": str(number)})])
    else:
        # If it is back already, it was compared with rows that were still there.
        look_again(node, step.partner_id)


# -- everything at once ------------------------------------------------------------------------------


def count_owed(node: Node, partner: Partner, deliveries: Mapping[str, Delivery]) -> int:
    """How many objects a partner still has to hear of, given its rows: one query for each MB of each list."""
    known: dict[str, Known] = {}
    for module in _modules(partner):
        for place in _lists(node, partner, module):
            for ref, version in _store(node, place).versions(place):
                found = _judge(node, partner, place, ref, version)
                if found is not None:
                    known[ref.key.pk] = max(known.get(ref.key.pk, found), found)
    gone = {pk for pk, row in deliveries.items() if row.module == _DELETABLE} - known.keys()
    return sum(is_owed(deliveries.get(pk, Delivery()), known.get(pk)) for pk in [*known, *gone])


def _modules(partner: Partner) -> list[str]:
    return [module for module in PUSHED if partner.endpoint(module, "RECEIVER") is not None]


def _lists(node: Node, partner: Partner, module: str) -> list[str]:
    return list_partitions(node, module, partner if module in PRIVATE else None)


def _store(node: Node, place: str) -> LocationStore | ObjectStore:
    return node.locations if _module_of(place) == "locations" else node.objects


def _module_of(place: str) -> str:
    return place.partition("#")[0]


def _judge(node: Node, partner: Partner, place: str, ref: Ref, version: int) -> Known | None:
    """What an entry of a list is to a partner, None when it is nothing to it."""
    module = _module_of(place)
    owner = Party(ref.country_code, ref.party_id)
    if module in PRIVATE:
        # Old is owed only what it was to be told and was not: the rest may be pulled (SE §Pull model).
        # A CDR is a bill, and none may be lost: it is owed however old it is.
        is_news = module == "cdrs" or version >= int((node.clock() - NEWS).timestamp() * 1_000_000)
        subject = Subject(module, owner, "", partition=place)
        return Known(version, is_news) if is_pushed_to(node.settings, partner, subject) else None
    subject = Subject(module, owner, source="", hidden=is_hidden_partition(place))
    visible = is_pushed_to(node.settings, partner, subject)
    if visible or is_pushed_to(node.settings, partner, subject._replace(hidden=False)):
        return Known(version, visible)
    return None


# -- second looks ------------------------------------------------------------------------------------


def look_again(node: Node, partner_id: str) -> None:
    """Note that a partner is to be caught up with a little later."""
    node.table.write(note_look(partner_id, node.clock()))


def note_look(partner_id: str, now: datetime) -> Put:
    """The operation that notes it."""
    return Put({"pk": _LOOKS, "sk": partner_id, "at": format_datetime(now)})


def version_at(moment: datetime) -> int:
    """The version that an object which is stored at a moment has. Source: storage/items.py, `new_version`"""
    return int(moment.timestamp() * 1_000_000)


def look_later(node: Node, partner_id: str, at: str) -> None:
    """Note that a partner is to be caught up with at a time, unless it is to be earlier than that."""
    key = {"pk": _LOOKS, "sk": f"{partner_id}{_LATER}", "partner_id": partner_id, "at": at}
    with suppress(Conflict):
        node.table.put(key, "attribute_not_exists(#pk) OR #at > :at", {"at": at})


def take_second_looks(node: Node, partners: Mapping[str, Partner]) -> None:
    """Have the partners caught up with for which a look was noted, and is due.

    partners: all there are, by id. A partner that is away is caught up with when it is back.
    """
    for look in list(node.table.query_all("#pk = :pk", {"pk": _LOOKS})):
        try:
            _take_look(node, look, partners)
        except Exception:
            # It is taken again by the next run; the other partners have theirs.
            log.exception("a second look could not be taken", extra={"look": look["sk"]})


def _take_look(node: Node, look: Item, partners: Mapping[str, Partner]) -> None:
    is_later = look["sk"].endswith(_LATER)
    due = node.clock() - (timedelta() if is_later else SECOND_LOOK)
    if parse_datetime(look["at"]) > due:
        return
    partner = partners.get(look["partner_id"] if is_later else look["sk"])
    if partner is not None and partner.is_registered and partner.connection == "CONNECTED":
        newest = version_at(parse_datetime(look["at"]) + (timedelta() if is_later else SECOND_LOOK))
        cause = f"second look {look['at']}"
        due_again = CatchUp(what="CATCH_UP", partner_id=partner.id, cause=cause, newest=newest)
        node.queues.send_broadcasts([due_again])
    _forget_look(node, look["sk"], look["at"])


def _forget_look(node: Node, sk: str, at: str) -> None:
    try:
        node.table.delete(Key(_LOOKS, sk), "#at = :at", {"at": at})
    except Conflict:
        return  # another look was noted meanwhile
