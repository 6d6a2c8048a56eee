"""One push: tell a partner of an object as it is now.

The message only names the object. One read gives the object, the partner and what the partner was told
last; `decisions.py` says what that means, and one write records how it went: two calls to the store,
three for a whole location, whose EVSEs are items of their own.

- *Refusal* (an envelope with 2xxx): recorded with its reason, and tried again slowly (`retries.py`). One of
  a session or a CDR raises an alarm, and one of a CDR goes to the dead letters as well: it never changes,
  as others do.
- *Fault* (everything else: no answer, 5xx, 3xxx, a 4xx without an envelope, a token that is not accepted):
  tried again with growing delays inside the freshness window of the object, counted from its first fault.
  Then the partner is OFFLINE, and gets what it missed when it is back. Unless it took other objects
  meanwhile: then it is this object that it cannot take now, and the object alone is given up, to be tried
  again later (`retries.py`).

Killed at any point, the message comes again and the same read tells the truth: a request that was sent
and not recorded is sent again, which PUT and DELETE allow.

A token's key includes its type, which stands in the query (OWN-05). A CDR is sent by POST to the bare
endpoint (CDR-02); a receiver that has it already knows it by its id.

Source: OCPI 2.2.1 transport_and_format_offline_behaviour, mod_locations, mod_tariffs, mod_tokens; TRN-32,
RTE-11, RTE-13, RTE-15, LOC-13, TRP-10, TRP-18, TRP-19
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from chalicelib import metrics
from chalicelib.errors import InvalidParameters
from chalicelib.log import log, log_fields
from chalicelib.partners.answers import PartnerError, PartnerFault, PartnerRefusal
from chalicelib.partners.breaker import pause_windows
from chalicelib.partners.catch_up import look_again, look_later, note_look
from chalicelib.partners.decisions import Act, Seen, decide, evse_version
from chalicelib.partners.deliveries import (
    Delivery,
    Status,
    delivery_put,
    key_of,
    read_deliveries,
    read_delivery,
    unknown_delivery,
)
from chalicelib.partners.directory import Partner
from chalicelib.partners.failing import QUICK_S, begin_trial, breaker_of, note_answer, note_failure
from chalicelib.partners.gate import Slow, TurnedAway
from chalicelib.partners.retries import again_at, next_retry, retry_put
from chalicelib.partners.visibility import PRIVATE, owner_role, viewer_of
from chalicelib.protocol.json_text import JsonText
from chalicelib.protocol.message import Party, Routing
from chalicelib.protocol.types import format_datetime, parse_datetime
from chalicelib.queues import Broadcast
from chalicelib.storage.keys import Ref, for_log
from chalicelib.storage.table import Conflict, Key

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.settings import Settings

PUSH_S = 8.0
"""How long a partner may take for one push."""

_LONGEST_DELAY_S = 30
_UNKNOWN_LOCATION = 2003
_HOPELESS = 2
"""An object that was given up so often has one try with each change, too."""
_NOT_LET_IN = frozenset({401, 403})


class Retry(NamedTuple):
    """The message is to come again after so many seconds; away: nobody was there to answer."""

    seconds: int
    away: bool


OnFault = Callable[["Node", Sequence[Broadcast], Sequence[Broadcast], Seen, Act, PartnerFault], Retry | None]


def push(
    node: Node, messages: Sequence[Broadcast], told: Sequence[Broadcast] = (), *, quick: bool = False
) -> Retry | None:
    """Handle messages to one partner about one item, oldest first; the last of them stands for all.

    told: messages about other EVSEs of the same location that were handled just before. quick: whether the
    partner must answer within `QUICK_S`. Returns None when they are done.
    Raises: TurnedAway when the partner fails and may not be called yet; Slow when `quick` and the partner
    is one that may take longer.
    """
    last, correlation_id = messages[-1], node.new_id()
    if any(message.again for message in messages):
        tried = min(message.tried for message in messages)
        messages = [*messages[:-1], last.model_copy(update={"again": True, "tried": tried})]
    story = {"partner": last.partner_id, "ocpi_module": last.module, "ref": for_log(last.ref)}
    with log_fields(**story, correlation_id=correlation_id):
        return _push_in_order(node, messages, told, correlation_id, quick)


def try_once(node: Node, partner: Partner, message: Broadcast) -> bool:
    """Push an object to a partner that is OFFLINE, as a probe.

    Returns whether the partner answered; False when there was nothing to send.
    Raises: PartnerFault, after it was recorded; Conflict when another worker pushed the object meanwhile.
    """
    correlation_id = node.new_id()
    story = {"partner": partner.id, "ocpi_module": message.module, "ref": for_log(message.ref)}
    with log_fields(**story, correlation_id=correlation_id):
        seen = _look(node, message, correlation_id)
        if seen.partner is None:
            return False
        seen = replace(seen, partner=seen.partner.model_copy(update={"connection": "CONNECTED"}))
        if decide(node.settings, message, seen).act is Act.DROP:
            return False
        _push(node, [message], [message], seen, _failed_probe)
        return True


def set_aside(node: Node, message: Broadcast) -> None:
    """Give up an object that failed as a probe, because the partner takes others.

    Raises: Conflict when another worker pushed the object meanwhile.
    """
    seen = _look(node, message, node.new_id())
    _set_aside(node, message, seen, seen.delivery)


def _failed_probe(
    node: Node,
    messages: Sequence[Broadcast],
    changes: Sequence[Broadcast],
    seen: Seen,
    act: Act,
    fault: PartnerFault,
) -> NoReturn:
    _record(node, messages[-1], seen, _missed_after(seen.delivery, _problem(seen, act, fault)))
    raise fault


def _push_in_order(
    node: Node, messages: Sequence[Broadcast], told: Sequence[Broadcast], correlation_id: str, quick: bool
) -> Retry | None:
    seen = replace(_look(node, messages[-1], correlation_id), quick=quick)
    # Where something was given up, what was handled before was not all told.
    is_behind = seen.delivery.status in (Status.MISSED, Status.DEAD)
    changes = list(messages) if is_behind else [*told, *messages]
    try:
        return _push(node, messages, changes, seen)
    except Conflict:
        return _start_over(node, messages[-1])


def _push(
    node: Node,
    messages: Sequence[Broadcast],
    changes: Sequence[Broadcast],
    seen: Seen,
    on_fault: OnFault | None = None,
) -> Retry | None:
    """Push what `seen` shows. on_fault: what follows a fault, in place of another try."""
    message = messages[-1]
    act, status = decide(node.settings, message, seen)
    if act is Act.DROP:
        return None
    if act is Act.MISS:
        missed = replace(seen.delivery, status=Status.MISSED, since="", cause="", tries=0)
        _record(node, message, seen, missed)
        return None
    if act is not Act.SKIP and on_fault is None:
        _take_turn(node, seen)
    started = time.monotonic()
    try:
        try:
            version = _send(node, act, message, seen)
        except PartnerError as error:
            if act is not Act.PUT_EVSE or not _may_lack_location(error):
                raise
            # It is sent the whole location instead (LOC-13).
            act = Act.PUT
            version = _send(node, act, message, seen)
    except (PartnerRefusal, InvalidParameters) as refusal:
        _give_up(node, message, seen, _refused(changes, seen, act, refusal), refusal)
        note_answer(node, seen.receiver, time.monotonic() - started)
    except PartnerFault as fault:
        _tell("failed", metrics.push_failed(node.settings.table), fault)
        return (on_fault or _failed)(node, messages, changes, seen, act, fault)
    else:
        latency_s = time.monotonic() - started
        _record(node, message, seen, _delivered(changes, seen, act, status, version))
        if act is not Act.SKIP:
            measured = node.settings.table, message.partner_id, latency_s, _freshness_s(node, messages)
            _tell("delivered", metrics.push_delivered(*measured))
            note_answer(node, seen.receiver, latency_s)
    return None


def _take_turn(node: Node, seen: Seen) -> None:
    """See whether the partner may be called now; of one that fails, one push at a time is tried.

    Raises: Slow, TurnedAway.
    """
    breaker, now = breaker_of(seen.receiver), node.clock()
    if seen.quick and breaker.is_slow(now):
        raise Slow
    if not breaker.is_failing:
        return
    wait_s = breaker.wait_s(now)
    if wait_s or not begin_trial(node, seen.receiver.id):
        raise TurnedAway(wait_s or 1.0)


def _freshness_s(node: Node, messages: Sequence[Broadcast]) -> float | None:
    """How long ago the oldest of the changes was that the partner knows now.

    None where no message tells of a change, as when a partner is caught up with: how long it was away is
    another matter.
    """
    versions = [message.version for message in messages if message.version]
    return metrics.freshness_of(min(versions), node.clock()) if versions else None


def _start_over(node: Node, message: Broadcast) -> Retry:
    """Another worker has told the same partner of the same object meanwhile: nobody knows who was last.

    The other may already have deleted the message, so that it does not come again: hence the look.
    """
    row = key_of(message.partner_id, message.pk)
    look = note_look(message.partner_id, node.clock())
    node.table.transact([unknown_delivery(row, message.ref), look])
    return Retry(1, away=False)


# -- reading and sending -----------------------------------------------------------------------------


def _look(node: Node, message: Broadcast, correlation_id: str) -> Seen:
    partner, main = Key("partners", message.partner_id), Key(message.pk)
    evse, delivery = Key(message.pk, message.sk), key_of(message.partner_id, message.pk)
    items = node.table.get_many([partner, main, evse, delivery])
    return Seen(
        partner=Partner.model_validate_json(items[partner]["partner"]) if partner in items else None,
        item=items.get(main),
        evse=items.get(evse) if evse != main else None,
        delivery=read_delivery(items.get(delivery)),
        correlation_id=correlation_id,
    )


def _send(node: Node, act: Act, message: Broadcast, seen: Seen) -> int:
    """Make the request. Returns the version that the partner has then, 0 when an EVSE alone was sent."""
    if act is Act.DELETE:
        return _delete(node, message, seen)
    item, evse = seen.item, seen.evse
    assert item is not None
    ref = Ref.parse(item["ref"])
    if act is Act.SKIP:
        return 0
    if act is Act.PUT_EVSE:
        assert evse is not None
        _call(node, seen, "PUT", ref, (evse["uid"],), JsonText(evse["body"]))
        return 0
    if message.module == "locations":
        whole = node.locations.get_whole(ref)
        assert whole is not None, "locations are never deleted"
        _call(node, seen, "PUT", ref, (), whole.body)
        return whole.version
    if message.module == "cdrs":
        _post(node, seen, ref, JsonText(item["body"]))
    else:
        _call(node, seen, "PUT", ref, (), JsonText(item["body"]))
    return int(item["v"])


def _post(node: Node, seen: Seen, ref: Ref, document: JsonText) -> None:
    routing = _routing(node.settings, seen, ref.module, Party(ref.country_code, ref.party_id))
    node.client.send(
        seen.receiver, "POST", ref.module, "RECEIVER",
        document=document, routing=routing, correlation_id=seen.correlation_id, total_s=PUSH_S,
    )  # fmt: skip


def _delete(node: Node, message: Broadcast, seen: Seen) -> int:
    try:
        _call(node, seen, "DELETE", Ref.parse(message.ref), (), None)
    except PartnerRefusal as refusal:
        # Its envelope says that it does not have it, which is what was wanted.
        if refusal.http_status != 404:
            raise
    return max(message.version, seen.delivery.version)


def _may_lack_location(error: PartnerError) -> bool:
    """Tell whether the partner may not have the EVSE's location.

    Some answer a 404 without an envelope, as a gateway does; sending the whole location harms neither.
    """
    return error.http_status == 404 or error.status_code == _UNKNOWN_LOCATION


def _call(
    node: Node, seen: Seen, method: str, ref: Ref, children: Sequence[str], document: JsonText | None
) -> None:
    owner = Party(ref.country_code, ref.party_id)
    node.client.send(
        seen.receiver,
        method,
        ref.module,
        "RECEIVER",
        (*owner, ref.id, *children),
        query={"type": ref.variant or None},
        document=document,
        routing=_routing(node.settings, seen, ref.module, owner),
        correlation_id=seen.correlation_id,
        total_s=QUICK_S if seen.quick else PUSH_S,
    )


def _routing(settings: Settings, seen: Seen, module: str, owner: Party) -> Routing:
    if module not in PRIVATE or seen.item is None:
        return Routing(_sender(settings, module, owner), _addressee(seen.receiver, module))
    # Spec: what is not meant for all is not broadcast, so a hub passes it on in its owner's name, and is
    # not addressed itself: without OCPI-to it finds the receiver by the token (RTE-20, RTE-22, RTE-23).
    viewer = viewer_of(seen.receiver, seen.item["lp"])
    if module == "cdrs" and not seen.item["src"]:
        # What a hub made itself it sends in its own name (CDR-22).
        owner = _sender(settings, module, owner) or owner
    return Routing(owner, viewer.party if viewer is not None and viewer.role != "HUB" else None)


def _sender(settings: Settings, module: str, owner: Party) -> Party | None:
    """FROM: the owner, when it is ours; a hub speaks in its own name (RTE-13)."""
    role = owner_role(module)
    own = next((own.party for own in settings.roles if own.role == role and own.party.same_as(owner)), None)
    return own or settings.party_of("HUB")


def _addressee(partner: Partner, module: str) -> Party | None:
    """TO: the hub, else the party that takes what the module's owners own."""
    takers = ("CPO",) if owner_role(module) == "EMSP" else ("EMSP", "NSP", "NAP", "OTHER")
    for role in ("HUB", *takers):
        if parties := partner.parties(role):
            return parties[0]
    return None


