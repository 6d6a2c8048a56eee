"""Compares restrictions without a session: finds those that another element covers or that can never hold.

Source: OCPI 2.2.1 mod_tariffs, TariffRestrictions
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from chalicelib.pricing.restrictions import WEEKDAYS, Restrictions

_DAY = 24 * 60
_LIMITED = ("kwh", "duration", "power", "current")


def covers(earlier: Restrictions | None, later: Restrictions | None) -> bool:
    """Check whether everything that matches `later` matches `earlier` as well.

    Compares one pair only: it does not find an element that two others cover together.
    """
    first, second = earlier or Restrictions(), later or Restrictions()
    if first.doubts or first.reservation != second.reservation:
        return False
    return (
        _window(second) & ~_window(first) == 0
        and all(_covers_range(first, second, name) for name in _LIMITED)
        and _covers_days(first, second)
    )


def _covers_range(first: Restrictions, second: Restrictions, name: str) -> bool:
    low, other_low = getattr(first, f"min_{name}"), getattr(second, f"min_{name}")
    high, other_high = getattr(first, f"max_{name}"), getattr(second, f"max_{name}")
    covers_low = low is None or (other_low is not None and other_low >= low) or _always_from(low, name)
    return covers_low and (high is None or (other_high is not None and other_high <= high))


def _always_from(low: object, name: str) -> bool:
    return low == 0 and name in ("kwh", "duration")


def _covers_days(first: Restrictions, second: Restrictions) -> bool:
    if first.start_date is not None and (second.start_date is None or second.start_date < first.start_date):
        return False
    if first.end_date is not None and (second.end_date is None or second.end_date > first.end_date):
        return False
    week = frozenset(range(len(WEEKDAYS)))
    return (second.weekdays or week) <= (first.weekdays or week)


def _window(restrictions: Restrictions) -> int:
    return _minutes(restrictions.start_minute or 0, restrictions.end_minute or 0)


@lru_cache(2048)
def _minutes(start: int, end: int) -> int:
    """The minutes of the day inside a window, as a bit set."""
    until_start, until_end, all_day = (1 << start) - 1, (1 << end) - 1, (1 << _DAY) - 1
    if start == end:
        return all_day
    return until_end ^ until_start if start < end else all_day ^ until_start | until_end


def is_impossible(restrictions: Restrictions) -> Iterator[tuple[str, str, str]]:
    """Find restrictions that can never hold. Yields code, key and reason."""
    for name in _LIMITED:
        low, high = getattr(restrictions, f"min_{name}"), getattr(restrictions, f"max_{name}")
        if low is not None and high is not None and low >= high:
            yield "restriction_limits_cross", f"max_{name}", f"no value is at least {low} and below {high}"
        elif high is not None and high <= 0 and name in ("kwh", "duration"):
            yield "restriction_never_holds", f"max_{name}", f"no value is below {high}"
    start, end = restrictions.start_date, restrictions.end_date
    if start is not None and end is not None and start >= end:
        yield "restriction_limits_cross", "end_date", f"{end} is excluded and not after {start}"
