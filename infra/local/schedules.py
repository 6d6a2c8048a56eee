"""Reads EventBridge schedule expressions: `rate(1 minute)` and `cron(0 4 * * ? *)`.

Of cron's syntax it knows `*`, `?`, numbers, names, lists, ranges and steps. The special letters (L, W, #) are
refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

_UNITS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_HORIZON = timedelta(days=366 * 5)


class Schedule(Protocol):
    """Due times of a handler."""

    def next_after(self, now: datetime) -> datetime:
        """Return the first due time after `now`, both aware UTC."""
        ...


def parse_schedule(text: str) -> Schedule:
    """Read a schedule expression.

    Raises: ValueError when it is not an expression, or uses unknown syntax.
    """
    if found := re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", text):
        return Rate(int(found[1]) * _UNITS[found[2]])
    if found := re.fullmatch(r"cron\((\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\)", text):
        minute, hour, day, month, weekday, year = found.groups()
        return Cron(
            minutes=_parse_field(minute, 0, 59),
            hours=_parse_field(hour, 0, 23),
            days=_parse_field(day, 1, 31),
            months=_parse_field(month, 1, 12, _MONTHS),
            weekdays=_parse_field(weekday, 1, 7, _DAYS),
            years=_parse_field(year, 1970, 2199),
        )
    raise ValueError(f"not a schedule expression: {text!r}")


@dataclass(frozen=True)
class Rate:
    """Due at a fixed interval, first after one interval."""

    every: timedelta

    def next_after(self, now: datetime) -> datetime:
        return now + self.every


@dataclass(frozen=True)
class Cron:
    """Due at the minutes whose every field matches. Weekdays count from Sunday, 1."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    years: frozenset[int]

    def next_after(self, now: datetime) -> datetime:
        at = now.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
        end = at + _HORIZON
        while at < end:
            if not self._matches_day(at):
                at = at.replace(hour=0, minute=0) + timedelta(days=1)
            elif at.hour not in self.hours:
                at = at.replace(minute=0) + timedelta(hours=1)
            elif at.minute not in self.minutes:
                at += timedelta(minutes=1)
            else:
                return at
        return end

    def _matches_day(self, at: datetime) -> bool:
        weekday = at.isoweekday() % 7 + 1
        return (
            at.day in self.days
            and at.month in self.months
            and weekday in self.weekdays
            and at.year in self.years
        )


def _parse_field(text: str, low: int, high: int, names: Sequence[str] = ()) -> frozenset[int]:
    values: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        if span in ("*", "?"):
            first, last = low, high
        else:
            start, _, stop = span.partition("-")
            first = _number(start, low, names)
            last = _number(stop, low, names) if stop else (high if step else first)
        if not low <= first <= last <= high:
            raise ValueError(f"out of range in a cron expression: {part!r}")
        values.update(range(first, last + 1, int(step or 1)))
    return frozenset(values)


def _number(text: str, low: int, names: Sequence[str]) -> int:
    if text.upper() in names:
        return names.index(text.upper()) + low
    if not text.isdigit():
        raise ValueError(f"not understood in a cron expression: {text!r}")
    return int(text)
