"""Charging periods of a session: completed up to its end, and converted for the pricing engine.

*Completion.* A CSMS sends charging periods regularly, for example every 15 minutes, and the last meter value
when the session stops. So the session lasts longer than its periods, and its `kwh` is more than the sum of
their energy. The rest of the energy was charged after the last period. It becomes an additional charging
period with the same tariff. If the last period lasts until the end, the rest belongs to that period. If there
is no rest, the time after the last period costs nothing.

*Conversion.* The pricing engine cuts a session wherever its price changes. For that it needs meter readings
instead of sums per period. The charging periods of a CSMS, for example 15 minutes each, give the reading of
the meter at their starts, and `kwh` is the last reading. Two kinds of periods are priced as they are: those
with more than energy and parking (power, current, reserved time, several tariffs), and those that contradict
the clock or the meter (outside the session, hours that differ from the length, energy below 0). The latter
get warnings. A session whose periods have more energy than `kwh` has no price, because either value may be
wrong.

The running cost and the CDR both use this file, so they agree.

Source: OCPI 2.2.1 mod_cdrs, ChargingPeriod; mod_sessions_session_object; SES-14, CDR-14, CDR-16
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from chalicelib.errors import InvalidParameters
from chalicelib.pricing.json_fields import LONGEST, MICROSECOND, Remark, read_span
from chalicelib.pricing.periods import HOURS, agree_with, read_periods
from chalicelib.pricing.pricing_input import CHARGING, SUSPENDED_EV
from chalicelib.protocol.json_text import Document
from chalicelib.protocol.types import fold, format_datetime, parse_datetime, sort_key

_HOUR = timedelta(hours=1)
_EXACT = Decimal("0.0001")
_NOTHING = Decimal(0)
_NOT_METERED = frozenset(
    {"MIN_POWER", "MAX_POWER", "POWER", "MIN_CURRENT", "MAX_CURRENT", "CURRENT", "RESERVATION_TIME"}
)
_CONTRADICTIONS = frozenset({"volume_disagrees", "period_outside_session", "negative_energy"})


@dataclass(frozen=True, slots=True)
class CompletedPeriods:
    """Charging periods of a session in order of time, and the end of the last one.

    rest: kWh that are in no period. unknown: number of periods at the end that lack ENERGY and so may have a
    share of the rest; with 0 or 1 the rest belongs to the last period.
    """

    periods: tuple[Document, ...]
    until: datetime
    rest: Decimal = _NOTHING
    unknown: int = 0
    remarks: tuple[Document, ...] = ()


@dataclass(frozen=True, slots=True)
class ToPrice:
    """A session in the form that the pricing engine reads. until: end of its last charging period."""

    session: Document
    until: datetime
    remarks: tuple[Document, ...]


# -- completion ---------------------------------------------------------------------------------------


def complete_periods(session: Mapping[str, Any]) -> CompletedPeriods:
    """Complete the charging periods of a session that has an end.

    Raises: InvalidParameters when the periods have more energy than `kwh`, or an impossible length.
    """
    end = parse_datetime(session["end_date_time"])
    periods = in_order(session)
    if not periods:
        return CompletedPeriods((), end)
    rest = _rest(session["kwh"], periods)
    until = _end_of_last(periods[-1], end)
    if not rest:
        remarks = (_remark_time(until, end),) if until < end else ()
        return CompletedPeriods(periods, until, remarks=remarks)
    if until < end:
        periods = (*periods, _stretch(periods[-1], until, end))
    return CompletedPeriods(
        periods, end, rest, _count_unknown(periods), (_remark_energy(rest, session["kwh"]),)
    )


def with_rest(completed: CompletedPeriods) -> tuple[Document, ...]:
    """Add the rest of the energy to the last charging period.

    Raises: InvalidParameters when several periods may have a share of it.
    """
    if not completed.rest:
        return completed.periods
    if completed.unknown > 1:
        text = f"the last {completed.unknown} charging periods lack ENERGY: send it with each of them"
        raise InvalidParameters(text, field="charging_periods")
    last = completed.periods[-1]
    energy = {"type": "ENERGY", "volume": volume_of(last, "ENERGY") + completed.rest}
    others = [each for each in last["dimensions"] if each["type"] != "ENERGY"]
    return (*completed.periods[:-1], {**last, "dimensions": [energy, *others]})


def provisional_end(session: Mapping[str, Any]) -> datetime:
    """End to assume for the cost so far of a session that is still running.

    It is `last_updated`, or the end of the last charging period if that is later: the clock of the CSMS may
    be ahead of ours.
    Raises: InvalidParameters when the last period has an impossible length.
    """
    begun, latest = (parse_datetime(session[name]) for name in ("start_date_time", "last_updated"))
    latest, periods = max(begun, latest), in_order(session)
    if not periods:
        return latest
    latest = max(latest, parse_datetime(periods[-1]["start_date_time"]))
    if _agrees(periods[-1], latest):
        return latest
    return max(latest, begun, _hours_end(periods[-1]))


def in_order(session: Mapping[str, Any]) -> tuple[Document, ...]:
    """Sort the charging periods of a session by time."""
    periods: Sequence[Document] = session.get("charging_periods") or ()
    return tuple(sorted(periods, key=lambda period: sort_key(period["start_date_time"])))


def has_all_energy(kwh: Decimal, priced: Decimal, count: int) -> bool:
    """Return whether the priced energy equals `kwh`, but for rounding. count: number of charging periods."""
    return abs(kwh - priced) <= _EXACT * (count + 1)


def volume_of(period: Mapping[str, Any], dimension: str) -> Decimal:
    """Volume of a dimension in a period; 0 when the period lacks it."""
    volumes = (each["volume"] for each in period["dimensions"] if each["type"] == dimension)
    return sum(volumes, _NOTHING)


def _rest(kwh: Decimal, periods: Sequence[Document]) -> Decimal:
    known = sum((volume_of(period, "ENERGY") for period in periods), _NOTHING)
    if has_all_energy(kwh, known, len(periods)):
        return _NOTHING
    if kwh < known:
        text = f"the charging periods have {known} kWh, and the session {kwh} kWh"
        raise InvalidParameters(text, field="kwh")
    return kwh - known


def _end_of_last(last: Mapping[str, Any], end: datetime) -> datetime:
    """End of the last period by its hours; the end of the session when they are missing or reach it."""
    begun = parse_datetime(last["start_date_time"])
    if begun >= end or not any(_hours_of(last).values()) or _agrees(last, end):
        return end
    return min(_hours_end(last), end)


def _agrees(period: Mapping[str, Any], end: datetime) -> bool:
    length_us = (end - parse_datetime(period["start_date_time"])) // MICROSECOND
    return agree_with(_hours_of(period), length_us)


def _hours_of(period: Mapping[str, Any]) -> dict[str, Decimal]:
    return {kind: volume_of(period, kind) for kind in HOURS}


def _hours_end(period: Mapping[str, Any]) -> datetime:
    hours = sum(_hours_of(period).values(), _NOTHING)
    if not 0 <= hours <= LONGEST // _HOUR:
        raise InvalidParameters(f"a charging period of {hours} h", field="charging_periods")
    return parse_datetime(period["start_date_time"]) + timedelta(seconds=round(hours * 3600))


def _stretch(last: Document, begun: datetime, end: datetime) -> Document:
    hours = (Decimal((end - begun) // timedelta(milliseconds=1)) / 3_600_000).quantize(_EXACT)
    dimensions = [{"type": "TIME", "volume": hours}]
    return {**last, "start_date_time": format_datetime(begun), "dimensions": dimensions}


def _count_unknown(periods: Sequence[Document]) -> int:
    """Count the charging (not parked or reserved) periods at the end that lack ENERGY."""
    count = 0
    for period in reversed(periods):
        if {"ENERGY", "PARKING_TIME", "RESERVATION_TIME"} & {each["type"] for each in period["dimensions"]}:
            break
        count += 1
    return count


def _remark_energy(rest: Decimal, kwh: Decimal) -> Document:
    text = f"{rest} kWh of {kwh} kWh are in no charging period: they were charged after the last reading"
    return {"code": "energy_after_periods", "field": "kwh", "message": text}


def _remark_time(until: datetime, end: datetime) -> Document:
    text = f"no energy flowed after the last charging period, which ended {end - until} before the session"
    return {"code": "time_after_periods", "field": "charging_periods", "message": text}


# -- conversion ---------------------------------------------------------------------------------------


def to_price(
    session: Mapping[str, Any], time_zone: str | None, reserved_from: str | None, profile: str | None
) -> ToPrice:
    """Convert a session that has ended for the pricing engine, with warnings.

    reserved_from: start of the reservation; None without one. profile: `profile_type` of the preferences.
    Raises: InvalidParameters when its energy cannot be assigned.
    """
    completed = complete_periods(session)
    request: Document = {
        "start_date_time": session["start_date_time"],
        "end_date_time": format_datetime(completed.until) if completed.periods else session["end_date_time"],
    }
    request |= {"time_zone": time_zone} if time_zone else {}
    request |= {"charging_preferences": profile} if profile else {}
    request |= _reservation(session, reserved_from)
    if _are_readings(completed.periods) and not _contradict(request, completed.periods):
        request |= {**_readings(request, session["kwh"], completed), **_tariff(completed.periods)}
    else:
        request |= {"charging_periods": list(with_rest(completed))}
    return ToPrice(request, completed.until, completed.remarks)


def _reservation(session: Mapping[str, Any], reserved_from: str | None) -> Document:
    if reserved_from is None:
        return {}
    if sort_key(reserved_from) < sort_key(session["start_date_time"]):
        return {"reservation": {"start_date_time": reserved_from}}
    if session["kwh"] == 0 and not session.get("charging_periods"):
        # The reservation was never used.
        end = session["end_date_time"]
        return {"reservation": {"start_date_time": reserved_from, "end_date_time": end, "expired": True}}
    return {}


def _are_readings(periods: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether periods hold only what meter readings and charging states can express."""
    if not periods:
        return True
    types = {dimension["type"] for period in periods for dimension in period["dimensions"]}
    tariffs = {fold(period.get("tariff_id") or "") for period in periods}
    is_mixed = any(volume_of(period, "TIME") and volume_of(period, "PARKING_TIME") for period in periods)
    return not types & _NOT_METERED and len(tariffs) == 1 and not is_mixed


