"""Catch-up: finds and queues what a partner has not received, after it registered or was OFFLINE.

The versions of the objects that the partner may see are compared with its delivery rows, however many changes
it missed. Each difference becomes an ordinary message. The push of that message reads and decides again, so a
needless message costs one read and no request.

A partner may see tens of thousands of objects, so a catch-up runs in steps, and each step is a message. The
table's stream and the timer only queue the first step. A step that fails or is killed is delivered again.
Steps and their pushes have their own queue and workers (`Lane.CATCH_UP`), so that they never delay the
changes that other partners wait for. The delivery rows of a partner that left are deleted in steps as well.

A step leaves out an object that changed after the event that started the catch-up: that change has its own
message in the live queue, and two pushes of one object at the same time should be rare.

The lists are read from an index that may lag behind the table for a moment. Also, a change may have been
distributed by a worker that read the partners just before this one joined. So a recheck is scheduled: the
timer (`liveness.py`) runs the catch-up once more when both must be over.

Source: OCPI 2.2.1 transport_and_format_offline_behaviour; TRN-32, TRP-10
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.log import log
from chalicelib.modules.registry import deletable_modules, is_private, pushed_modules
from chalicelib.policy.visibility import (
    Subject,
    is_hidden_partition,
    is_pushed_to,
    list_partitions,
)
from chalicelib.protocol.message import Party
from chalicelib.protocol.types import format_datetime, parse_datetime, sort_key
from chalicelib.pushing.deliveries import (
    Delivery,
    DeliveryStatus,
    ObjectState,
    delete_deliveries,
    is_pending,
    key_of,
    read_delivery,
    some_deliveries,
)
from chalicelib.queues import Broadcast, CatchUp, Lane
from chalicelib.storage.keys import Ref
from chalicelib.storage.table import Conflict, Item, Key, Put

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner
    from chalicelib.storage.locations import LocationStore
    from chalicelib.storage.objects import ObjectStore
    from chalicelib.storage.table import Table

RECHECK_DELAY = timedelta(seconds=10)
"""Longest time that an index, or a worker with an earlier list of partners, may lag behind."""

RECENT = timedelta(days=7)
"""Age up to which private objects are pushed to a partner that has just registered. It may pull older ones;
pushing a year of sessions would delay those that matter now."""

OBJECTS_PER_STEP = 500
"""Objects of one step, which takes a second or two: rows are read by the hundred, messages sent by ten."""

STEPS_TO_FIND = 20
"""Steps without a pending object after which a search ends: 10,000 objects."""

_RECHECKS = "catch-up"
_LATER = "#later"
_DELETED = "gone#"
"""Begins the place of a module's delivery rows, compared to find objects that were deleted meanwhile."""

_DELETED_BEFORE_0_6 = "gone"
"""The place of deleted tariffs in messages that an earlier release queued."""


class PendingObject(NamedTuple):
    """An object that a partner has to receive."""

    pk: str
    ref: str


def run_step(node: Node, step: CatchUp) -> None:
    """Queue some of the objects that a partner still has to receive, and the next step behind them.

    Raises: RuntimeError when the queue did not take all messages; then the step must run again.
    """
    if step.what == "FORGET":
        _delete_some_rows(node, step)
        return
    partner = node.directory.get(step.partner_id)
    if partner is None or not partner.is_registered:
        return
    if partner.connection != "CONNECTED" and step.what != "REPLAY":
        return  # its return starts a new catch-up
    pending, following, retry_at = _find_some(node, partner, step)
    if retry_at:
        schedule_recheck_at(node, partner.id, retry_at)
    broadcasts = [_broadcast(step, each) for each in pending]
    messages: list[Broadcast | CatchUp] = [*broadcasts, *([following] if following else [])]
    node.queues.send_broadcasts(messages, Lane.CATCH_UP)


def _broadcast(step: CatchUp, pending: PendingObject) -> Broadcast:
    module = Ref.parse(pending.pk).module
    return Broadcast(
        partner_id=step.partner_id, module=module, pk=pending.pk, sk="#", ref=pending.ref, cause=step.cause,
        again=step.refused_too,
    )  # fmt: skip


class Found(NamedTuple):
    """Some of the pending objects of a partner.

    following: the next step. retry_at: earliest retry of the objects that were given up, "" when there is
    none.
    """

    pending: list[PendingObject]
    following: CatchUp | None
    retry_at: str = ""


