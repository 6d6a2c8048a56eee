"""Input of pricing: charging periods of a session, or the telemetry that they are cut from.

Instants are aware UTC datetimes. Durations are whole microseconds, so that sums are exact in any order.

Source: OCPI 2.2.1 mod_cdrs, ChargingPeriod and CdrDimensionType; CDR-14, CDR-16
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from chalicelib.pricing.tariff_choice import Wish
from chalicelib.pricing.tariffs import ParsedTariff

CHARGING, SUSPENDED_EV, SUSPENDED_EVSE = "Charging", "SuspendedEV", "SuspendedEVSE"


@dataclass(frozen=True, slots=True)
class Period:
    """Part of a session that is priced by the components that are active at its start.

    tariff: None if the period is free. at: dotted path of the charging period that it was read from.
    """

    start: datetime
    end: datetime
    tariff: ParsedTariff | None = None
    kwh: Decimal | None = None
    charging_us: int = 0
    parking_us: int = 0
    reserved_us: int = 0
    is_reserved: bool = False
    min_power: Decimal | None = None
    max_power: Decimal | None = None
    min_current: Decimal | None = None
    max_current: Decimal | None = None
    at: str = ""


def join_periods(first: Period, second: Period) -> Period:
    """Join two neighbouring periods into one of the tariff of the first."""
    return replace(
        first,
        end=second.end,
        kwh=None if first.kwh is None or second.kwh is None else first.kwh + second.kwh,
        charging_us=first.charging_us + second.charging_us,
        parking_us=first.parking_us + second.parking_us,
        reserved_us=first.reserved_us + second.reserved_us,
        min_power=_least(first.min_power, second.min_power),
        max_power=_most(first.max_power, second.max_power),
        min_current=_least(first.min_current, second.min_current),
        max_current=_most(first.max_current, second.max_current),
    )


def _least(first: Decimal | None, second: Decimal | None) -> Decimal | None:
    return None if first is None or second is None else min(first, second)


def _most(first: Decimal | None, second: Decimal | None) -> Decimal | None:
    return None if first is None or second is None else max(first, second)


@dataclass(frozen=True, slots=True)
class Usage:
    """A session, or a reservation, in charging periods.

    start: of the session without its reservation; equal to `end` where a reservation was not used.
    is_compiled: true if this node cut the periods, so that no price changes within one.
    """

    start: datetime
    end: datetime
    zone: ZoneInfo | None
    periods: Sequence[Period]
    is_expired: bool = False
    is_compiled: bool = False


@dataclass(frozen=True, slots=True)
class ReservedTime:
    """Time that a charge point was reserved; it is expired if no session followed."""

    start: datetime
    end: datetime
    is_expired: bool


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Measurements of a session; for an active session, `end` is now.

    meter_readings: time and register in kWh. charging_states: start and name of each state.
    power_readings: time and kW, each valid until the next. tariff_changes: tariffs by the start of their use.
    kwh_decimals: decimals of interpolated energy; 4 for energy that is sent as OCPI numbers.
    """

    start: datetime
    end: datetime
    zone: ZoneInfo | None
    meter_readings: Sequence[tuple[datetime, Decimal]] = ()
    charging_states: Sequence[tuple[datetime, str]] = ()
    power_readings: Sequence[tuple[datetime, Decimal]] = ()
    reservation: ReservedTime | None = None
    tariff_changes: Mapping[datetime, ParsedTariff] = field(default_factory=dict)
    wish: Wish = Wish()
    kwh_decimals: int = 9