def _contradict(session: Mapping[str, Any], periods: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether periods have times or energies that contradict the clock or the meter."""
    remarks: list[Remark] = []
    read_periods(periods, *read_span(session), None, "charging_periods", remarks)
    return any(remark.code in _CONTRADICTIONS for remark in remarks)


def _readings(request: Document, kwh: Decimal, completed: CompletedPeriods) -> Document:
    """Meter readings and charging states of a session; no readings between periods that lack ENERGY."""
    register = Decimal(0)
    meter = [{"at": request["start_date_time"], "kwh": register}]
    states = []
    known = len(completed.periods) - max(completed.unknown - 1, 0)
    for number, period in enumerate(completed.periods):
        if number < known and sort_key(period["start_date_time"]) > sort_key(meter[-1]["at"]):
            # Of several periods with the same start only the last has a length, so it gets all their energy.
            meter.append({"at": period["start_date_time"], "kwh": register})
        state = SUSPENDED_EV if volume_of(period, "PARKING_TIME") else CHARGING
        states.append({"at": period["start_date_time"], "state": state})
        register += volume_of(period, "ENERGY")
    meter.append({"at": request["end_date_time"], "kwh": max(kwh, register)})
    return {"meter_readings": meter, "charging_states": states}


def _tariff(periods: Sequence[Mapping[str, Any]]) -> Document:
    named = periods[0].get("tariff_id") if periods else None
    return {"tariff_id": named} if named else {}
