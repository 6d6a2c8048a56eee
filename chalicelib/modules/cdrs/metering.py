"""A session's charging periods as the meter readings that they were made of, so that a price can be found.

The pricing engine cuts a session wherever its price changes. For that it needs the meter, not sums. The
charging periods of a CSMS, a quarter of an hour each, say, are readings of the meter at their starts, and
`kwh` is the last reading. Where periods have more than energy and parking (power, current, reserved time,
several tariffs) they are priced as they are. So are those that contradict the clock or the meter (outside the
session, hours that the period does not last, energy below 0), with the engine's warnings.

Periods with less energy than `kwh` are completed (`last_period.py`). Periods with more have no price, since
nobody can say which of the two is right.

Source: OCPI 2.2.1 mod_cdrs, ChargingPeriod; mod_sessions_session_object; CDR-14, CDR-16
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from chalicelib.errors import NotEnoughInformation
from chalicelib.modules.cdrs.last_period import Covered, cover, volume_of, with_rest
from chalicelib.pricing.periods import read_periods
from chalicelib.pricing.reading import Remark, read_span
from chalicelib.protocol.types import fold, format_datetime, sort_key

Document = dict[str, Any]

_TOO_MUCH = frozenset(
    {"MIN_POWER", "MAX_POWER", "POWER", "MIN_CURRENT", "MAX_CURRENT", "CURRENT", "RESERVATION_TIME"}
)
_CONTRADICTIONS = frozenset({"volume_disagrees", "period_outside_session", "negative_energy"})


@dataclass(frozen=True, slots=True)
class ToPrice:
    """A session as the pricing engine asks for it. until: where its last charging period ends."""

    session: Document
    until: datetime
    remarks: tuple[Document, ...]


def to_price(
    session: Mapping[str, Any], time_zone: str | None, reserved_from: str | None, profile: str | None
) -> ToPrice:
    """Read from a session that has ended what to price and what to remark on.

    reserved_from: since when it was reserved, None when it was not. profile: what the driver prefers.
    Raises: InvalidParameters, NotEnoughInformation when its energy cannot be found.
    """
    if session.get("end_date_time") is None:
        raise NotEnoughInformation("the session has no end", field="end_date_time")
    covered = cover(session)
    asked: Document = {
        "start_date_time": session["start_date_time"],
        "end_date_time": format_datetime(covered.until) if covered.periods else session["end_date_time"],
    }
    asked |= {"time_zone": time_zone} if time_zone else {}
    asked |= {"charging_preferences": profile} if profile else {}
    asked |= _reservation(session, reserved_from)
    if _are_readings(covered.periods) and not _contradict(asked, covered.periods):
        asked |= {**_readings(asked, session["kwh"], covered), **_tariff(covered.periods)}
    else:
        asked |= {"charging_periods": list(with_rest(covered))}
    return ToPrice(asked, covered.until, covered.remarks)


def _reservation(session: Mapping[str, Any], reserved_from: str | None) -> Document:
    if reserved_from is None:
        return {}
    if sort_key(reserved_from) < sort_key(session["start_date_time"]):
        return {"reservation": {"start_date_time": reserved_from}}
    if session["kwh"] == 0 and not session.get("charging_periods"):
        # It was never used.
        end = session["end_date_time"]
        return {"reservation": {"start_date_time": reserved_from, "end_date_time": end, "expired": True}}
    return {}


def _are_readings(periods: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether periods have no more than the meter, and whether the vehicle wanted energy."""
    if not periods:
        return True
    types = {dimension["type"] for period in periods for dimension in period["dimensions"]}
    tariffs = {fold(period.get("tariff_id") or "") for period in periods}
    is_mixed = any(volume_of(period, "TIME") and volume_of(period, "PARKING_TIME") for period in periods)
    return not types & _TOO_MUCH and len(tariffs) == 1 and not is_mixed


def _contradict(session: Mapping[str, Any], periods: Sequence[Mapping[str, Any]]) -> bool:
    """Whether periods tell of times or energies that no meter shows."""
    remarks: list[Remark] = []
    read_periods(periods, *read_span(session), None, "charging_periods", remarks)
    return any(remark.code in _CONTRADICTIONS for remark in remarks)


def _readings(asked: Document, kwh: Decimal, covered: Covered) -> Document:
    """The meter and the states of a session. What it showed between periods without ENERGY nobody knows."""
    register = Decimal(0)
    meter = [{"at": asked["start_date_time"], "kwh": register}]
    states = []
    known = len(covered.periods) - max(covered.unknown - 1, 0)
    for number, period in enumerate(covered.periods):
        if number < known and sort_key(period["start_date_time"]) > sort_key(meter[-1]["at"]):
            # Of several periods that begin at once, all but the last have no length: the last has it all.
            meter.append({"at": period["start_date_time"], "kwh": register})
        state = "SuspendedEV" if volume_of(period, "PARKING_TIME") else "Charging"
        states.append({"at": period["start_date_time"], "state": state})
        register += volume_of(period, "ENERGY")
    meter.append({"at": asked["end_date_time"], "kwh": max(kwh, register)})
    return {"meter_readings": meter, "charging_states": states}


def _tariff(periods: Sequence[Mapping[str, Any]]) -> Document:
    named = periods[0].get("tariff_id") if periods else None
    return {"tariff_id": named} if named else {}
