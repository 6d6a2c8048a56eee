"""One push: sends an object as it is now to one partner.

The message only names the object. One read returns the object, the partner and its delivery row.
`push_decisions.py` decides what to do, `push_requests.py` makes the request, and one write records the result
(`push_recording.py`). That makes two calls to the table, and three for a whole location, whose EVSEs are
separate items.

- *Refusal* (an envelope with 2xxx): recorded with its reason and retried slowly (`retries.py`).
- *Held*: the partner's OCPI version cannot express the object, so no request is made. Recorded with its
  reason; decided again when the object or the partner's version changes.
- *Fault* (any other failure: no answer, 5xx, 3xxx, a 4xx without an envelope, a rejected token): retried
  soon, until the partner becomes OFFLINE (`push_faults.py`).

If the process is killed at any point, the message is delivered again and the same read shows the true state.
A request that was sent but not recorded is sent again, which PUT and DELETE allow.

Source: OCPI 2.2.1 transport_and_format_offline_behaviour, mod_locations, mod_tariffs, mod_tokens; TRN-32,
TRP-10, TRP-18, TRP-19
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from chalicelib import metrics
from chalicelib.calls.answers import PartnerFault, PartnerRefusal
from chalicelib.errors import InvalidParameters
from chalicelib.log import log, log_fields
from chalicelib.modules.registry import find_module
from chalicelib.partners.directory import Partner
from chalicelib.pushing.catch_up import recheck_put
from chalicelib.pushing.cdr_order import check_credit_is_sent
from chalicelib.pushing.concurrency_limit import CallLater, Slow
from chalicelib.pushing.deliveries import DeliveryStatus, key_of, read_delivery, unknown_delivery
from chalicelib.pushing.failure_record import begin_trial, breaker_of, note_answer
from chalicelib.pushing.losses import note_losses
from chalicelib.pushing.push_decisions import Act, Seen, decide
from chalicelib.pushing.push_faults import MessageRetry, give_up, handle_fault
from chalicelib.pushing.push_recording import log_outcome, record, record_refusal
from chalicelib.pushing.push_requests import Outcome, send_object
from chalicelib.pushing.push_results import delivered, missed, missed_after, problem_of, refused
from chalicelib.queues import Broadcast
from chalicelib.storage.keys import for_log
from chalicelib.storage.table import Conflict, Key, Table
from chalicelib.versions.supported import Inexpressible

if TYPE_CHECKING:
    from chalicelib.node import Node


def push(
    node: Node, messages: Sequence[Broadcast], handled: Sequence[Broadcast] = (), *, quick: bool = False
) -> MessageRetry | None:
    """Handle messages to one partner about one item, oldest first; the last one stands for all.

    handled: messages about other EVSEs of the same location that were handled just before. quick: whether the
    partner must answer within `QUICK_S`. Returns None when the messages are done.
    Raises: CallLater when the partner must not be called yet, or a credit CDR goes first; Slow when `quick`
    and the partner may take longer.
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
        seen = _read(node.table, message, correlation_id)
        if seen.partner is None:
            return False
        seen = replace(seen, partner=seen.partner.model_copy(update={"connection": "CONNECTED"}))
        act, status = decide(node.settings, message, seen)
        if act is Act.DROP or not _is_its_turn(node, seen):
            return False
        outcome = send_object(node, act, message, seen)
        if isinstance(outcome.error, PartnerFault):
            log_outcome("failed", metrics.push_failed(node.settings.table), outcome.error)
            row = missed_after(seen.delivery, problem_of(seen, outcome.act, outcome.error))
            record(node.table, node.clock(), message, seen, row)
            raise outcome.error
        _record_outcome(node, [message], [message], seen, status, outcome)
        return not isinstance(outcome.error, Inexpressible)


def _is_its_turn(node: Node, seen: Seen) -> bool:
    try:
        check_credit_is_sent(node.table, seen)
    except CallLater:
        return False
    return True


def give_up_object(node: Node, message: Broadcast) -> None:
    """Give up an object whose probe failed, because the partner takes other objects.

    Raises: Conflict when another worker pushed the object meanwhile.
    """
    seen = _read(node.table, message, node.new_id())
    give_up(node, message, seen, seen.delivery)


def _push_in_order(
    node: Node, messages: Sequence[Broadcast], handled: Sequence[Broadcast], correlation_id: str, quick: bool
) -> MessageRetry | None:
    seen = replace(_read(node.table, messages[-1], correlation_id), quick=quick)
    # After a missed or given-up push, the changes handled before have not all reached the partner.
    is_behind = seen.delivery.status in (DeliveryStatus.MISSED, DeliveryStatus.DEAD)
    changes = list(messages) if is_behind else [*handled, *messages]
    try:
        return _push(node, messages, changes, seen)
    except Conflict:
        return _push_once_more(node, messages[-1])