# -- recording ---------------------------------------------------------------------------------------


def _delivered(messages: Sequence[Broadcast], seen: Seen, act: Act, status: Status, version: int) -> Delivery:
    before = seen.delivery
    told = replace(
        before, status=status, method="PUT", reason="", code=0, http=0, evse_uid="",
        since="", cause="", tries=0, given_up=0, retry_at="",
    )  # fmt: skip
    if act is Act.DELETE:
        return replace(told, version=version, method="DELETE", evse="")
    if act is Act.PUT:
        return replace(told, version=version, evse="")
    assert seen.evse is not None
    reached = before.advance(messages)
    is_behind = before.status in (Status.MISSED, Status.DEAD) and reached == before.version
    # What the row says of something else is still so: that the whole location or another EVSE was refused.
    is_about_another = before.status == Status.REFUSED and before.evse_uid != seen.evse["uid"]
    return replace(
        before if is_behind or is_about_another else told, version=reached, evse=evse_version(seen.evse)
    )


def _refused(
    messages: Sequence[Broadcast],
    seen: Seen,
    act: Act,
    refusal: PartnerRefusal | PartnerFault | InvalidParameters,
) -> Delivery:
    before = seen.delivery
    if act is Act.DELETE:
        version = max(messages[-1].version, before.version)
    elif act is Act.PUT_EVSE:
        version = before.advance(messages)
    else:
        assert seen.item is not None
        version = int(seen.item["v"])
    method = "DELETE" if act is Act.DELETE else "PUT"
    problem = _problem(seen, act, refusal)
    row = replace(before, status=Status.REFUSED, version=version, method=method, since="", cause="", tries=0)
    row = replace(row, given_up=0, retry_at="")
    if before.status == Status.REFUSED and before.evse_uid != problem["evse_uid"]:
        # More than one part of a location was refused: only the whole location settles that.
        problem["evse_uid"] = ""
    return replace(row, **problem)


