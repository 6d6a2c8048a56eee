"""Bounds what pricing one session may cost, so that no tariff and no session stops everybody else's bills.

A tariff of 1,440 elements and a session of a year are both valid, and together they are half a million
charging periods. Pricing counts its work as it goes on: in looks at a price component, a fraction of a
microsecond each. The count does not depend on the machine. Whoever has a deadline besides gives `is_late`,
which is asked on the way; there is no clock here.
"""

from __future__ import annotations

from collections.abc import Callable

from chalicelib.errors import InvalidParameters

MOST_PIECES = 20_000
"""Pieces that a session is cut into; some four times what a CDR can hold."""

MOST_LOOKS = 5_000_000
"""Looks at price components for one session: some seconds."""

_BETWEEN_QUESTIONS = 20_000


class TooMuchWork(InvalidParameters):
    """A session that cannot be priced within bounds."""


class OutOfTime(Exception):
    """The deadline passed while a session was priced; it may be priced another time."""


class Work:
    """Counts the work of pricing one session."""

    def __init__(self, most: int = MOST_LOOKS, is_late: Callable[[], bool] | None = None) -> None:
        self.looks = 0
        self._most = most
        self._is_late = is_late
        self._next_question = _BETWEEN_QUESTIONS

    def spend(self, looks: int) -> None:
        """Count looks at price components. Raises: TooMuchWork; OutOfTime when the deadline has passed."""
        self.looks += looks
        if self.looks > self._most:
            text = "the tariff has too many elements for a session as long as this one to be priced"
            raise TooMuchWork(text, field="tariffs")
        if self._is_late is not None and self.looks >= self._next_question:
            self._next_question = self.looks + _BETWEEN_QUESTIONS
            if self._is_late():
                raise OutOfTime("pricing took too long")


def refuse_pieces(count: int, field: str = "tariffs") -> None:
    """Refuse a session that would be cut into too many pieces, before it is. Raises: TooMuchWork."""
    if count > MOST_PIECES:
        text = f"the price may change {count} times in this session: {MOST_PIECES} are priced at most"
        raise TooMuchWork(text, field=field)
