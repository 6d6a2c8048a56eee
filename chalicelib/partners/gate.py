"""How much of a process's time one partner may take.

A push to a partner that does not answer takes seconds, and if pushes to it took every worker there is,
its trouble would delay the others. So in one process
- few pushes to one partner are under way at a time; more wait for their turn, but only behind pushes
  that get on;
- after one that found nobody, the partner is left alone until that same object is due again;
- it is counted how many objects failed in a row, whatever the failure.

Who is turned away goes back to the queue and has cost nothing. What several processes must know of a partner
stands in its record (`failing.py`).
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition

AT_ONCE = 2
STUCK_S = 2.0
"""A push that takes longer than this is not waited for."""


class TurnedAway(Exception):
    """The partner is not to be called now.

    seconds: when it is worth another try.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"not before {seconds:.1f} s")
        self.seconds = seconds


class Slow(Exception):
    """A push to the partner may take long: it belongs in the queue for what may wait."""


class Gate:
    """The gate in front of every partner; safe for threads."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._changed = Condition()
        self._started: dict[str, list[float]] = defaultdict(list)
        self._closed: dict[str, tuple[str, float]] = {}
        self._failed: dict[str, set[str]] = defaultdict(set)

    @contextmanager
    def turn(self, partner_id: str, group: str, wait_s: float) -> Iterator[None]:
        """Hold a turn for a push. group: of the object's messages; wait_s: how long to wait at most.

        Raises: TurnedAway.
        """
        with self._changed:
            started = self._take(partner_id, group, self._monotonic() + wait_s)
        try:
            yield
        finally:
            with self._changed:
                self._started[partner_id].remove(started)
                self._changed.notify_all()

    def close(self, partner_id: str, group: str, seconds: float) -> None:
        """Leave a partner alone for a while, but for the object that found nobody there."""
        with self._changed:
            closed_by, until = self._closed.get(partner_id, (group, 0.0))
            if closed_by == group or until <= self._monotonic():
                self._closed[partner_id] = (group, self._monotonic() + seconds)
            self._changed.notify_all()

    def open(self, partner_id: str) -> None:
        """The partner answers."""
        with self._changed:
            self._closed.pop(partner_id, None)

    def is_closed(self, partner_id: str) -> bool:
        """Tell whether the partner is left alone."""
        with self._changed:
            _, until = self._closed.get(partner_id, ("", 0.0))
            return until > self._monotonic()

    def count_failure(self, partner_id: str, group: str) -> int:
        """Count a push that failed. Returns how many objects have failed since the last success."""
        with self._changed:
            self._failed[partner_id].add(group)
            return len(self._failed[partner_id])

    def count_success(self, partner_id: str) -> None:
        """The partner took a push: failures are counted anew."""
        with self._changed:
            self._failed.pop(partner_id, None)

    def _take(self, partner_id: str, group: str, deadline: float) -> float:
        while True:
            now = self._monotonic()
            closed_by, until = self._closed.get(partner_id, (group, 0.0))
            if closed_by != group and until > now:
                raise TurnedAway(until - now)
            under_way = self._started[partner_id]
            if len(under_way) < AT_ONCE:
                under_way.append(now)
                return now
            longest = min(deadline, min(under_way) + STUCK_S) - now
            if longest <= 0:
                raise TurnedAway(STUCK_S)
            self._changed.wait(longest)
