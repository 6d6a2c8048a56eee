"""Limits the work of pricing one session, so that one huge session cannot delay the bills of all others.

A tariff of 1,440 elements and a session of a year are both valid, and together they make half a million
charging periods. Pricing counts its checks of a price component (a "look", a fraction of a microsecond). So
the limit is the same on every machine. A caller with a deadline passes `is_late`, which is called now and
then; this module reads no clock.
"""

from __future__ import annotations

from collections.abc import Callable

from chalicelib.errors import InvalidParameters

MOST_PIECES = 20_000
"""Limit of pieces that a session is cut into; about four times as many as fit into a CDR."""

MOST_LOOKS = 5_000_000
"""Limit of looks at price components for one session: a few seconds."""

_BETWEEN_QUESTIONS = 20_000


class TooMuchWork(InvalidParameters):
    """A session that would take too much work to price."""


class OutOfTime(Exception):
    """The deadline passed while a session was priced; a retry may succeed."""


class Work:
    """Counts the work of pricing one session."""

    def __init__(self, most: int = MOST_LOOKS, is_late: Callable[[], bool] | None = None) -> None:
        self.looks = 0
        self._most = most
        self._is_late = is_late
        self._next_question = _BETWEEN_QUESTIONS

    def spend(self, looks: int) -> None:
        """Count looks at price components.

        Raises: TooMuchWork above the limit; OutOfTime after the deadline.
        """
        self.looks += looks
        if self.looks > self._most:
            text = "the tariff has too many elements for a session as long as this one to be priced"
            raise TooMuchWork(text, field="tariffs")
        if self._is_late is not None and self.looks >= self._next_question:
            self._next_question = self.looks + _BETWEEN_QUESTIONS
            if self._is_late():
                raise OutOfTime("pricing took too long")


def refuse_pieces(count: int, field: str = "tariffs") -> None:
    """Refuse a session before it is cut into too many pieces. Raises: TooMuchWork above the limit."""
    if count > MOST_PIECES:
        text = f"the price may change {count} times in this session: {MOST_PIECES} are priced at most"
        raise TooMuchWork(text, field=field)
