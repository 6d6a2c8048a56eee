"""Concurrency limit for each partner, within one process.

A push to a partner that does not answer takes seconds. If such pushes occupied every worker, one partner's
outage would delay the pushes to all others. So in one process:
- Few pushes to one partner run at a time. More wait for a free slot, but only as long as the running pushes
  are quick.
- After a push that the partner did not answer, calls to it are paused. Only the object of that push is tried
  again when it is due.
- The objects that failed in a row are counted, whatever the failure.

A message that gets no slot goes back to the queue; it costs no call. Facts about a partner that several
processes must share are in its record (`failure_record.py`).
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition

AT_ONCE = 2
STUCK_S = 2.0
"""Seconds after which a running push counts as stuck: other pushes do not wait for it."""


class CallLater(Exception):
    """The partner must not be called now.

    seconds: how long to wait before the next try.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"call again after {seconds:.1f} s")
        self.seconds = seconds


class Slow(Exception):
    """A push to the partner may take long, so it belongs in the catch-up queue."""


class ConcurrencyLimit:
    """Slots, pauses and failure counts of every partner; safe for threads."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._changed = Condition()
        self._started: dict[str, list[float]] = defaultdict(list)
        self._paused: dict[str, tuple[str, float]] = {}
        self._failed: dict[str, set[str]] = defaultdict(set)

    @contextmanager
    def slot(self, partner_id: str, group: str, wait_s: float) -> Iterator[None]:
        """Hold a slot for a push, until the block ends.

        group: message group of the object. wait_s: longest time to wait for a slot.
        Raises: CallLater when calls are paused, or no slot became free in time.
        """
        with self._changed:
            started = self._take_slot(partner_id, group, self._monotonic() + wait_s)
        try:
            yield
        finally:
            with self._changed:
                self._started[partner_id].remove(started)
                self._changed.notify_all()

    def pause(self, partner_id: str, group: str, seconds: float) -> None:
        """Pause calls to a partner for a while, except for the object that got no answer.

        group: message group of that object. While a pause lasts, another object cannot change it.
        """
        with self._changed:
            paused_by, until = self._paused.get(partner_id, (group, 0.0))
            if paused_by == group or until <= self._monotonic():
                self._paused[partner_id] = (group, self._monotonic() + seconds)
            self._changed.notify_all()

    def resume(self, partner_id: str) -> None:
        """End the pause: the partner answers."""
        with self._changed:
            self._paused.pop(partner_id, None)

    def is_paused(self, partner_id: str) -> bool:
        """Tell whether calls to the partner are paused."""
        with self._changed:
            _, until = self._paused.get(partner_id, ("", 0.0))
            return until > self._monotonic()

    def count_failure(self, partner_id: str, group: str) -> int:
        """Count a failed push. Returns the number of objects that failed since the last success."""
        with self._changed:
            self._failed[partner_id].add(group)
            return len(self._failed[partner_id])

    def count_success(self, partner_id: str) -> None:
        """Reset the count of failures: the partner took a push."""
        with self._changed:
            self._failed.pop(partner_id, None)

    def _take_slot(self, partner_id: str, group: str, deadline: float) -> float:
        while True:
            now = self._monotonic()
            paused_by, until = self._paused.get(partner_id, (group, 0.0))
            if paused_by != group and until > now:
                raise CallLater(until - now)
            under_way = self._started[partner_id]
            if len(under_way) < AT_ONCE:
                under_way.append(now)
                return now
            longest = min(deadline, min(under_way) + STUCK_S) - now
            if longest <= 0:
                raise CallLater(STUCK_S)
            self._changed.wait(longest)
