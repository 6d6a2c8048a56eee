"""Spans of `last_updated`, as text that sorts by time.

A span is split at midnights into whole days, which have counters, and at most two partial days.

Source: OCPI 2.2.1 transport_and_format, Paginated Request; PAG-02, PAG-03
"""

from __future__ import annotations

from typing import NamedTuple

_FIRST, _LAST = "0", "~"
"""Texts that sort before and after every sort key."""


class Span(NamedTuple):
    """A span from `start`, inclusive, to `end`, exclusive; sort keys, or `_FIRST` and `_LAST`."""

    start: str = _FIRST
    end: str = _LAST

    @classmethod
    def of(cls, date_from: str | None, date_to: str | None) -> Span:
        """Make the span of OCPI's two parameters."""
        return cls(date_from or _FIRST, date_to or _LAST)

    @property
    def is_empty(self) -> bool:
        """Return whether the span can contain no time."""
        return self.start >= self.end

    @property
    def bounds(self) -> tuple[str, str]:
        """The bounds for BETWEEN, which includes both."""
        return self.start, before(self.end)

    def __contains__(self, last_updated: object) -> bool:
        return isinstance(last_updated, str) and self.start <= last_updated < self.end

    def parts(self) -> tuple[Span | None, tuple[str, str], Span | None]:
        """Split into a partial first day, whole days, and a partial last day.

        The whole days sort after the first text and before the second. A span within one day is
        returned as the partial first day.
        """
        first, last = self.start[:10], self.end[:10]
        if self.is_empty:
            return None, (first, first), None
        starts_whole = self.start in (_FIRST, midnight(first))
        ends_whole = self.end in (_LAST, midnight(last))
        if first == last:
            return self, (first, first), None
        head = None if starts_whole else Span(self.start, f"{first}{_LAST}")
        tail = None if ends_whole else Span(midnight(last), self.end)
        return head, (before(first) if starts_whole else first, last), tail


def midnight(day: str) -> str:
    """The sort key at which a day begins."""
    return f"{day}T00:00:00.000000"


def before(text: str) -> str:
    """Return a text that sorts just below `text`, above all other sort keys below it.

    >>> before("2026-11-20T00:00:09.500000")
    '2026-11-20T00:00:09.50000/~'
    """
    return text[:-1] + chr(ord(text[-1]) - 1) + _LAST
