"""Interpolates a meter between its readings: energy flows evenly from one reading to the next.

The price may change between two readings, and OCPI lets the CPO interpolate there. Before the first
reading and after the last one, no energy is assumed to flow.

Source: OCPI 2.2.1 mod_cdrs, ChargingPeriod; CDR-14
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property

from chalicelib.pricing.json_fields import MICROSECOND


@dataclass(frozen=True)
class Meter:
    """Readings in kWh, ascending in time and value; `decimals` are those of interpolated kWh."""

    readings: Sequence[tuple[datetime, Decimal]]
    decimals: int = 9

    @cached_property
    def _times(self) -> list[datetime]:
        return [at for at, _ in self.readings]

    @cached_property
    def _values(self) -> list[Decimal]:
        return [kwh for _, kwh in self.readings]

    def kwh_at(self, moment: datetime) -> Decimal:
        """Return the kWh that the meter showed at a moment."""
        times, values = self._times, self._values
        after = bisect_right(times, moment)
        if after == 0 or after == len(times):
            return (values[0] if after == 0 else values[-1]) if values else Decimal(0)
        before = after - 1
        passed, whole = (moment - times[before]) // MICROSECOND, (times[after] - times[before]) // MICROSECOND
        if passed == 0 or values[before] == values[after]:
            return values[before]
        return round(values[before] + (values[after] - values[before]) * passed / whole, self.decimals)

    def reaches(self, kwh: Decimal) -> datetime | None:
        """Find when the meter first showed an amount, to the millisecond. Returns None if it never did."""
        times, values = self._times, self._values
        after = bisect_left(values, kwh)
        if after == len(values) or after == 0:
            return times[0] if values and after == 0 else None
        before = after - 1
        share = (kwh - values[before]) / (values[after] - values[before])
        ms = share * ((times[after] - times[before]) // MICROSECOND) / 1000
        return times[before] + timedelta(milliseconds=int(round(ms, 0)))
