"""Finds impossible energy, hours and times in a session or a CDR.

A CDR never changes, so a wrong one needs a credit CDR. Meters report Wh where OCPI has kWh, clocks are wrong
by years, and minutes are sent as hours. So quantities are checked here before a session is billed. A session
with impossible ones is held back for the operator. `price` and `verify` warn of the same.

The bounds allow for errors of clocks and meters: five minutes, and 25 % more power than the connector has.
For a connector of unknown power, the bound is the most that chargers of its power type give.

Source: OCPI 2.2.1 mod_cdrs, CDR Object; mod_locations, Connector, PowerType; SES-10, CDR-16, TRP-32
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from chalicelib.errors import InvalidParameters
from chalicelib.pricing.json_fields import (
    HOUR_US,
    MICROSECOND,
    JsonObject,
    Remark,
    read_list,
    read_moment,
    read_object,
    round_number,
    write_moment,
)

CLOCKS = timedelta(minutes=5)
"""Largest accepted error of a clock."""

MOST_KW = Decimal(4000)
"""Upper bound for all chargers: the megawatt charging system stays below it."""

_MOST_KW_BY_TYPE = {
    "AC_1_PHASE": Decimal(25),
    "AC_2_PHASE": Decimal(50),
    "AC_2_PHASE_SPLIT": Decimal(50),
    "AC_3_PHASE": Decimal(100),
    "DC": MOST_KW,
}
_PHASES = {"AC_2_PHASE": 2, "AC_2_PHASE_SPLIT": 2, "AC_3_PHASE": 3}
_LEAST_KW = Decimal(1)
"""Less than this is a placeholder, or a value in kW where OCPI has W."""

_POWER_MARGIN = Decimal("1.25")
_TIME_MARGIN = Decimal("1.02")
_NONE = Decimal(0)


class Implausible(InvalidParameters):
    """A session that reports impossible quantities; the operator may release it for billing."""

    default_message = "impossible quantities"


def power_kw(connector: Mapping[str, object]) -> Decimal | None:
    """Return the maximum power of a connector; None where it has no usable value (1 V and 1 A, for example).

    The larger of `max_electric_power` and voltage times current counts, as the first is sometimes in kW.
    """
    watts = connector.get("max_electric_power")
    volts, amperes = connector.get("max_voltage"), connector.get("max_amperage")
    found = _NONE
    if isinstance(watts, int | Decimal):
        found = Decimal(watts)
    if isinstance(volts, int | Decimal) and isinstance(amperes, int | Decimal):
        # Spec: for AC_3_PHASE the voltage is the one between line and neutral.
        found = max(found, Decimal(volts) * amperes * _PHASES.get(str(connector.get("power_type")), 1))
    kw = found / 1000
    return kw if kw >= _LEAST_KW else None


def usual_power_kw(power_type: object) -> Decimal:
    """Return the most power that chargers of a power type give; of all types where it is unknown."""
    return _MOST_KW_BY_TYPE.get(str(power_type), MOST_KW)


def find_impossible(
    document: JsonObject,
    kwh: Decimal | int,
    max_kw: Decimal = MOST_KW,
    begins: datetime | None = None,
    now: datetime | None = None,
    at: str = "",
) -> Iterator[Remark]:
    """Find what is impossible in a session or a CDR that has ended.

    kwh: its energy. begins: start of its reservation, if it had one. now: None allows an end in the future.
    at: prefix of its field names.
    Raises: InvalidParameters for a field that cannot be read.
    """
    start = read_moment(document.get("start_date_time"), f"{at}start_date_time")
    end = read_moment(document.get("end_date_time"), f"{at}end_date_time")
    if end < start:
        yield Remark("end_before_start", f"{at}end_date_time", "the end is before the start")
        return
    if now is not None and end > now + CLOCKS:
        text = f"the end is in the future: {write_moment(end)}, and it is {write_moment(now)}"
        yield Remark("end_in_future", f"{at}end_date_time", text)
    periods = [
        read_object(each, f"{at}charging_periods") for each in read_list(document.get("charging_periods"), at)
    ]
    first = start if begins is None else min(begins, start)
    for number, period in enumerate(periods):
        where = f"{at}charging_periods.{number}.start_date_time"
        if not first - CLOCKS <= read_moment(period.get("start_date_time"), where) <= end + CLOCKS:
            yield Remark("period_outside_session", where, "the charging period starts outside the session")
            break
    charged, given_back = _energy_both_ways(periods)
    yield from _judge_energy(max(abs(Decimal(kwh)), charged, given_back), end - start, max_kw, at)
    yield from _judge_hours(_sum(periods, "TIME") + _sum(periods, "PARKING_TIME"), end - first, at)


def _judge_energy(kwh: Decimal, length: timedelta, max_kw: Decimal, at: str) -> Iterator[Remark]:
    if kwh <= _hours(length + CLOCKS) * max_kw * _POWER_MARGIN:
        return
    text = f"{kwh.normalize():f} kWh in {_hours(length):.4f} h is more than a charger of "
    yield Remark("odd_energy", f"{at}kwh", f"{text}{round_number(max_kw, 3)} kW gives: are they Wh?")


def _judge_hours(hours: Decimal, length: timedelta, at: str) -> Iterator[Remark]:
    if hours <= _hours(length + CLOCKS) * _TIME_MARGIN:
        return
    text = f"the charging periods last {hours} h, and the session {_hours(length):.4f} h: are they minutes?"
    yield Remark("odd_hours", f"{at}charging_periods", text)


def _energy_both_ways(periods: list[JsonObject]) -> tuple[Decimal, Decimal]:
    """Energy that the vehicle took, and energy that it gave back, over all periods."""
    return _sum(periods, "ENERGY"), -sum((each for each in _volumes(periods, "ENERGY") if each < 0), _NONE)


def _sum(periods: list[JsonObject], kind: str) -> Decimal:
    """Sum of the positive volumes of a dimension over all periods."""
    return sum((each for each in _volumes(periods, kind) if each > 0), _NONE)


def _volumes(periods: list[JsonObject], kind: str) -> Iterator[Decimal]:
    for period in periods:
        for dimension in read_list(period.get("dimensions"), "dimensions"):
            if isinstance(dimension, Mapping) and dimension.get("type") == kind:
                volume = dimension.get("volume")
                if isinstance(volume, int | Decimal):
                    yield Decimal(volume)


def _hours(length: timedelta) -> Decimal:
    return Decimal(length // MICROSECOND) / HOUR_US