def _failed(
    node: Node,
    messages: Sequence[Broadcast],
    changes: Sequence[Broadcast],
    seen: Seen,
    act: Act,
    fault: PartnerFault,
) -> Retry | None:
    now, before, message = node.clock(), seen.delivery, messages[-1]
    # The row tells whether it was tried before: that it was received before does not (`gate.py`).
    cause = messages[0].cause
    window = node.settings.freshness
    goes_on = _goes_on(before, cause, now, window)
    since = before.since if goes_on else format_datetime(now)
    lasts_s = (now - parse_datetime(since)).total_seconds()
    # An object that was given up has one try each time. A change of it is another matter, until it has failed
    # as well: otherwise objects that change and never succeed would make the partner OFFLINE all the time.
    # One that takes long is tried in the other lane, too, where it may.
    is_last_try = before.given_up >= (_HOPELESS if message.version else 1)
    is_last_try = is_last_try and not (seen.quick and fault.timed_out)
    breaker = breaker_of(seen.receiver)
    lasted_s = max(lasts_s, breaker.failed_for(now).total_seconds())
    left_s = 0 if is_last_try else window.total_seconds() - lasted_s
    problem = _problem(seen, act, fault)
    after = replace(before, status=Status.WAITING, since=since, cause=cause, tries=0, **problem)
    if left_s > 0:
        if not goes_on or before.reason != after.reason:
            _record(node, message, seen, after)
        if _is_away(fault) or breaker.is_failing:
            note_failure(node, message.partner_id, fault.reason, is_trial=breaker.is_failing)
        longest_s = max(_LONGEST_DELAY_S, node.settings.freshness.total_seconds() / 2)
        # As long again as it has lasted: 1, 2, 4 and so on.
        seconds = min(lasts_s + 1, longest_s, left_s)
        return Retry(max(1, round(seconds)), _is_away(fault))
    taken = _taken_at(node, message.partner_id)
    takes_others = not breaker.is_failing and taken is not None and taken >= now - window / 2
    if takes_others or (is_last_try and not breaker.is_failing):
        _set_aside(node, message, seen, after)
        return None
    log.warning("a partner is offline", extra={"reason": fault.reason})
    node.directory.update(message.partner_id, lambda each: _offline(each, now, window, fault.reason, taken))
    _record(node, message, seen, _missed_after(before, problem))
    return None


