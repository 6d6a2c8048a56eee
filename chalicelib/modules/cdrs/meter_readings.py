"""Conversion of a session's charging periods to the meter readings that the pricing engine needs.

The pricing engine cuts a session wherever its price changes. For that it needs meter readings instead of sums
per period. The charging periods of a CSMS, for example 15 minutes each, give the reading of the meter at
their starts, and `kwh` is the last reading. Two kinds of periods are priced as they are: those with more than
energy and parking (power, current, reserved time, several tariffs), and those that contradict the clock or
the meter (outside the session, hours that differ from the length, energy below 0). The latter get warnings.

Periods with less energy than `kwh` are completed (`last_period.py`). A session whose periods have more has no
price, because either value may be wrong.

Source: OCPI 2.2.1 mod_cdrs, ChargingPeriod; mod_sessions_session_object; CDR-14, CDR-16
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from chalicelib.modules.cdrs.last_period import CompletedPeriods, complete_periods, volume_of, with_rest
from chalicelib.pricing.json_fields import Remark, read_span
from chalicelib.pricing.periods import read_periods
from chalicelib.pricing.pricing_input import CHARGING, SUSPENDED_EV
from chalicelib.protocol.json_text import Document
from chalicelib.protocol.types import fold, format_datetime, sort_key

_NOT_METERED = frozenset(
    {"MIN_POWER", "MAX_POWER", "POWER", "MIN_CURRENT", "MAX_CURRENT", "CURRENT", "RESERVATION_TIME"}
)
_CONTRADICTIONS = frozenset({"volume_disagrees", "period_outside_session", "negative_energy"})


@dataclass(frozen=True, slots=True)
class ToPrice:
    """A session in the form that the pricing engine reads. until: end of its last charging period."""

    session: Document
    until: datetime
    remarks: tuple[Document, ...]


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