def _find_some(node: Node, partner: Partner, step: CatchUp) -> Found:
    """Compare the next objects of a catch-up with the partner's delivery rows."""
    places = _lists_to_compare(node, partner, step.module)
    place = f"{_DELETED}tariffs" if step.place == _DELETED_BEFORE_0_6 else step.place
    place = place or "".join(places[:1])
    if place not in places:
        return Found([], None)  # the partner changed meanwhile, which starts a new catch-up
    visible: list[tuple[Ref, ObjectState]] = []
    pending: list[PendingObject] = []
    after, number = step.after, OBJECTS_PER_STEP
    while place and number > 0:
        if place.startswith(_DELETED):
            module = place.removeprefix(_DELETED)
            deleted, read, after = _some_deleted(node.table, partner, module, number, after, step.refused_too)
            pending += deleted
        else:
            found, read, after = _some_visible(node, partner, place, number, after)
            visible += found
        number -= read
        if after is None:
            place = _next_place(places, place)
    rows = node.table.get_many(key_of(partner.id, ref.key.pk) for ref, _ in visible)
    retry_at: list[str] = []
    for ref, known in visible:
        row = read_delivery(rows.get(key_of(partner.id, ref.key.pk)))
        if _has_own_message(step, known, row):
            continue
        if row.waits(node.clock()) and not step.refused_too:
            retry_at.append(row.retry_at)
        elif is_pending(row.reopened(partner.version) if step.refused_too else row, known):
            pending.append(PendingObject(ref.key.pk, str(ref)))
    following = step.model_copy(update={"place": place, "after": after}) if place else None
    return Found(pending, following, min(retry_at, key=sort_key, default=""))


def _has_own_message(step: CatchUp, known: ObjectState, row: Delivery) -> bool:
    """Tell whether an object changed so lately that the change has its own message in the live lane.

    Two pushes at the same time would arrive in any order, and a CDR twice. An object that was given up has no
    such message. Nor has a location as a whole: the message may be about one EVSE, and bring no other one
    that the partner missed.
    """
    if row.module == "locations":
        return False
    is_newer = 0 < step.newest < known.version
    return is_newer and row.status not in (DeliveryStatus.MISSED, DeliveryStatus.DEAD)


def find_pending(node: Node, partner: Partner, known: Collection[str] = ()) -> list[PendingObject]:
    """Find some pending objects of a partner: those of the first step that has any.

    known: partition keys of objects to leave out.
    """
    step: CatchUp | None = CatchUp(what="CATCH_UP", partner_id=partner.id, cause="")
    for _ in range(STEPS_TO_FIND):
        if step is None:
            break
        found = _find_some(node, partner, step)
        if others := [each for each in found.pending if each.pk not in known]:
            return others
        step = found.following
    return []


def _lists_to_compare(node: Node, partner: Partner, only: str) -> list[str]:
    """Places to compare, in order: each list whose objects are pushed to the partner, then its delivery rows.

    only: of this module alone, "" for all.
    """
    modules = [module for module in _modules(partner) if only in ("", module)]
    lists = [place for module in modules for place in _lists(node, partner, module)]
    return [*lists, *(f"{_DELETED}{name}" for name in deletable_modules() if name in modules)]


def _next_place(places: Sequence[str], place: str) -> str:
    return "".join(places[places.index(place) + 1 :][:1])


def _some_visible(
    node: Node, partner: Partner, place: str, number: int, after: Item | None
) -> tuple[list[tuple[Ref, ObjectState]], int, Item | None]:
    found, last = _store(node, place).some_versions(place, number, after)
    objects = [(ref, _known(node, partner, place, ref, version)) for ref, version in found]
    return [(ref, known) for ref, known in objects if known is not None], len(found), last


def _some_deleted(
    table: Table, partner: Partner, module: str, number: int, after: Item | None, refused_too: bool
) -> tuple[list[PendingObject], int, Item | None]:
    """Find delivery rows whose objects no longer exist.

    Only modules with `deletable` have any, such as the tariffs.
    """
    rows, last = some_deliveries(table, partner.id, module, number, after)
    if refused_too:
        rows = {pk: row.reopened(partner.version) for pk, row in rows.items()}
    pending = {pk: row for pk, row in rows.items() if is_pending(row, None)}
    existing = table.get_many((Key(pk) for pk in pending), consistent=False)
    return (
        [PendingObject(pk, row.ref) for pk, row in pending.items() if Key(pk) not in existing],
        len(rows),
        last,
    )


def _delete_some_rows(node: Node, step: CatchUp) -> None:
    if delete_deliveries(node.table, step.partner_id, OBJECTS_PER_STEP):
        number = int(step.place or 0) + 1
        node.queues.send_broadcasts([step.model_copy(update={"place": str(number)})])
    else:
        # If the partner is registered again, its catch-up may have used the rows that are deleted now.
        schedule_recheck(node, step.partner_id)