def _goes_on(before: Delivery, cause: str, now: datetime, window: timedelta) -> bool:
    """Whether a fault is one more of an object that is failing already, by its row.

    Two messages about one object may be in two lanes. If each began anew after the other, both would be tried
    for ever. A row that is much older was left by a message that got lost.
    """
    if before.status != Status.WAITING:
        return False
    return before.cause == cause or now - parse_datetime(before.since) < 2 * window


def _missed_after(before: Delivery, problem: dict[str, Any]) -> Delivery:
    """The row of an object that failed at a partner that is OFFLINE.

    When the partner is back it may take all but this object. So the object has one try then, as if it had
    been given up: otherwise it would make the partner OFFLINE again and again, and the others wait.
    """
    missed = replace(before, status=Status.MISSED, since="", cause="", tries=0, **problem)
    return replace(missed, given_up=max(1, before.given_up))


def _set_aside(node: Node, message: Broadcast, seen: Seen, after: Delivery) -> None:
    """Give up an object that the partner cannot take, and have it tried again, later each time."""
    given_up = seen.delivery.given_up + 1
    pause = pause_windows(given_up) * node.settings.freshness
    retry_at = format_datetime(node.clock() + pause) if pause else ""
    log.warning("a partner cannot take an object", extra={"reason": after.reason, "retry_at": retry_at})
    if retry_at:
        look_later(node, message.partner_id, retry_at)
    else:
        look_again(node, message.partner_id)
    row = replace(after, status=Status.DEAD, since="", cause="", given_up=given_up, retry_at=retry_at)
    _record(node, message, seen, row)


