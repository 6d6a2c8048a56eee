"""Faults of pushes: retry the object, give it up, or set the partner OFFLINE.

An object that fails is retried with growing delays inside the freshness window, which starts at its first
fault. At the end of the window the partner becomes OFFLINE, and receives what it missed when it is back.
Exception: if the partner took other objects meanwhile, only this object is given up and retried later.

A partner that names the time of the next try (`Retry-After`) is not called before it, and has `LONGEST_ASKED`
in place of the freshness window: it works, and asks for a slower pace or tells when it is back.

Source: OCPI 2.2.1 transport_and_format_offline_behaviour; TRN-32, TRP-10
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.calls.answers import PartnerFault
from chalicelib.log import log
from chalicelib.partners.breaker import LONGEST_ASKED, pause_windows
from chalicelib.partners.directory import Partner
from chalicelib.protocol.types import format_datetime, parse_datetime
from chalicelib.pushing.catch_up import schedule_recheck, schedule_recheck_at
from chalicelib.pushing.deliveries import Delivery, DeliveryStatus, read_deliveries
from chalicelib.pushing.failure_record import breaker_of, note_failure
from chalicelib.pushing.push_decisions import Act, Seen
from chalicelib.pushing.push_recording import record
from chalicelib.pushing.push_results import missed_after, problem_of
from chalicelib.queues import Broadcast
from chalicelib.storage.table import Table

if TYPE_CHECKING:
    from chalicelib.node import Node

_LONGEST_DELAY = timedelta(seconds=30)
_ONE_TRY_AFTER = 2
"""An object that was given up this often has only one try, also when it changes."""
_TOKEN_REJECTED = frozenset({401, 403})


class MessageRetry(NamedTuple):
    """Retry of the message after some seconds. unreachable: the partner gave no answer, or asked to wait."""

    seconds: int
    unreachable: bool


class FaultRun(NamedTuple):
    """Faults in a row of one object, up to the present one.

    row: the delivery row while the object is retried. is_recorded: the stored row shows the same already.
    lasts: time since the first fault. left: time until the end of the freshness window.
    """

    row: Delivery
    is_recorded: bool
    is_last_try: bool
    lasts: timedelta
    left: timedelta


def handle_fault(
    node: Node, messages: Sequence[Broadcast], seen: Seen, act: Act, fault: PartnerFault
) -> MessageRetry | None:
    """Record a fault. Returns when the push is tried again, None when it is not.

    messages: about the object, oldest first.
    """
    now, window, message = node.clock(), _window(node.settings.freshness, fault), messages[-1]
    run = measure_faults(messages, seen, act, fault, now, window)
    if run.left > timedelta():
        return _retry(node, message, seen, run, fault)
    taken = _taken_at(node.table, message.partner_id)
    if gives_up_object(run, seen, taken, now, window):
        give_up(node, message, seen, run.row)
        return None
    log.warning("a partner is offline", extra={"reason": fault.reason})
    node.directory.update(
        message.partner_id, lambda each: _offline(each, now, node.settings.freshness, fault, taken)
    )
    row = missed_after(seen.delivery, problem_of(seen, act, fault))
    record(node.table, node.clock(), message, seen, row)
    return None


def _window(freshness: timedelta, fault: PartnerFault) -> timedelta:
    """Time for which an object is tried again after its first fault."""
    return max(freshness, LONGEST_ASKED) if fault.retry_after_s else freshness


def measure_faults(
    messages: Sequence[Broadcast], seen: Seen, act: Act, fault: PartnerFault, now: datetime, window: timedelta
) -> FaultRun:
    """Measure how long an object has failed, by its row and the partner's breaker.

    The row shows whether a push was tried before. The receive count does not: the concurrency limit may have
    sent the message back without a try.
    """
    before, cause = seen.delivery, messages[0].cause
    is_continued = _continues_fault(before, cause, now, window)
    since = before.since if is_continued else format_datetime(now)
    problem = problem_of(seen, act, fault)
    row = replace(before, status=DeliveryStatus.WAITING, since=since, cause=cause, tries=0, **problem)
    lasts = now - parse_datetime(since)
    is_last_try = _is_last_try(messages[-1], seen, fault)
    left = window - max(lasts, breaker_of(seen.receiver).failed_for(now))
    is_recorded = is_continued and before.reason == row.reason
    return FaultRun(row, is_recorded, is_last_try, lasts, timedelta() if is_last_try else left)


def _continues_fault(before: Delivery, cause: str, now: datetime, window: timedelta) -> bool:
    """Tell whether a fault continues earlier faults of the object, by its row.

    Two messages about one object may be in two lanes. If each started a new window after the other, both
    would be retried for ever. A much older row was left by a message that was lost.
    """
    if before.status != DeliveryStatus.WAITING:
        return False
    return before.cause == cause or now - parse_datetime(before.since) < 2 * window


def _is_last_try(message: Broadcast, seen: Seen, fault: PartnerFault) -> bool:
    """Tell whether an object that was given up before has no further try.

    It has one try each time. A change of it has the whole window again, but only until that fails too:
    otherwise objects that change and always fail would keep the partner OFFLINE. After a timeout in the live
    lane it is tried in the catch-up lane too, which allows more time.
    """
    if fault.retry_after_s:
        return False
    had_its_tries = seen.delivery.given_up >= (_ONE_TRY_AFTER if message.version else 1)
    return had_its_tries and not (seen.quick and fault.timed_out)


def _retry(node: Node, message: Broadcast, seen: Seen, run: FaultRun, fault: PartnerFault) -> MessageRetry:
    asked_s = min(fault.retry_after_s or 0, round(LONGEST_ASKED.total_seconds()))
    is_unreachable = _is_unreachable(fault) or asked_s > 0
    is_failing = breaker_of(seen.receiver).is_failing
    if not run.is_recorded:
        record(node.table, node.clock(), message, seen, run.row)
    if is_unreachable or is_failing:
        note_failure(node, message.partner_id, fault.reason, is_trial=is_failing, asked_s=asked_s)
    return MessageRetry(max(asked_s, retry_delay_s(run, node.settings.freshness)), is_unreachable)


def retry_delay_s(run: FaultRun, window: timedelta) -> int:
    """Seconds until the next try: as long as the fault has lasted, so 1, 2, 4 and so on."""
    longest = max(_LONGEST_DELAY, window / 2)
    delay = min(run.lasts + timedelta(seconds=1), longest, run.left)
    return max(1, round(delay.total_seconds()))


def _is_unreachable(fault: PartnerFault) -> bool:
    """Tell whether the partner did not answer at all, so that other calls would fail as well."""
    return (fault.not_connected or fault.timed_out) and fault.http_status not in _TOKEN_REJECTED


def _taken_at(table: Table, partner_id: str) -> datetime | None:
    """Time of the last push that the partner took, by one read of all its rows; None when there is none."""
    taken = (DeliveryStatus.DELIVERED, DeliveryStatus.DELETED, DeliveryStatus.WITHDRAWN)
    rows = read_deliveries(table, partner_id).values()
    return max((parse_datetime(row.at) for row in rows if row.status in taken), default=None)


def gives_up_object(
    run: FaultRun, seen: Seen, taken: datetime | None, now: datetime, window: timedelta
) -> bool:
    """Decide at the end of the window: give up only this object, or set the partner OFFLINE.

    taken: time of the last push that the partner took.
    """
    if breaker_of(seen.receiver).is_failing:
        return False
    takes_others = taken is not None and taken >= now - window / 2
    return takes_others or run.is_last_try


def give_up(node: Node, message: Broadcast, seen: Seen, after: Delivery) -> None:
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
    record(node.table, node.clock(), message, seen, row)


def _offline(
    partner: Partner, now: datetime, window: timedelta, fault: PartnerFault, taken: datetime | None
) -> Partner | None:
    if partner.connection == "OFFLINE" or not partner.is_registered:
        return None
    breaker = breaker_of(partner).open(now, window, fault.reason, taken)
    breaker = breaker.asked_to_wait(now, fault.retry_after_s or 0)
    changes = {"connection": "OFFLINE", "offline_since": format_datetime(now), "breaker": breaker}
    return partner.model_copy(update=changes)
