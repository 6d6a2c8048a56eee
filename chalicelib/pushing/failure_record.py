"""Failure record of a partner: writes how pushes end, so every process knows which partners fail.

The rules are in `breaker.py`. A push has read the partner's record anyway. The record is written only when
it changes: at the first failure, at each trial after it, and when the partner answers again.

Source: docs/design.md, A broadcast; TRN-32
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from chalicelib.errors import ServerError
from chalicelib.log import log
from chalicelib.partners.breaker import SLOW_FOR, Breaker
from chalicelib.protocol.types import parse_datetime
from chalicelib.storage.table import Conflict

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner

TRIAL_S = 17.0
"""Seconds until the next trial may start, even if the worker of the last one died: a push is at most two
requests of `PUSH_S` each."""

QUICK_S = 3.0
"""Seconds that a partner may take to answer a push in the live lane; one that takes longer is slow."""


def breaker_of(partner: Partner) -> Breaker:
    """Read a partner's breaker; the record of a partner that never failed has none."""
    return partner.breaker or Breaker()


def note_failure(
    node: Node, partner_id: str, reason: str, *, is_trial: bool = False, asked_s: float = 0
) -> None:
    """Record a failed push, so that the partner is left alone for a while.

    is_trial: whether the partner was known to fail before the push. Of several simultaneous first failures
    only one is written. asked_s: seconds for which the partner asked not to be called.
    """
    now, window = node.clock(), node.settings.freshness

    def change(current: Partner) -> Partner | None:
        before = breaker_of(current)
        if current.connection == "OFFLINE" or (before.is_failing and not is_trial):
            return None
        after = before.after_failure(now, window, reason).asked_to_wait(now, asked_s)
        return current.model_copy(update={"breaker": after})

    node.directory.update(partner_id, change)


def begin_trial(node: Node, partner_id: str) -> bool:
    """Reserve the one push that may be tried at a failing partner. Returns whether it was reserved."""
    now = node.clock()
    may_begin = True

    def change(current: Partner) -> Partner | None:
        nonlocal may_begin
        before = breaker_of(current)
        may_begin = not before.wait_s(now)
        if not (may_begin and before.is_failing):
            return None
        after = before.begin_trial(now, timedelta(seconds=TRIAL_S))
        return current.model_copy(update={"breaker": after})

    node.directory.update(partner_id, change)
    return may_begin


def note_answer(node: Node, partner: Partner, latency_s: float) -> None:
    """Record that a push got an answer, if the partner's record shows otherwise.

    partner: as read before the push.
    """
    known = breaker_of(partner)
    is_slow = latency_s > QUICK_S
    if not known.is_failing and not (is_slow and _ends_soon(node, known)):
        return
    now = node.clock()

    def change(current: Partner) -> Partner | None:
        after = breaker_of(current).after_success(now, is_slow)
        return current.model_copy(update={"breaker": after}) if current.connection == "CONNECTED" else None

    try:
        node.directory.update(partner.id, change)
    except (Conflict, ServerError):
        # The push itself is recorded. The next answered push writes this.
        log.exception("failed to record that a partner answers", extra={"partner": partner.id})


def _ends_soon(node: Node, breaker: Breaker) -> bool:
    until = breaker.slow_until
    return until is None or parse_datetime(until) < node.clock() + SLOW_FOR / 2
