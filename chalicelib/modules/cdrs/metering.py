"""A session's charging periods as what they were measured from, so that a price can be found for it.

The pricing engine cuts a session wherever its price changes, and for that it needs the meter, not sums. A
CSMS's periods, a quarter of an hour each, say, are readings of the meter at their starts, and `kwh` is the
last one. Where periods tell more than energy and parking (power, current, reserved time, several tariffs)
they are taken as they stand; so are those that contradict the clock or the meter (outside the session, hours
that the period does not last, energy below 0), with the engine's warnings.

Periods that do not add up to `kwh`: less, and the rest was charged after the last reading, which the CDR's
breakdown remarks; more, and nobody can tell which is right, so there is no price.

Source: OCPI 2.2.1 mod_cdrs, ChargingPeriod; mod_sessions_session_object; CDR-14, CDR-16
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from chalicelib.errors import InvalidParameters, NotEnoughInformation
from chalicelib.pricing.periods import read_periods
from chalicelib.pricing.reading import Remark, read_span
from chalicelib.protocol.types import fold, sort_key

Document = dict[str, Any]

_TOO_MUCH = frozenset(
    {"MIN_POWER", "MAX_POWER", "POWER", "MIN_CURRENT", "MAX_CURRENT", "CURRENT", "RESERVATION_TIME"}
)
_CONTRADICTIONS = frozenset({"volume_disagrees", "period_outside_session", "negative_energy"})
_EXACT = Decimal("0.0001")


def to_price(
    session: Mapping[str, Any], time_zone: str | None, reserved_from: str | None, profile: str | None
) -> tuple[Document, list[Document]]:
    """The session as the pricing engine asks for it, and what is to be remarked.

    reserved_from: since when it was reserved, None when it was not. profile: what the driver prefers.
    Raises: InvalidParameters, NotEnoughInformation when its energy cannot be told.
    """
    if session.get("end_date_time") is None:
        raise NotEnoughInformation("the session has no end", field="end_date_time")
    periods = sorted(
        session.get("charging_periods") or (), key=lambda period: sort_key(period["start_date_time"])
    )
    asked: Document = {
        "start_date_time": session["start_date_time"],
        "end_date_time": session["end_date_time"],
    }
    asked |= {"time_zone": time_zone} if time_zone else {}
    asked |= {"charging_preferences": profile} if profile else {}
    asked |= _reservation(session, reserved_from)
    energies = [volume_of(period, "ENERGY") for period in periods]
    remarks = _judge(session["kwh"], sum(energies, Decimal(0)), len(periods))
    if not periods or (_are_readings(periods) and not _contradict(session, periods)):
        return {**asked, **_readings(session, periods, energies), **_tariff(periods)}, remarks
    if remarks:
        raise InvalidParameters(remarks[0]["message"], field="charging_periods")
    return {**asked, "charging_periods": periods}, []


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


def _judge(kwh: Decimal, told: Decimal, count: int) -> list[Document]:
    difference = kwh - told
    if not count or told == 0 or has_all_energy(kwh, told, count):
        return []
    if difference < 0:
        text = f"the charging periods tell {told} kWh, and the session {kwh} kWh"
        raise InvalidParameters(text, field="kwh")
    text = f"the charging periods tell {told} kWh of {kwh} kWh: the rest was charged in the last of them"
    return [{"code": "energy_after_periods", "field": "kwh", "message": text}]


def has_all_energy(kwh: Decimal, priced: Decimal, count: int) -> bool:
    """Tell whether what was priced is what the session's `kwh` tells. count: of its charging periods."""
    return abs(kwh - priced) <= _EXACT * (count + 1)


def _are_readings(periods: Sequence[Mapping[str, Any]]) -> bool:
    """Whether periods tell no more than the meter and whether the vehicle wanted energy."""
    types = {dimension["type"] for period in periods for dimension in period["dimensions"]}
    tariffs = {fold(period.get("tariff_id") or "") for period in periods}
    is_mixed = any(volume_of(period, "TIME") and volume_of(period, "PARKING_TIME") for period in periods)
    return not types & _TOO_MUCH and len(tariffs) == 1 and not is_mixed


def _contradict(session: Mapping[str, Any], periods: Sequence[Mapping[str, Any]]) -> bool:
    """Whether periods tell of times or energies that no meter shows."""
    remarks: list[Remark] = []
    read_periods(periods, *read_span(session), None, "charging_periods", remarks)
    return any(remark.code in _CONTRADICTIONS for remark in remarks)


def _readings(
    session: Mapping[str, Any], periods: Sequence[Mapping[str, Any]], energies: Sequence[Decimal]
) -> Document:
    register = Decimal(0)
    meter = [{"at": session["start_date_time"], "kwh": register}]
    states = []
    for period, energy in zip(periods, energies, strict=True):
        if sort_key(period["start_date_time"]) > sort_key(meter[-1]["at"]):
            # Of several periods that begin at once, all but the last have no length: the last has it all.
            meter.append({"at": period["start_date_time"], "kwh": register})
        state = "SuspendedEV" if volume_of(period, "PARKING_TIME") else "Charging"
        states.append({"at": period["start_date_time"], "state": state})
        register += energy
    meter.append({"at": session["end_date_time"], "kwh": max(session["kwh"], register)})
    return {"meter_readings": meter, "charging_states": states}


def _tariff(periods: Sequence[Mapping[str, Any]]) -> Document:
    named = periods[0].get("tariff_id") if periods else None
    return {"tariff_id": named} if named else {}


def volume_of(period: Mapping[str, Any], dimension: str) -> Decimal:
    """How much of a dimension a period tells, 0 where it tells nothing."""
    volumes = (each["volume"] for each in period["dimensions"] if each["type"] == dimension)
    return sum(volumes, Decimal(0))