def count_pending(node: Node, partner: Partner, deliveries: Mapping[str, Delivery]) -> int:
    """Count the objects that a partner still has to receive, given its delivery rows.

    It costs one query for each MB of each list.
    """
    known: dict[str, ObjectState] = {}
    for module in _modules(partner):
        for place in _lists(node, partner, module):
            for ref, version in _store(node, place).versions(place):
                found = _known(node, partner, place, ref, version)
                if found is not None:
                    known[ref.key.pk] = max(known.get(ref.key.pk, found), found)
    deleted = {pk for pk, row in deliveries.items() if row.module in deletable_modules()} - known.keys()
    return sum(is_pending(deliveries.get(pk, Delivery()), known.get(pk)) for pk in [*known, *deleted])


def _modules(partner: Partner) -> list[str]:
    return [module for module in pushed_modules() if partner.endpoint(module, "RECEIVER") is not None]


def _lists(node: Node, partner: Partner, module: str) -> list[str]:
    return list_partitions(node, module, partner if is_private(module) else None)


def _store(node: Node, place: str) -> LocationStore | ObjectStore:
    return node.locations if _module_of(place) == "locations" else node.objects


def _module_of(place: str) -> str:
    return place.partition("#")[0]


def _known(node: Node, partner: Partner, place: str, ref: Ref, version: int) -> ObjectState | None:
    """Version and visibility of a list's entry for a partner; None when the entry does not concern it."""
    module = _module_of(place)
    owner = Party(ref.country_code, ref.party_id)
    if is_private(module):
        # An old object is pending only if its row shows an unfinished push; the partner may pull the others
        # (SE §Pull model).
        # A CDR is a bill, and none may be lost: it is pending at any age.
        is_recent = module == "cdrs" or version >= int((node.clock() - RECENT).timestamp() * 1_000_000)
        subject = Subject(module, owner, "", partition=place)
        return ObjectState(version, is_recent) if is_pushed_to(node.settings, partner, subject) else None
    subject = Subject(module, owner, source="", hidden=is_hidden_partition(place))
    visible = is_pushed_to(node.settings, partner, subject)
    if visible or is_pushed_to(node.settings, partner, subject._replace(hidden=False)):
        return ObjectState(version, visible)
    return None


def schedule_recheck(node: Node, partner_id: str) -> None:
    """Schedule one more catch-up of a partner, a little later."""
    node.table.write(recheck_put(partner_id, node.clock()))


def recheck_put(partner_id: str, now: datetime) -> Put:
    """Operation that schedules a recheck."""
    return Put({"pk": _RECHECKS, "sk": partner_id, "at": format_datetime(now)})


def version_at(moment: datetime) -> int:
    """Version of an object that is stored at a moment.

    Source: storage/items.py, `new_version`
    """
    return int(moment.timestamp() * 1_000_000)


def schedule_recheck_at(node: Node, partner_id: str, at: str) -> None:
    """Schedule a catch-up of a partner at a time, unless an earlier one is scheduled."""
    key = {"pk": _RECHECKS, "sk": f"{partner_id}{_LATER}", "partner_id": partner_id, "at": at}
    with suppress(Conflict):
        node.table.put(key, "attribute_not_exists(#pk) OR #at > :at", {"at": at})


def run_rechecks(node: Node, partners: Mapping[str, Partner]) -> None:
    """Queue a catch-up for each partner whose recheck is due.

    partners: all there are, by id. A partner that is OFFLINE is left out: its return starts a catch-up.
    """
    for recheck in list(node.table.query_all("#pk = :pk", {"pk": _RECHECKS})):
        try:
            _run_recheck(node, recheck, partners)
        except Exception:
            # The next run tries it again; the rechecks of other partners go on.
            log.exception("failed to run a recheck", extra={"recheck": recheck["sk"]})


def _run_recheck(node: Node, recheck: Item, partners: Mapping[str, Partner]) -> None:
    is_later = recheck["sk"].endswith(_LATER)
    due = node.clock() - (timedelta() if is_later else RECHECK_DELAY)
    if parse_datetime(recheck["at"]) > due:
        return
    partner = partners.get(recheck["partner_id"] if is_later else recheck["sk"])
    if partner is not None and partner.is_registered and partner.connection == "CONNECTED":
        newest = version_at(parse_datetime(recheck["at"]) + (timedelta() if is_later else RECHECK_DELAY))
        cause = f"second look {recheck['at']}"
        due_again = CatchUp(what="CATCH_UP", partner_id=partner.id, cause=cause, newest=newest)
        node.queues.send_broadcasts([due_again])
    _delete_recheck(node.table, recheck["sk"], recheck["at"])


def _delete_recheck(table: Table, sk: str, at: str) -> None:
    try:
        table.delete(Key(_RECHECKS, sk), "#at = :at", {"at": at})
    except Conflict:
        return  # a new recheck was scheduled meanwhile
