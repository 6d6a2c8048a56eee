"""One push: sends an object as it is now to one partner.

The message only names the object. One read returns the object, the partner and its delivery row.
`push_decisions.py` decides what to do, and one write records the result. That makes two calls to the table,
and three for a whole location, whose EVSEs are separate items.

- *Refusal* (an envelope with 2xxx): recorded with its reason and retried slowly (`retries.py`). A refused
  session or CDR raises an alarm. A refused CDR also goes to the dead-letter queue, because no later change
  will correct it.
- *Fault* (any other failure: no answer, 5xx, 3xxx, a 4xx without an envelope, a rejected token): retried with
  growing delays inside the freshness window of the object, which starts at its first fault. At the end of the
  window the partner becomes OFFLINE, and receives what it missed when it is back. Exception: if the partner
  took other objects meanwhile, only this object is given up and retried later (`_give_up_object`).

If the process is killed at any point, the message is delivered again and the same read shows the true state.
A request that was sent but not recorded is sent again, which PUT and DELETE allow.

The key of a token includes its type, which is sent in the query (OWN-05). A CDR is sent by POST to the bare
endpoint (CDR-02); a receiver that already has it recognizes its id.

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
from chalicelib.calls.answers import PartnerError, PartnerFault, PartnerRefusal
from chalicelib.calls.client import Exchange
from chalicelib.errors import InvalidParameters
from chalicelib.log import log, log_fields
from chalicelib.modules.registry import find_module, is_private
from chalicelib.partners.breaker import pause_windows
from chalicelib.partners.directory import Partner
from chalicelib.policy.visibility import owner_role, viewer_of
from chalicelib.protocol.json_text import JsonText
from chalicelib.protocol.kinds import Kind
from chalicelib.protocol.message import Party, Routing
from chalicelib.protocol.types import format_datetime, parse_datetime
from chalicelib.pushing.catch_up import recheck_put, schedule_recheck, schedule_recheck_at
from chalicelib.pushing.concurrency_limit import CallLater, Slow
from chalicelib.pushing.deliveries import (
    Delivery,
    DeliveryStatus,
    delivery_put,
    key_of,
    read_deliveries,
    read_delivery,
    unknown_delivery,
)
from chalicelib.pushing.failure_record import QUICK_S, begin_trial, breaker_of, note_answer, note_failure
from chalicelib.pushing.push_decisions import Act, Seen, decide, evse_version
from chalicelib.pushing.retries import again_at, next_retry, retry_put
from chalicelib.queues import Broadcast
from chalicelib.storage.keys import Ref, for_log
from chalicelib.storage.table import Conflict, Key

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.settings import Settings

PUSH_S = 8.0
"""Seconds that a partner may take to answer one push."""

_LONGEST_DELAY_S = 30
_UNKNOWN_LOCATION = 2003
_ONE_TRY_AFTER = 2
"""An object that was given up this often has only one try, also when it changes."""
_TOKEN_REJECTED = frozenset({401, 403})


class Retry(NamedTuple):
    """Retry of the message after some seconds. unreachable: the partner gave no answer."""

    seconds: int
    unreachable: bool


OnFault = Callable[["Node", Sequence[Broadcast], Sequence[Broadcast], Seen, Act, PartnerFault], Retry | None]


def push(
    node: Node, messages: Sequence[Broadcast], handled: Sequence[Broadcast] = (), *, quick: bool = False
) -> Retry | None:
    """Handle messages to one partner about one item, oldest first; the last one stands for all.

    handled: messages about other EVSEs of the same location that were handled just before. quick: whether the
    partner must answer within `QUICK_S`. Returns None when the messages are done.
    Raises: CallLater when the partner fails and must not be called yet; Slow when `quick` and the partner may
    take longer.
    """
    last, correlation_id = messages[-1], node.new_id()
    if any(message.again for message in messages):
        tried = min(message.tried for message in messages)
        messages = [*messages[:-1], last.model_copy(update={"again": True, "tried": tried})]
    names = {"partner": last.partner_id, "ocpi_module": last.module, "ref": for_log(last.ref)}
    with log_fields(**names, correlation_id=correlation_id):
        return _push_in_order(node, messages, handled, correlation_id, quick)


def push_as_probe(node: Node, partner: Partner, message: Broadcast) -> bool:
    """Push an object to a partner that is OFFLINE, as a probe.

    Returns whether the partner answered; False when no push was needed.
    Raises: PartnerFault, after it was recorded; Conflict when another worker pushed the object meanwhile.
    """
    correlation_id = node.new_id()
    names = {"partner": partner.id, "ocpi_module": message.module, "ref": for_log(message.ref)}
    with log_fields(**names, correlation_id=correlation_id):
        seen = _read(node, message, correlation_id)
        if seen.partner is None:
            return False
        seen = replace(seen, partner=seen.partner.model_copy(update={"connection": "CONNECTED"}))
        if decide(node.settings, message, seen).act is Act.DROP:
            return False
        _push(node, [message], [message], seen, _failed_probe)
        return True


def give_up_object(node: Node, message: Broadcast) -> None:
    """Give up an object whose probe failed, because the partner takes other objects.

    Raises: Conflict when another worker pushed the object meanwhile.
    """
    seen = _read(node, message, node.new_id())
    _give_up_object(node, message, seen, seen.delivery)


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
    node: Node, messages: Sequence[Broadcast], handled: Sequence[Broadcast], correlation_id: str, quick: bool
) -> Retry | None:
    seen = replace(_read(node, messages[-1], correlation_id), quick=quick)
    # After a missed or given-up push, the changes handled before have not all reached the partner.
    is_behind = seen.delivery.status in (DeliveryStatus.MISSED, DeliveryStatus.DEAD)
    changes = list(messages) if is_behind else [*handled, *messages]
    try:
        return _push(node, messages, changes, seen)
    except Conflict:
        return _push_once_more(node, messages[-1])


def _push(
    node: Node,
    messages: Sequence[Broadcast],
    changes: Sequence[Broadcast],
    seen: Seen,
    on_fault: OnFault | None = None,
) -> Retry | None:
    """Push the object as `seen` shows it. on_fault: handles a fault in place of a retry."""
    message = messages[-1]
    act, status = decide(node.settings, message, seen)
    if act is Act.DROP:
        return None
    if act is Act.MISS:
        missed = replace(seen.delivery, status=DeliveryStatus.MISSED, since="", cause="", tries=0)
        _record(node, message, seen, missed)
        return None
    if act is not Act.SKIP and on_fault is None:
        _check_breaker(node, seen)
    started = time.monotonic()
    try:
        try:
            version = _send(node, act, message, seen)
        except PartnerError as error:
            if act is not Act.PUT_EVSE or not _may_lack_location(error):
                raise
            # Send the whole location instead (LOC-13).
            act = Act.PUT
            version = _send(node, act, message, seen)
    except (PartnerRefusal, InvalidParameters) as refusal:
        _record_refusal(node, message, seen, _refused(changes, seen, act, refusal), refusal)
        note_answer(node, seen.receiver, time.monotonic() - started)
    except PartnerFault as fault:
        _log_outcome("failed", metrics.push_failed(node.settings.table), fault)
        return (on_fault or _failed)(node, messages, changes, seen, act, fault)
    else:
        latency_s = time.monotonic() - started
        _record(node, message, seen, _delivered(changes, seen, act, status, version))
        if act is not Act.SKIP:
            measured = node.settings.table, message.partner_id, latency_s, _freshness_s(node, messages)
            _log_outcome("delivered", metrics.push_delivered(*measured))
            note_answer(node, seen.receiver, latency_s)
    return None


def _check_breaker(node: Node, seen: Seen) -> None:
    """Check that the partner may be called now; at a failing partner, reserve the one trial.

    Raises: Slow when the push belongs in the catch-up lane; CallLater when the partner must not be called
    yet.
    """
    breaker, now = breaker_of(seen.receiver), node.clock()
    if seen.quick and breaker.is_slow(now):
        raise Slow
    if not breaker.is_failing:
        return
    wait_s = breaker.wait_s(now)
    if wait_s or not begin_trial(node, seen.receiver.id):
        raise CallLater(wait_s or 1.0)


def _freshness_s(node: Node, messages: Sequence[Broadcast]) -> float | None:
    """Age in seconds of the oldest change that the partner has received with this push.

    None when no message is about a change, as in a catch-up: its age is that of the outage.
    """
    versions = [message.version for message in messages if message.version]
    return metrics.freshness_of(min(versions), node.clock()) if versions else None


def _push_once_more(node: Node, message: Broadcast) -> Retry:
    """Reset the row and retry, because another worker pushed the same object at the same time.

    It is unknown which push arrived last. The other worker may already have deleted this message, so a
    recheck is scheduled as well.
    """
    row = key_of(message.partner_id, message.pk)
    recheck = recheck_put(message.partner_id, node.clock())
    node.table.transact([unknown_delivery(row, message.ref), recheck])
    return Retry(1, unreachable=False)


# -- reading and sending -----------------------------------------------------------------------------


def _read(node: Node, message: Broadcast, correlation_id: str) -> Seen:
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
    """Make the request. Returns the version that the partner then has, 0 when only an EVSE was sent."""
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
    if find_module(ref.module).push_method == "POST":
        _post(node, seen, ref, JsonText(item["body"]))
    else:
        _call(node, seen, "PUT", ref, (), JsonText(item["body"]))
    return int(item["v"])


def _post(node: Node, seen: Seen, ref: Ref, document: JsonText) -> None:
    routing = _routing(node.settings, seen, ref.module, Party(ref.country_code, ref.party_id))
    exchange = Exchange(
        "POST", document, routing=routing, correlation_id=seen.correlation_id, total_s=PUSH_S,
        takes=find_module(ref.module).kind,
    )  # fmt: skip
    node.client.send(seen.receiver, ref.module, "RECEIVER", (), exchange)


def _delete(node: Node, message: Broadcast, seen: Seen) -> int:
    try:
        _call(node, seen, "DELETE", Ref.parse(message.ref), (), None)
    except PartnerRefusal as refusal:
        # The partner does not have the object, so the deletion is done.
        if refusal.http_status != 404:
            raise
    return max(message.version, seen.delivery.version)


def _may_lack_location(error: PartnerError) -> bool:
    """Tell whether the partner may lack the location of the EVSE.

    Some partners answer a 404 without an envelope, and so may a gateway; in both cases it is safe to send the
    whole location.
    """
    return error.http_status == 404 or error.status_code == _UNKNOWN_LOCATION


def _call(
    node: Node, seen: Seen, method: str, ref: Ref, children: Sequence[str], document: JsonText | None
) -> None:
    owner = Party(ref.country_code, ref.party_id)
    exchange = Exchange(
        method,
        document,
        routing=_routing(node.settings, seen, ref.module, owner),
        correlation_id=seen.correlation_id,
        total_s=QUICK_S if seen.quick else PUSH_S,
        takes=Kind.EVSE if children else find_module(ref.module).kind,
    )
    path, query = (*owner, ref.id, *children), {"type": ref.variant or None}
    node.client.send(seen.receiver, ref.module, "RECEIVER", path, exchange, query)


def _routing(settings: Settings, seen: Seen, module: str, owner: Party) -> Routing:
    if not is_private(module) or seen.item is None:
        return Routing(_sender(settings, module, owner), _addressee(seen.receiver, module))
    # Spec: a private object is not broadcast. So a hub forwards it in the name of its owner. A message to a
    # hub has no OCPI-to: the hub finds the receiver by the token (RTE-20, RTE-22, RTE-23).
    viewer = viewer_of(seen.receiver, seen.item["lp"])
    if module == "cdrs" and not seen.item["src"]:
        # A CDR that this hub made is sent in the name of the hub (CDR-22).
        owner = _sender(settings, module, owner) or owner
    return Routing(owner, viewer.party if viewer is not None and viewer.role != "HUB" else None)


def _sender(settings: Settings, module: str, owner: Party) -> Party | None:
    """OCPI-from: the owner, when it is one of our parties; a hub uses its own party (RTE-13)."""
    own = next((own for own in settings.parties(owner_role(module)) if own.same_as(owner)), None)
    return own or settings.party_of("HUB")


def _addressee(partner: Partner, module: str) -> Party | None:
    """OCPI-to: the hub, else the partner's party in a role that receives the module."""
    takers = ("CPO",) if owner_role(module) == "EMSP" else ("EMSP", "NSP", "NAP", "OTHER")
    for role in ("HUB", *takers):
        if parties := partner.parties(role):
            return parties[0]
    return None


