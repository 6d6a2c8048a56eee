"""The instants at which a location's clocks and calendar pass what a tariff asks about.

A local time may come twice in one night or not at all, and where clocks change at midnight a day has
no midnight. So every instant that may matter is told, and whoever cuts by it asks the tariff what
is active there; an instant too many does no harm.

Source: OCPI 2.2.1 mod_tariffs, TariffRestrictions; TAR-12
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)
# Nowhere do clocks change twice within so short a time and end up as they were.
_BETWEEN_CHANGES = timedelta(days=7)


def local_instants(
    minutes: Sequence[int], start: datetime, end: datetime, zone: ZoneInfo
) -> Iterator[datetime]:
    """Find when the clocks show a time of day, strictly between two instants, and when they are changed.

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
    """The same where clocks are not changed, which is nearly always, and ten times as fast.

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
    """Tell quickly whether one of the times of day may lie strictly between two instants.

    local: the first, on the location's clocks.
    """
    local_end = end.astimezone(local.tzinfo)
    if local.utcoffset() != local_end.utcoffset():
        return True
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    number = bisect_right(minutes, local.hour * 60 + local.minute)
    minute = minutes[number] if number < len(minutes) else minutes[0] + 24 * 60
    return midnight + timedelta(minutes=minute) < local_end.replace(tzinfo=None)