def _push(
    node: Node, messages: Sequence[Broadcast], changes: Sequence[Broadcast], seen: Seen
) -> MessageRetry | None:
    """Push the object as `seen` shows it."""
    message = messages[-1]
    act, status = decide(node.settings, message, seen)
    if act is Act.DROP:
        return None
    if act is Act.MISS:
        record(node.table, node.clock(), message, seen, missed(seen.delivery))
        return None
    if act not in (Act.SKIP, Act.HOLD):
        check_credit_is_sent(node.table, seen)
        _check_breaker(node, seen)
    outcome = send_object(node, act, message, seen)
    if isinstance(outcome.error, PartnerFault):
        log_outcome("failed", metrics.push_failed(node.settings.table), outcome.error, outcome.losses)
        return handle_fault(node, messages, seen, outcome.act, outcome.error)
    _record_outcome(node, messages, changes, seen, status, outcome)
    return None


def _record_outcome(
    node: Node,
    messages: Sequence[Broadcast],
    changes: Sequence[Broadcast],
    seen: Seen,
    status: DeliveryStatus,
    outcome: Outcome,
) -> None:
    """Record a push that ended without a fault. status: of the row if the partner took the object."""
    message, sent, error = messages[-1], outcome.act, outcome.error
    if error is None or isinstance(error, PartnerFault):
        row = delivered(changes, seen, sent, status, outcome.version)
    else:
        row = refused(changes, seen, sent, error)
    if sent is not Act.SKIP:
        row = note_losses(row, outcome.losses, *_scope(message, seen, sent))
    if isinstance(error, Inexpressible):
        log.info("push held", extra={"reason": error.detail})
        record(node.table, node.clock(), message, seen, row, error.until)
        return
    if isinstance(error, PartnerRefusal | InvalidParameters):
        record_refusal(node, message, seen, row, error, outcome.losses)
    else:
        record(node.table, node.clock(), message, seen, row)
    if sent is not Act.SKIP:
        if error is None:
            _log_delivered(node, messages, outcome)
        note_answer(node, seen.receiver, outcome.latency_s)


def _scope(message: Broadcast, seen: Seen, act: Act) -> tuple[str, str]:
    """The version and the EVSE that the losses of a push are about: see `note_losses`."""
    # What is sent by POST is never sent a second time.
    is_sent_again = find_module(message.module).push_method == "PUT"
    evse_uid = seen.evse["uid"] if act is Act.PUT_EVSE and seen.evse is not None else ""
    return (seen.receiver.version or "") if is_sent_again else "", evse_uid


def _log_delivered(node: Node, messages: Sequence[Broadcast], outcome: Outcome) -> None:
    age_s = _freshness_s(messages, node.clock())
    partner_id = messages[-1].partner_id
    fields = metrics.push_delivered(node.settings.table, partner_id, outcome.latency_s, age_s)
    log_outcome("delivered", fields, losses=outcome.losses)


def _check_breaker(node: Node, seen: Seen) -> None:
    """Check that the partner may be called now; at a failing partner, reserve the one trial.

    A partner that asked not to be called until later (`Retry-After`) is not called before.

    Raises: Slow when the push belongs in the catch-up lane; CallLater when the partner must not be called
    yet.
    """
    breaker, now = breaker_of(seen.receiver), node.clock()
    if seen.quick and breaker.is_slow(now):
        raise Slow
    wait_s = breaker.wait_s(now) if breaker.is_failing else breaker.asked_wait_s(now)
    if not (breaker.is_failing or wait_s):
        return
    if wait_s or not begin_trial(node, seen.receiver.id):
        raise CallLater(wait_s or 1.0)


def _freshness_s(messages: Sequence[Broadcast], now: datetime) -> float | None:
    """Age in seconds of the oldest change that the partner has received with this push.

    None when no message is about a change, as in a catch-up: its age is that of the outage.
    """
    versions = [message.version for message in messages if message.version]
    return metrics.freshness_of(min(versions), now) if versions else None


def _push_once_more(node: Node, message: Broadcast) -> MessageRetry:
    """Reset the row and retry, because another worker pushed the same object at the same time.

    It is unknown which push arrived last. The other worker may already have deleted this message, so a
    recheck is scheduled as well.
    """
    row = key_of(message.partner_id, message.pk)
    recheck = recheck_put(message.partner_id, node.clock())
    node.table.transact([unknown_delivery(row, message.ref), recheck])
    return MessageRetry(1, unreachable=False)


def _read(table: Table, message: Broadcast, correlation_id: str) -> Seen:
    partner, main = Key("partners", message.partner_id), Key(message.pk)
    evse, delivery = Key(message.pk, message.sk), key_of(message.partner_id, message.pk)
    items = table.get_many([partner, main, evse, delivery])
    return Seen(
        partner=Partner.model_validate_json(items[partner]["partner"]) if partner in items else None,
        item=items.get(main),
        evse=items.get(evse) if evse != main else None,
        delivery=read_delivery(items.get(delivery)),
        correlation_id=correlation_id,
    )