# -- recording ---------------------------------------------------------------------------------------


def _delivered(
    messages: Sequence[Broadcast], seen: Seen, act: Act, status: DeliveryStatus, version: int
) -> Delivery:
    before = seen.delivery
    row = replace(
        before, status=status, method="PUT", reason="", code=0, http=0, evse_uid="",
        since="", cause="", tries=0, given_up=0, retry_at="",
    )  # fmt: skip
    if act is Act.DELETE:
        return replace(row, version=version, method="DELETE", evse="")
    if act is Act.PUT:
        return replace(row, version=version, evse="")
    assert seen.evse is not None
    reached = before.advance(messages)
    is_behind = before.status in (DeliveryStatus.MISSED, DeliveryStatus.DEAD) and reached == before.version
    # A refusal of the whole location or of another EVSE stays recorded.
    is_about_another = before.status == DeliveryStatus.REFUSED and before.evse_uid != seen.evse["uid"]
    return replace(
        before if is_behind or is_about_another else row, version=reached, evse=evse_version(seen.evse)
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
    row = replace(
        before, status=DeliveryStatus.REFUSED, version=version, method=method, since="", cause="", tries=0
    )
    row = replace(row, given_up=0, retry_at="")
    if before.status == DeliveryStatus.REFUSED and before.evse_uid != problem["evse_uid"]:
        # Several parts of the location were refused: only a push of the whole location clears that.
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
    # The row shows whether a push was tried before. The receive count does not: the concurrency limit may
    # have sent the message back without a try.
    cause = messages[0].cause
    window = node.settings.freshness
    is_continued = _continues_fault(before, cause, now, window)
    since = before.since if is_continued else format_datetime(now)
    lasts_s = (now - parse_datetime(since)).total_seconds()
    # An object that was given up has one try each time. A change of it has the whole window again, but only
    # until that fails too: otherwise objects that change and always fail would keep the partner OFFLINE.
    # After a timeout in the live lane it is tried in the catch-up lane too, which allows more time.
    is_last_try = before.given_up >= (_ONE_TRY_AFTER if message.version else 1)
    is_last_try = is_last_try and not (seen.quick and fault.timed_out)
    breaker = breaker_of(seen.receiver)
    lasted_s = max(lasts_s, breaker.failed_for(now).total_seconds())
    left_s = 0 if is_last_try else window.total_seconds() - lasted_s
    problem = _problem(seen, act, fault)
    after = replace(before, status=DeliveryStatus.WAITING, since=since, cause=cause, tries=0, **problem)
    if left_s > 0:
        if not is_continued or before.reason != after.reason:
            _record(node, message, seen, after)
        if _is_unreachable(fault) or breaker.is_failing:
            note_failure(node, message.partner_id, fault.reason, is_trial=breaker.is_failing)
        longest_s = max(_LONGEST_DELAY_S, node.settings.freshness.total_seconds() / 2)
        # Wait as long as the fault has lasted: 1, 2, 4 seconds and so on.
        seconds = min(lasts_s + 1, longest_s, left_s)
        return Retry(max(1, round(seconds)), _is_unreachable(fault))
    taken = _taken_at(node, message.partner_id)
    takes_others = not breaker.is_failing and taken is not None and taken >= now - window / 2
    if takes_others or (is_last_try and not breaker.is_failing):
        _give_up_object(node, message, seen, after)
        return None
    log.warning("a partner is offline", extra={"reason": fault.reason})
    node.directory.update(message.partner_id, lambda each: _offline(each, now, window, fault.reason, taken))
    _record(node, message, seen, _missed_after(before, problem))
    return None


def _continues_fault(before: Delivery, cause: str, now: datetime, window: timedelta) -> bool:
    """Tell whether a fault continues earlier faults of the object, by its row.

    Two messages about one object may be in two lanes. If each started a new window after the other, both
    would be retried for ever. A much older row was left by a message that was lost.
    """
    if before.status != DeliveryStatus.WAITING:
        return False
    return before.cause == cause or now - parse_datetime(before.since) < 2 * window


def _missed_after(before: Delivery, problem: dict[str, Any]) -> Delivery:
    """Row of an object that failed at a partner that is OFFLINE.

    When the partner is back, it may take all objects but this one. So this object then has one try, as if it
    had been given up. Otherwise it would make the partner OFFLINE again and again, and delay the others.
    """
    missed = replace(before, status=DeliveryStatus.MISSED, since="", cause="", tries=0, **problem)
    return replace(missed, given_up=max(1, before.given_up))


def _give_up_object(node: Node, message: Broadcast, seen: Seen, after: Delivery) -> None:
    """Give up an object that the partner cannot take, and schedule a retry, later each time."""
    given_up = seen.delivery.given_up + 1
    pause = pause_windows(given_up) * node.settings.freshness
    retry_at = format_datetime(node.clock() + pause) if pause else ""
    log.warning("a partner cannot take an object", extra={"reason": after.reason, "retry_at": retry_at})
    if retry_at:
        schedule_recheck_at(node, message.partner_id, retry_at)
    else:
        schedule_recheck(node, message.partner_id)
    row = replace(after, status=DeliveryStatus.DEAD, since="", cause="", given_up=given_up, retry_at=retry_at)
    _record(node, message, seen, row)


def _is_unreachable(fault: PartnerFault) -> bool:
    """Tell whether the partner did not answer at all, so that other calls would fail as well."""
    return (fault.not_connected or fault.timed_out) and fault.http_status not in _TOKEN_REJECTED


def _taken_at(node: Node, partner_id: str) -> datetime | None:
    """Time of the last push that the partner took, by one read of all its rows; None when there is none."""
    taken = (DeliveryStatus.DELIVERED, DeliveryStatus.DELETED, DeliveryStatus.WITHDRAWN)
    rows = read_deliveries(node.table, partner_id).values()
    return max((parse_datetime(row.at) for row in rows if row.status in taken), default=None)


def _offline(
    partner: Partner, now: datetime, window: timedelta, reason: str, taken: datetime | None
) -> Partner | None:
    if partner.connection == "OFFLINE" or not partner.is_registered:
        return None
    breaker = breaker_of(partner).open(now, window, reason, taken)
    changes = {"connection": "OFFLINE", "offline_since": format_datetime(now), "breaker": breaker}
    return partner.model_copy(update=changes)


def _record_refusal(
    node: Node, message: Broadcast, seen: Seen, after: Delivery, refusal: PartnerRefusal | InvalidParameters
) -> None:
    """Record a refusal. A new one of a session or a CDR raises an alarm.

    A CDR may not be lost and never changes, so a refused one also goes to the dead-letter queue.
    """
    is_new = not seen.delivery.is_refused_as(after)
    alarms = is_new and is_private(message.module)
    _log_outcome("refused", metrics.push_refused(node.settings.table, alarms), refusal)
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


def _log_outcome(
    outcome: str,
    measured: metrics.Fields,
    error: PartnerRefusal | PartnerFault | InvalidParameters | None = None,
) -> None:
    fields: dict[str, object] = {}
    if error is not None:
        # The partner's own text is left out: it may quote personal data of a driver.
        reason = error.detail if isinstance(error, InvalidParameters) else error.reason
        fields = {"reason": reason, "status_code": error.status_code}
    log.info(f"push {outcome}", extra={**fields, **measured})
