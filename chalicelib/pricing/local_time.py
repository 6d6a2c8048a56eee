"""Instants at which the local clock of a location reaches a time of day, or is changed.

A local time may occur twice in one night or not at all, and where clocks change at midnight a day has no
midnight. So every instant that may matter is returned, and the caller asks the tariff which components are
active there. An instant too many does no harm.

Source: OCPI 2.2.1 mod_tariffs, TariffRestrictions; TAR-12
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)
# No place changes its clocks forth and back within so short a time.
_BETWEEN_CHANGES = timedelta(days=7)


def local_instants(
    minutes: Sequence[int], start: datetime, end: datetime, zone: ZoneInfo
) -> Iterator[datetime]:
    """Find when clocks show given times of day or are changed, strictly between two instants.

    minutes: times of day in minutes since midnight.

    >>> [str(each) for each in local_instants(
    ...     [90], datetime(2026, 10, 25, 0, 0, tzinfo=UTC), datetime(2026, 10, 25, 3, 0, tzinfo=UTC),
    ...     ZoneInfo("Europe/Lisbon"))]
    ['2026-10-25 00:30:00+00:00', '2026-10-25 01:00:00+00:00', '2026-10-25 01:30:00+00:00']
    """
    changes = list(_clock_changes(start, end, zone))
    by = _by_the_zone if changes else _by_the_offset
    instants = by(sorted(minutes), start, end, zone)
    return iter(sorted(instant for instant in {*changes, *instants} if start < instant < end))


def _by_the_zone(
    minutes: Sequence[int], start: datetime, end: datetime, zone: ZoneInfo
) -> Iterator[datetime]:
    times = [time(minute // 60, minute % 60) for minute in minutes]
    day, last = start.astimezone(zone).date() - _DAY, end.astimezone(zone).date() + _DAY
    while day <= last:
        for each in times:
            for fold in (0, 1):
                yield datetime.combine(day, each, zone).replace(fold=fold).astimezone(UTC)
        day += _DAY


def _by_the_offset(
    minutes: Sequence[int], start: datetime, end: datetime, zone: ZoneInfo
) -> Iterator[datetime]:
    """Faster variant (ten times) for the usual case that clocks do not change in between.

    minutes: ascending.
    """
    local, local_end = start.astimezone(zone), end.astimezone(zone)
    offset = local.utcoffset() or timedelta(0)
    day, last = local.date(), local_end.date()
    first = bisect_left(minutes, local.hour * 60 + local.minute)
    while day <= last:
        until = len(minutes) if day < last else bisect_right(minutes, local_end.hour * 60 + local_end.minute)
        midnight = datetime.combine(day, time(0), UTC) - offset
        for minute in minutes[first:until]:
            yield midnight + timedelta(minutes=minute)
        day, first = day + _DAY, 0


def _clock_changes(start: datetime, end: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    while start < end:
        step = min(start + _BETWEEN_CHANGES, end)
        if start.astimezone(zone).utcoffset() != step.astimezone(zone).utcoffset():
            yield _clock_change(start, step, zone)
        start = step


def _clock_change(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    offset = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) / 2
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after.replace(microsecond=0)


def passes(minutes: Sequence[int], local: datetime, end: datetime) -> bool:
    """Check quickly whether one of the times of day may lie strictly between two instants.

    local: the first instant, in local time.
    """
    local_end = end.astimezone(local.tzinfo)
    if local.utcoffset() != local_end.utcoffset():
        return True
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    number = bisect_right(minutes, local.hour * 60 + local.minute)
    minute = minutes[number] if number < len(minutes) else minutes[0] + 24 * 60
    return midnight + timedelta(minutes=minute) < local_end.replace(tzinfo=None)
