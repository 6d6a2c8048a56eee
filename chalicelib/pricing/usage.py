"""What happened, as far as a price depends on it: charging periods, or the telemetry they are cut from.

Instants are aware UTC datetimes; durations are whole microseconds, so that no sum of them depends on
how it was added up.

Source: OCPI 2.2.1 mod_cdrs, ChargingPeriod and CdrDimensionType; CDR-14, CDR-16
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from chalicelib.pricing.choice import Wish
from chalicelib.pricing.tariffs import Tariff

CHARGING, SUSPENDED_EV, SUSPENDED_EVSE = "Charging", "SuspendedEV", "SuspendedEVSE"


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of a session that is priced as a whole, by what is active when it starts.

    tariff: None where no tariff is relevant. at: path of what it was read from.
    """

    start: datetime
    end: datetime
    tariff: Tariff | None = None
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


@dataclass(frozen=True, slots=True)
class Usage:
    """A session, or a reservation, in charging periods.

    start: of the session without its reservation; equal to `end` where a reservation was not used.
    is_compiled: whether the periods are cut by us, so that no price changes within one.
    """

    start: datetime
    end: datetime
    zone: ZoneInfo | None
    periods: Sequence[Period]
    is_expired: bool = False
    is_compiled: bool = False


@dataclass(frozen=True, slots=True)
class Reservation:
    """From when until when it was reserved; it expired if no session came of it."""

    start: datetime
    end: datetime
    is_expired: bool


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What was measured during a session; for one that goes on, `end` is now.

    meter_readings: register in kWh. charging_states: since when the state is one of the three.
    power_readings: kW, each holds until the next. tariff_changes: since when another tariff applies.
    kwh_decimals: how exactly the meter is interpolated; 4 for what is sent as OCPI numbers.
    """

    start: datetime
    end: datetime
    zone: ZoneInfo | None
    meter_readings: Sequence[tuple[datetime, Decimal]] = ()
    charging_states: Sequence[tuple[datetime, str]] = ()
    power_readings: Sequence[tuple[datetime, Decimal]] = ()
    reservation: Reservation | None = None
    tariff_changes: Mapping[datetime, Tariff] = field(default_factory=dict)
    wish: Wish = Wish()
    kwh_decimals: int = 9
