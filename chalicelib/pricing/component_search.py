"""Finds the price component that is active at a moment, fast even for a tariff of many elements.

The active component changes only at the limit of a restriction: an amount of energy, a duration, a time of
day, a date, a day of the week, a power. Between two limits it stays the same. So it is searched once, among
the components whose window is open, and cached. The cache key is the position of the moment between the
limits, found by binary search.

Source: OCPI 2.2.1 mod_tariffs, Tariff Object, TariffRestrictions; TAR-09, TAR-10
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from itertools import chain
from typing import Any

from chalicelib.pricing.json_fields import SECOND_US
from chalicelib.pricing.restrictions import Moment, Restrictions
from chalicelib.pricing.tariffs import ParsedComponent, first_match
from chalicelib.pricing.work_limits import Work

_FEW = 8
"""Up to this number, checking the components one by one is as fast."""

Components = tuple[ParsedComponent, ...]


class Matcher:
    """Finds active components for one session, and counts its work."""

    def __init__(self, work: Work | None = None) -> None:
        self.work = work or Work()
        self._indexes: dict[int, _Index] = {}

    def first(self, components: Components, moment: Moment) -> ParsedComponent | None:
        """Take the first component whose restrictions match. Returns None where the quantity is free."""
        if len(components) > _FEW:
            index = self._indexes.get(id(components))
            if index is None:
                # The index keeps a reference to the components, so Python cannot reuse their id.
                index = self._indexes[id(components)] = _Index(components, self.work)
            if moment.zone is not None or not index.is_local:
                return index.first(moment)
        self.work.spend(len(components) + 1)
        return first_match(components, moment)


class _Index:
    """The components of one dimension, with a cache of those found active."""

    def __init__(self, components: Components, work: Work) -> None:
        self._components, self._work = components, work
        limits = [each.restrictions for each in components if each.restrictions is not None]
        self._kwh = _ascending(value for each in limits for value in (each.min_kwh, each.max_kwh))
        self._durations = _ascending(
            None if value is None else value * SECOND_US
            for each in limits
            for value in (each.min_duration, each.max_duration)
        )
        self._dates = _ascending(value for each in limits for value in (each.start_date, each.end_date))
        self._minutes = _ascending(minute for each in limits for minute in _window(each))
        self.is_local = any(each.has_window or each.has_days for each in limits)
        self._has_weekdays = any(each.weekdays is not None for each in limits)
        self._asks_power = any(each.asks_power for each in limits)
        self._found: dict[tuple[Any, ...], ParsedComponent | None] = {}
        self._open = self._by_window()
        work.spend(len(components) + sum(map(len, self._open)))

    def first(self, moment: Moment) -> ParsedComponent | None:
        self._work.spend(1)
        local = moment.local if self.is_local else None
        minute = bisect_right(self._minutes, local.hour * 60 + local.minute) if local else 0
        power = (moment.min_power, moment.max_power, moment.min_current, moment.max_current)
        place = (
            bisect_right(self._kwh, moment.kwh),
            bisect_right(self._durations, moment.elapsed_us),
            minute,
            local.weekday() if local and self._has_weekdays else None,
            bisect_right(self._dates, local.date()) if local and self._dates else None,
            power if self._asks_power else None,
        )
        if place not in self._found:
            candidates = self._open[minute]
            self._work.spend(len(candidates))
            self._found[place] = first_match(candidates, moment)
        return self._found[place]

    def _by_window(self) -> list[Components]:
        """The components whose window is open, by the position of a time of day between the limits."""
        found: list[list[ParsedComponent]] = [[] for _ in range(len(self._minutes) + 1)]
        for component in self._components:
            for place in self._places(component.restrictions):
                found[place].append(component)
        return [tuple(each) for each in found]

    def _places(self, restrictions: Restrictions | None) -> Iterable[int]:
        count = len(self._minutes) + 1
        if restrictions is None or not restrictions.has_window:
            return range(count)
        start, end = restrictions.start_minute or 0, restrictions.end_minute or 0
        first, after = bisect_right(self._minutes, start), bisect_right(self._minutes, end)
        if start < end:
            return range(first, after)
        # The window runs over midnight, or is the whole day if it ends when it starts.
        return range(count) if start == end else chain(range(after), range(first, count))


def _ascending(values: Iterable[Any]) -> list[Any]:
    return sorted({value for value in values if value is not None})


def _window(restrictions: Restrictions) -> tuple[int, ...]:
    if not restrictions.has_window:
        return ()
    return restrictions.start_minute or 0, restrictions.end_minute or 0
