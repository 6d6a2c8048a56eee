"""Reads the charging periods of sessions and CDRs, and computes the exact duration of each dimension.

Hours have four decimals in OCPI, so five minutes arrive as 0.0834 h, which is 300.24 s: one step too
many. The timestamps of a period are exact. They are taken if the volume agrees with them to its own
precision.

Source: OCPI 2.2.1 mod_cdrs, ChargingPeriod, CdrDimension and CdrDimensionType; CDR-14, CDR-15, CDR-16
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from chalicelib.errors import InvalidParameters
from chalicelib.pricing.json_fields import (
    HOUR_US,
    LONGEST,
    MICROSECOND,
    SECOND_US,
    Remark,
    read_decimal,
    read_list,
    read_moment,
    read_object,
    read_text,
)
from chalicelib.pricing.pricing_input import Period
from chalicelib.pricing.tariffs import ENERGY, PARKING_TIME, TIME, ParsedTariff

HOURS = ("TIME", "PARKING_TIME", "RESERVATION_TIME")
# The average of a session is used for both bounds, unless they are given.
_BOUNDS = {
    "POWER": ("min_power", "max_power"),
    "CURRENT": ("min_current", "max_current"),
    "MIN_POWER": ("min_power",),
    "MAX_POWER": ("max_power",),
    "MIN_CURRENT": ("min_current",),
    "MAX_CURRENT": ("max_current",),
}
SESSION_ONLY = ("CURRENT", "ENERGY_EXPORT", "ENERGY_IMPORT", "POWER", "STATE_OF_CHARGE")
_SUMMED = frozenset({"ENERGY", *HOURS})
_KNOWN = _SUMMED.union(_BOUNDS, SESSION_ONLY)


def read_periods(
    value: object,
    start: datetime,
    end: datetime,
    tariffs: Mapping[str, ParsedTariff] | None,
    at: str,
    remarks: list[Remark],
) -> list[Period]:
    """Read charging periods in order of time; each lasts until the next one, the last one until `end`.

    start, end: of the session. tariffs: by id in upper case; None leaves all periods without a tariff.
    Raises: InvalidParameters for a field that cannot be read or an unknown tariff.
    """
    documents = [read_object(each, f"{at}.{number}") for number, each in enumerate(read_list(value, at))]
    starts = [
        read_moment(document.get("start_date_time"), f"{at}.{number}.start_date_time")
        for number, document in enumerate(documents)
    ]
    order = sorted(range(len(starts)), key=starts.__getitem__)
    if order != list(range(len(starts))):
        remarks.append(Remark("periods_out_of_order", at, "the charging periods are not in order of time"))
    periods = []
    for number, position in enumerate(order):
        begin = starts[position]
        until = starts[order[number + 1]] if number + 1 < len(order) else max(end, begin)
        document, where = documents[position], f"{at}.{position}"
        _judge_start(begin, start, end, f"{where}.start_date_time", remarks)
        tariff = _tariff_of(document.get("tariff_id"), tariffs, f"{where}.tariff_id")
        period = _read_dimensions(document.get("dimensions"), Period(begin, until, tariff, at=where), remarks)
        periods += _split_reservation(period, remarks)
    if periods and periods[0].start > start:
        text = "the first charging period starts after the session"
        remarks.append(Remark("gap_before_periods", f"{periods[0].at}.start_date_time", text))
    return periods


def _judge_start(begin: datetime, start: datetime, end: datetime, at: str, remarks: list[Remark]) -> None:
    """Warn of a period that starts outside its session. Raises: InvalidParameters if more than a year."""
    if not start - LONGEST <= begin <= end + LONGEST:
        text = "the charging period is more than a year away from the session"
        raise InvalidParameters(text, field=at)
    if not start <= begin <= end:
        text = "the charging period starts outside the session"
        remarks.append(Remark("period_outside_session", at, text))


def remark_missing(periods: Sequence[Period], remarks: list[Remark], at: str) -> None:
    """Warn of dimensions that have a price and occur in no period: they cost nothing."""
    charging = [period for period in periods if not period.is_reserved and period.tariff is not None]
    priced = {dimension for period in charging if period.tariff for dimension in period.tariff.charging}
    if ENERGY in priced and all(period.kwh is None for period in charging):
        remarks.append(Remark("no_energy", at, "energy has a price, but no period has the dimension ENERGY"))
    is_timed = any(period.charging_us or period.parking_us for period in charging)
    lasts = any(period.end > period.start for period in charging)
    if {TIME, PARKING_TIME} & priced and lasts and not is_timed:
        text = "time has a price, but no period has the dimension TIME or PARKING_TIME"
        remarks.append(Remark("no_time", at, text))


def _tariff_of(tariff_id: Any, tariffs: Mapping[str, ParsedTariff] | None, at: str) -> ParsedTariff | None:
    if tariff_id is None or tariffs is None:
        return None
    tariff = tariffs.get(read_text(tariff_id, at).upper())
    if tariff is None:
        raise InvalidParameters(f"the tariff {tariff_id!r} is not given", field=at)
    return tariff


def _read_dimensions(value: object, period: Period, remarks: list[Remark]) -> Period:
    at = f"{period.at}.dimensions"
    dimensions = read_list(value, at)
    if not dimensions:
        remarks.append(Remark("no_dimensions", at, "the period has no dimensions"))
    volumes: dict[str, Decimal] = {}
    paths: dict[str, str] = {}
    for number, each in enumerate(dimensions):
        kind, volume = _read_dimension(each, f"{at}.{number}", remarks)
        volumes[kind] = volumes[kind] + volume if kind in volumes and kind in _SUMMED else volume
        paths[kind] = f"{at}.{number}.volume"
    return _with_volumes(period, volumes, paths, remarks)


def _read_dimension(value: object, at: str, remarks: list[Remark]) -> tuple[str, Decimal]:
    dimension = read_object(value, at)
    kind = read_text(dimension.get("type"), f"{at}.type")
    volume = _read_volume(dimension.get("volume"), f"{at}.volume", remarks)
    if volume < 0 and kind in HOURS:
        raise InvalidParameters("a duration is not negative", field=f"{at}.volume")
    if volume < 0 and kind == "ENERGY":
        text = f"{volume} kWh: more energy went to the grid than came from it"
        remarks.append(Remark("negative_energy", f"{at}.volume", text))
    elif kind not in _KNOWN:
        text = f"{kind!r} is not a dimension of charging periods, it is left out"
        remarks.append(Remark("unknown_dimension", f"{at}.type", text))
    return kind, volume


def _with_volumes(
    period: Period, volumes: Mapping[str, Decimal], paths: Mapping[str, str], remarks: list[Remark]
) -> Period:
    hours = {kind: volumes[kind] for kind in HOURS if kind in volumes}
    length_us = (period.end - period.start) // MICROSECOND
    lengths = _measure(hours, length_us, paths, remarks) if hours else {}
    return Period(
        period.start,
        period.end,
        period.tariff,
        volumes.get("ENERGY"),
        lengths.get("TIME", 0),
        lengths.get("PARKING_TIME", 0),
        lengths.get("RESERVATION_TIME", 0),
        "RESERVATION_TIME" in hours,
        at=period.at,
        **{field: volumes[kind] for kind, fields in _BOUNDS.items() if kind in volumes for field in fields},
    )


def _read_volume(value: object, at: str, remarks: list[Remark]) -> Decimal:
    if isinstance(value, str):
        # MOBI.E has sent volumes as strings (docs/mobie.md); all others send numbers.
        try:
            number = read_decimal(Decimal(value), at)
        except InvalidOperation as error:
            raise InvalidParameters(f"{value[:40]!r} is not a number", field=at) from error
        remarks.append(Remark("volume_as_text", at, "the volume is a string, OCPI has numbers"))
        return number
    return read_decimal(value, at)


def _measure(
    hours: Mapping[str, Decimal], length_us: int, paths: Mapping[str, str], remarks: list[Remark]
) -> dict[str, int]:
    """Turn the hours of a period into microseconds."""
    lasting = [kind for kind in HOURS if hours.get(kind)]
    if not lasting and len(hours) == 1 and "RESERVATION_TIME" not in hours and length_us < _UNSEEN_US:
        # Too short for four decimals, but the period may be the last one, whose step_size counts.
        return dict.fromkeys(hours, max(length_us, 0))
    agrees = agree_with(hours, length_us)
    lengths = {kind: _snap(hours[kind]) for kind in lasting}
    if agrees:
        rest = lasting[-1]
        if abs(sum(lengths.values()) - length_us) > len(lasting) * _FOUR_DECIMALS * HOUR_US:
            text = f"the hours are coarse, the {_hours(length_us)} h of the timestamps are taken"
            remarks.append(Remark("coarse_volume", paths[rest], text))
        lengths[rest] = length_us - sum(us for kind, us in lengths.items() if kind != rest)
    elif lasting:
        text = " + ".join(f"{kind} {hours[kind].normalize():f} h" for kind in lasting)
        text += f", but the period lasts {_hours(length_us)} h; the volume is taken"
        remarks.append(Remark("volume_disagrees", paths[lasting[-1]], text))
    return lengths


def agree_with(hours: Mapping[str, Decimal], length_us: int) -> bool:
    """Check whether the hours of a period, by dimension, add up to its length within their precision."""
    lasting = [kind for kind in HOURS if hours.get(kind)]
    if not lasting:
        return False
    total_us = sum((hours[kind] * HOUR_US for kind in lasting), Decimal(0))
    allowed_us = sum((_precision(hours[kind]) * HOUR_US for kind in lasting), Decimal(0))
    return abs(total_us - length_us) <= allowed_us


def _precision(hours: Decimal) -> Decimal:
    """Largest error of a number of hours, derived from its decimals.

    Spec: numbers have four decimals. Three may also be cut off or rounded up; two are taken as rounded.
    Fewer decimals are an exact number, such as 0.5.
    """
    decimals = -int(hours.as_tuple().exponent)
    return _PRECISIONS.get(decimals, _FOUR_DECIMALS)


_FOUR_DECIMALS = Decimal("0.0001")
_UNSEEN_US = int(_FOUR_DECIMALS * HOUR_US)
_PRECISIONS = {2: Decimal("0.005"), 3: Decimal("0.001")}


def _snap(hours: Decimal) -> int:
    """Turn hours into microseconds: the whole second if there is one within four decimals of an hour."""
    us = hours * HOUR_US
    second = round(us / SECOND_US) * SECOND_US
    return second if abs(us - second) <= _FOUR_DECIMALS * HOUR_US else round(us)


def _hours(us: int) -> str:
    return f"{Decimal(us) / HOUR_US:.4f}"


def _split_reservation(period: Period, remarks: list[Remark]) -> list[Period]:
    """Split a period that has both reserved time and charging."""
    if not period.is_reserved or not (period.kwh or period.charging_us or period.parking_us):
        return [period]
    text = "reserved time and charging share a charging period"
    remarks.append(Remark("reservation_shares_period", period.at, text))
    start = min(period.start + timedelta(microseconds=period.reserved_us), period.end)
    reserved = Period(
        period.start, start, period.tariff, reserved_us=period.reserved_us, is_reserved=True, at=period.at
    )
    return [reserved, replace(period, start=start, reserved_us=0, is_reserved=False)]
