"""Circuit breaker of a partner: decides when a partner that fails may be called again.

The state is part of the partner's record, so every process knows it, and a push reads it with the partner.

1. *Failing*: a push got no answer, or several objects in a row failed. From then on one push at a time is
   tried (a trial), with growing pauses. The other messages wait, at no cost. A push that gets an answer,
   even a refusal, ends this state.
2. *Open*: the partner was failing for the whole freshness window and is now OFFLINE. No push is sent until
   a probe succeeds (`pushing/liveness.py`).
3. *Reopened*: a partner that came back is OFFLINE again soon, or the push of its probe fails. Each time the
   pause before the next probe doubles: 2, 4, 8 ... windows, up to 60 (a window is a minute by default). The
   count restarts once pushes have succeeded for ten windows after it came back.

A partner may name a time before which it wants no call (`Retry-After`, as with HTTP 429 and 503). It is kept
apart from the states above, at most `LONGEST_ASKED` ahead, and every call to the partner waits for it.

A partner that does not even answer with its versions has no growing pause: it is probed every minute.

All methods are pure and return a new breaker.

Source: OCPI 2.2.1 transport_and_format_offline_behaviour; TRN-32, HCI-10
"""

from __future__ import annotations

from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict

from chalicelib.protocol.types import format_datetime, parse_datetime

LONGEST_WINDOWS = 60
"""The longest pause before a probe, in freshness windows: an hour by default."""

STEADY_WINDOWS = 10
"""Windows that a partner must take pushes after it came back, so that its next outage is a first one."""

LONGEST_PAUSE = timedelta(seconds=30)
"""The longest pause between two trials within a freshness window."""

SLOW_FOR = timedelta(minutes=30)
"""Time after a slow answer in which a partner counts as slow."""


LONGEST_ASKED = timedelta(minutes=15)
"""The longest time for which a `Retry-After` is obeyed, and for which an object waits at such a partner."""


class Breaker(BaseModel):
    """Known failures of a partner; the defaults are those of a partner that never failed.

    opened: how often in a row it went OFFLINE. until: earliest time of the next call. reason: of the last
    failure. connected_at: when it came back last. failing_since: first failure since the last success.
    slow_until: until then its pushes use the catch-up lane. asked_until: until then the partner asked not to
    be called.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)
    opened: int = 0
    until: str | None = None
    reason: str = ""
    connected_at: str | None = None
    failing_since: str | None = None
    slow_until: str | None = None
    asked_until: str | None = None

    @property
    def is_failing(self) -> bool:
        """Tell whether every push has failed since the first failure."""
        return self.failing_since is not None

    def is_slow(self, now: datetime) -> bool:
        """Tell whether a push to the partner may take long: it fails, was slow lately, or asked to wait."""
        return self.is_failing or max(self.asked_wait_s(now), _seconds_until(self.slow_until, now)) > 0

    def wait_s(self, now: datetime) -> float:
        """Seconds until the partner may be called; 0 when it may be called now."""
        return max(self.asked_wait_s(now), _seconds_until(self.until, now))

    def asked_wait_s(self, now: datetime) -> float:
        """Seconds for which the partner asked not to be called; 0 when it did not, or they are over."""
        return _seconds_until(self.asked_until, now)

    def asked_to_wait(self, now: datetime, seconds: float) -> Breaker:
        """Record that the partner asked not to be called for some seconds, unless it asked for longer."""
        wait_s = min(seconds, LONGEST_ASKED.total_seconds())
        if wait_s <= self.asked_wait_s(now):
            return self
        return self._with(asked_until=format_datetime(now + timedelta(seconds=wait_s)))

    def failed_for(self, now: datetime) -> timedelta:
        """Time since the first failure after the last success; zero when there is none."""
        since = self.failing_since
        return now - parse_datetime(since) if since else timedelta()

    # -- pushes

    def after_failure(self, now: datetime, window: timedelta, reason: str) -> Breaker:
        """Record a failed push and pause.

        The pause is as long as the partner has failed so far, but ends within the window.
        """
        lasted = self.failed_for(now)
        longest = min(max(LONGEST_PAUSE, window / 2), max(window - lasted, timedelta()))
        pause = max(timedelta(seconds=1), min(lasted + timedelta(seconds=1), longest))
        since = self.failing_since or format_datetime(now)
        return self._with(failing_since=since, until=format_datetime(now + pause), reason=reason)

    def after_success(self, now: datetime, is_slow: bool) -> Breaker:
        """Record a push that got an answer."""
        slow_until = format_datetime(now + SLOW_FOR) if is_slow else self.slow_until
        return self._with(failing_since=None, until=None, slow_until=slow_until)

    def begin_trial(self, now: datetime, longest: timedelta) -> Breaker:
        """Reserve a trial: until it ends, or for at most `longest`, no other push starts."""
        return self._with(until=format_datetime(now + longest))

    # -- OFFLINE and back

    def open(self, now: datetime, window: timedelta, reason: str, taken_at: datetime | None) -> Breaker:
        """Record that the partner is OFFLINE. taken_at: when it last took a push."""
        opened = 1 if self._was_steady(taken_at, window) else self.opened + 1
        return self._opened(opened, now, window, reason)

    def after_failed_probe(self, now: datetime, window: timedelta, reason: str) -> Breaker:
        """Record that the partner answered with its versions, but did not take the push of a probe."""
        return self._opened(self.opened + 1, now, window, reason)

    def close(self, now: datetime) -> Breaker:
        """Record that the partner is CONNECTED again."""
        return self._with(failing_since=None, until=None, connected_at=format_datetime(now))

    def _was_steady(self, taken_at: datetime | None, window: timedelta) -> bool:
        if self.connected_at is None or taken_at is None:
            return self.opened == 0
        return taken_at >= parse_datetime(self.connected_at) + STEADY_WINDOWS * window

    def _opened(self, opened: int, now: datetime, window: timedelta, reason: str) -> Breaker:
        until = now + pause_windows(opened) * window
        return self._with(opened=opened, until=format_datetime(until), reason=reason, failing_since=None)

    def _with(self, **changes: object) -> Breaker:
        return self.model_copy(update=changes)


def pause_windows(opened: int) -> int:
    """Freshness windows before the next probe; after the first outage the timer's next run probes.

    >>> [pause_windows(opened) for opened in (1, 2, 3, 6, 7, 100)]
    [0, 2, 4, 32, 60, 60]
    """
    return 0 if opened < 2 else int(min(2 ** min(opened - 1, 10), LONGEST_WINDOWS))


def _seconds_until(moment: str | None, now: datetime) -> float:
    return max(0.0, (parse_datetime(moment) - now).total_seconds()) if moment else 0.0