def _is_away(fault: PartnerFault) -> bool:
    """Whether nobody was there to answer, so that other calls would be in vain as well."""
    return (fault.not_connected or fault.timed_out) and fault.http_status not in _NOT_LET_IN


def _taken_at(node: Node, partner_id: str) -> datetime | None:
    """The time of the last push that the partner took, as far as one read of all its rows tells."""
    told = (Status.DELIVERED, Status.DELETED, Status.WITHDRAWN)
    rows = read_deliveries(node.table, partner_id).values()
    return max((parse_datetime(row.at) for row in rows if row.status in told), default=None)


def _offline(
    partner: Partner, now: datetime, window: timedelta, reason: str, taken: datetime | None
) -> Partner | None:
    if partner.connection == "OFFLINE" or not partner.is_registered:
        return None
    breaker = breaker_of(partner).open(now, window, reason, taken)
    changes = {"connection": "OFFLINE", "offline_since": format_datetime(now), "breaker": breaker}
    return partner.model_copy(update=changes)


def _give_up(
    node: Node, message: Broadcast, seen: Seen, after: Delivery, refusal: PartnerRefusal | InvalidParameters
) -> None:
    """Record a refusal. One of a session or a CDR raises an alarm, unless it is known already.

    Nobody may lose a CDR, and it never changes, so one goes to the dead letters as well.
    """
    is_new = not seen.delivery.is_refused_as(after)
    alarms = is_new and message.module in PRIVATE
    _tell("refused", metrics.push_refused(node.settings.table, alarms), refusal)
    if is_new and message.module == "cdrs":
        node.queues.bury(message.model_dump_json(), message.group)
    _record(node, message, seen, after)


def _record(node: Node, message: Broadcast, seen: Seen, after: Delivery) -> None:
    ref = seen.item["ref"] if seen.item else seen.delivery.ref or message.ref
    before, now = seen.delivery, node.clock()
    after = replace(after, ref=ref, at=format_datetime(now))
    retry = next_retry(message, before, after.status, now)
    if retry is not None:
        after = replace(after, again_at=again_at(retry))
    row = delivery_put(key_of(message.partner_id, message.pk), before, after)
    node.table.transact([row, retry_put(message, ref, retry)] if retry is not None else [row])


def _problem(
    seen: Seen, act: Act, error: PartnerRefusal | PartnerFault | InvalidParameters
) -> dict[str, Any]:
    problem: dict[str, Any] = {"reason": str(error), "code": 0, "http": 0, "evse_uid": ""}
    if not isinstance(error, InvalidParameters):
        problem |= {"code": error.status_code or 0, "http": error.http_status or 0}
    if act is Act.PUT_EVSE and seen.evse is not None:
        problem["evse_uid"] = seen.evse["uid"]
    return problem


def _tell(
    outcome: str,
    measured: metrics.Fields,
    error: PartnerRefusal | PartnerFault | InvalidParameters | None = None,
) -> None:
    story: dict[str, object] = {}
    if error is not None:
        # Not what the partner said: it may quote a driver's data.
        reason = error.detail if isinstance(error, InvalidParameters) else error.reason
        story = {"reason": reason, "status_code": error.status_code}
    log.info(f"push {outcome}", extra={**story, **measured})
