"""Cuts a session into charging periods: a new one begins exactly where the price changes.

1. Cut wherever something might change: clocks and calendar, duration, energy, power, charging or parking,
   the tariff.
2. Find the active price components at the start of each piece.
3. Join neighbours that have the same ones.

So daylight saving, windows over midnight and elements that hide one another need no special rules.

Source: OCPI 2.2.1 mod_cdrs_charging_period; CDR-14
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

from chalicelib.pricing.component_search import Matcher
from chalicelib.pricing.json_fields import MICROSECOND, SECOND_US
from chalicelib.pricing.local_time import local_instants
from chalicelib.pricing.meter import Meter
from chalicelib.pricing.pricing_input import (
    SUSPENDED_EV,
    Period,
    ReservedTime,
    Telemetry,
    Usage,
    join_periods,
)
from chalicelib.pricing.restrictions import Moment
from chalicelib.pricing.tariffs import (
    ENERGY,
    FLAT,
    PARKING_TIME,
    TIME,
    ParsedComponent,
    ParsedTariff,
)
from chalicelib.pricing.work_limits import refuse_pieces


def cut_periods(telemetry: Telemetry, tariff: ParsedTariff, matcher: Matcher | None = None) -> Usage:
    """Compile the charging periods of a session, its reservation first.

    tariff: the one at the start. The meter is interpolated where the price changes between readings.
    Raises: TooMuchWork when there would be too many periods.
    """
    matcher = matcher or Matcher()
    reservation = telemetry.reservation
    zone = telemetry.zone
    reserved = cut_reservation(reservation, telemetry.start, zone, tariff, matcher) if reservation else []
    if reservation is not None and reservation.is_expired:
        return Usage(reservation.end, reservation.end, zone, reserved, is_expired=True, is_compiled=True)
    periods = [*reserved, *_Cutter(telemetry, tariff, matcher).periods()]
    return Usage(telemetry.start, telemetry.end, zone, periods, is_compiled=True)


def cut_reservation(
    reservation: ReservedTime,
    session_start: datetime,
    zone: ZoneInfo | None,
    tariff: ParsedTariff,
    matcher: Matcher,
) -> list[Period]:
    """Compile the charging periods of a reservation. Raises: TooMuchWork."""
    start, end = reservation.start, reservation.end
    refuse_pieces(len(tariff.duration_limits) + _days(start, end) * len(tariff.day_minutes))
    candidates = tariff.expired if reservation.is_expired else tariff.reserved
    cuts = {start, end, *_after(start, tariff.duration_limits, end)}
    if zone is not None and tariff.day_minutes:
        cuts.update(local_instants(tariff.day_minutes, start, end, zone))
    instants = sorted(cut for cut in cuts if start <= cut <= end)
    periods: list[Period] = []
    active: Hashable = None
    for begin, until in pairwise(instants if len(instants) > 1 else [start, end]):
        moment = Moment(begin, zone, Decimal(0), (begin - start) // MICROSECOND)
        matching = tuple(matcher.first(candidates.get(each, ()), moment) for each in (TIME, FLAT))
        if periods and matching == active:
            begin = periods.pop().start
        us = (until - begin) // MICROSECOND
        periods.append(Period(begin, until, tariff, reserved_us=us, is_reserved=True))
        active = matching
    if not reservation.is_expired and end < session_start:
        # A period lasts until the next one starts. So the time between reservation and session needs a period
        # of its own, with no reserved time.
        periods.append(Period(end, session_start, tariff, is_reserved=True))
    return periods


def _after(start: datetime, durations: Sequence[int], end: datetime) -> Iterator[datetime]:
    length_us = (end - start) // MICROSECOND
    return (start + timedelta(seconds=each) for each in durations if each * SECOND_US < length_us)


def _days(start: datetime, end: datetime) -> int:
    """An upper bound on how often a time of day occurs between two instants."""
    return (end - start).days + 2


@dataclass(frozen=True, slots=True)
class _Piece:
    """A period before it is joined with its neighbours; pieces with equal `active` can be joined."""

    period: Period
    active: tuple[object, ...]


class _Cutter:
    """Cuts the session of a telemetry, without its reservation."""

    def __init__(self, telemetry: Telemetry, tariff: ParsedTariff, matcher: Matcher) -> None:
        self._telemetry, self._matcher = telemetry, matcher
        self._start, self._end, self._zone = telemetry.start, telemetry.end, telemetry.zone
        self._meter = Meter(telemetry.meter_readings, telemetry.kwh_decimals)
        self._first_kwh = self._meter.kwh_at(self._start)
        changes = sorted(telemetry.tariff_changes.items(), key=lambda change: change[0])
        self._tariffs = [(self._start, tariff), *changes]
        self._tariff_times = [at for at, _ in self._tariffs]
        # The first measurement holds from the start on: there is no better information.
        self._state_times = [at for at, _ in telemetry.charging_states]
        self._power_times = [at for at, _ in telemetry.power_readings[1:]]

    def periods(self) -> Iterator[Period]:
        """Cut into pieces, then join neighbours with the same active components."""
        last: _Piece | None = None
        for piece in self._pieces():
            if last is None or piece.active != last.active:
                if last is not None:
                    yield last.period
                last = piece
            else:
                last = _Piece(join_periods(last.period, piece.period), piece.active)
        if last is not None:
            yield last.period

    def _pieces(self) -> Iterator[_Piece]:
        self._refuse_too_many()
        exact_kwh = self._energy_instants()
        instants = sorted({self._start, self._end, *self._instants(), *exact_kwh})
        kwh = Decimal(0)
        flat: ParsedComponent | None = None
        for begin, until in pairwise(instants if len(instants) > 1 else [self._start, self._end]):
            kwh_until = exact_kwh.get(until)
            if kwh_until is None:
                kwh_until = max(kwh, self._meter.kwh_at(until) - self._first_kwh)
            period = self._period(begin, until, kwh_until - kwh)
            moment = Moment(
                begin,
                self._zone,
                kwh,
                (begin - self._start) // MICROSECOND,
                period.min_power,
                period.max_power,
            )
            assert period.tariff is not None
            # A flat fee is due once, so later flat fees do not matter. But a fee that depends on power keeps
            # its own period: joined with later ones, the period would have their power too.
            is_due = flat is None
            flat = flat or self._matcher.first(period.tariff.charging.get(FLAT, ()), moment)
            fee = (flat, is_due and flat is not None and flat.asks_power)
            yield _Piece(period, (period.tariff, period.parking_us > 0, fee, *self._active(period, moment)))
            kwh = kwh_until

    def _refuse_too_many(self) -> None:
        tariffs = [tariff for _, tariff in self._tariffs]
        readings = (self._state_times, self._tariff_times, self._power_times)
        limits = sum(len(each.duration_limits) + len(each.kwh_limits) for each in tariffs)
        minutes = sum(len(each.day_minutes) for each in tariffs)
        refuse_pieces(sum(map(len, readings)) + limits + _days(self._start, self._end) * minutes)

    def _instants(self) -> Iterator[datetime]:
        for at in (*self._state_times, *self._tariff_times):
            yield from self._inside(at)
        for _, tariff in self._tariffs:
            yield from _after(self._start, tariff.duration_limits, self._end)
        minutes = {minute for _, tariff in self._tariffs for minute in tariff.day_minutes}
        if self._zone is not None and minutes:
            yield from local_instants(sorted(minutes), self._start, self._end, self._zone)
        if any(tariff.asks_power for _, tariff in self._tariffs):
            for at in self._power_times:
                yield from self._inside(at)

    def _inside(self, at: datetime) -> Sequence[datetime]:
        return (at,) if self._start < at < self._end else ()

    def _energy_instants(self) -> dict[datetime, Decimal]:
        """The instants at which the energy so far reaches a limit, each with the exact limit in kWh."""
        reached = {}
        for kwh in sorted({kwh for _, tariff in self._tariffs for kwh in tariff.kwh_limits}):
            at = self._meter.reaches(self._first_kwh + kwh)
            if at is not None and self._start < at < self._end:
                reached[at] = kwh
        return reached

    def _active(self, period: Period, moment: Moment) -> Iterator[object]:
        assert period.tariff is not None
        candidates = period.tariff.charging
        if period.kwh and ENERGY in candidates:
            yield self._matcher.first(candidates[ENERGY], moment)
        yield self._matcher.first(candidates.get(PARKING_TIME if period.parking_us else TIME, ()), moment)

    def _period(self, begin: datetime, until: datetime, kwh: Decimal) -> Period:
        us = (until - begin) // MICROSECOND
        tariff = self._tariffs[bisect_right(self._tariff_times, begin) - 1][1]
        number = bisect_right(self._state_times, begin)
        is_parking = number > 0 and self._telemetry.charging_states[number - 1][1] == SUSPENDED_EV
        power = None
        if tariff.asks_power and self._telemetry.power_readings:
            power = self._telemetry.power_readings[bisect_right(self._power_times, begin)][1]
        return Period(
            begin,
            until,
            tariff,
            kwh if self._telemetry.meter_readings else None,
            charging_us=0 if is_parking else us,
            parking_us=us if is_parking else 0,
            min_power=power,
            max_power=power,
        )
