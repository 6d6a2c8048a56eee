"""Reads what a person or an operator asks a price for: tariffs, and a session in periods or telemetry.

The document is `{"tariffs": [Tariff …], "session": {…}}`. A session has `start_date_time`,
`end_date_time`, `time_zone`, and either OCPI's `charging_periods` or telemetry, all optional:
`meter_readings` [{"at", "kwh"}] of the register, `charging_states` [{"at", "state"}] (Charging,
SuspendedEV, SuspendedEVSE), `power_readings` [{"at", "kw"}]. Also `tariff_id`, `charging_preferences`,
`ad_hoc_payment`, and `reservation` {"start_date_time", "end_date_time", "expired"}.

Beside both, `"time_prices_per_minute": true` takes the prices of TIME and PARKING_TIME per minute, as some
platforms mean them, and not per hour, as OCPI says.

Source: OCPI 2.2.1 mod_tariffs, mod_cdrs, mod_sessions
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import TypeVar

from chalicelib.errors import InvalidParameters
from chalicelib.pricing.choice import Wish, choose_tariff
from chalicelib.pricing.costs import Priced, price_usage
from chalicelib.pricing.cutting import cut_periods, cut_reservation
from chalicelib.pricing.matching import Matcher
from chalicelib.pricing.periods import read_periods, remark_missing
from chalicelib.pricing.plausibility import find_impossible
from chalicelib.pricing.reading import (
    Document,
    Remark,
    read_decimal,
    read_flag,
    read_list,
    read_moment,
    read_object,
    read_span,
    read_text,
    read_zone,
    write_moment,
)
from chalicelib.pricing.rounding import round_energy
from chalicelib.pricing.tariffs import ENERGY, Tariff, read_tariff, with_time_prices_per_minute
from chalicelib.pricing.usage import (
    CHARGING,
    SUSPENDED_EV,
    SUSPENDED_EVSE,
    Period,
    Reservation,
    Telemetry,
    Usage,
)
from chalicelib.pricing.work import Work

TIME_PRICES_PER_MINUTE = "time_prices_per_minute"
STATES = (CHARGING, SUSPENDED_EV, SUSPENDED_EVSE)
PROFILE_TYPES = ("CHEAP", "FAST", "GREEN", "REGULAR")

Value = TypeVar("Value")


def price_request(document: object, kwh_decimals: int = 9, work: Work | None = None) -> Priced:
    """Price the session of a request.

    kwh_decimals: how exactly energy is interpolated and priced; 4 for periods that are sent as OCPI numbers,
    so that who computes their cost again comes to the same. work: what it may cost.
    Raises: InvalidParameters and NotEnoughInformation, with the field, when no price can be told.
    """
    remarks: list[Remark] = []
    body = read_object(document, "body")
    per_minute = read_flag(body.get(TIME_PRICES_PER_MINUTE), TIME_PRICES_PER_MINUTE)
    tariffs = read_tariffs(body.get("tariffs"), remarks, per_minute)
    session = read_object(body.get("session"), "session")
    telemetry = replace(read_telemetry(session, remarks), kwh_decimals=kwh_decimals)
    matcher = Matcher(work)
    if session.get("charging_periods"):
        usage = _ready_usage(session, tariffs, telemetry, remarks, matcher)
        _remark_impossible(session, telemetry, remarks)
        return _price(usage, kwh_decimals, remarks, matcher)
    _remark_impossible(session, telemetry, remarks)
    return price_telemetry(tariffs, telemetry, remarks, matcher)


def _remark_impossible(session: Document, telemetry: Telemetry, remarks: list[Remark]) -> None:
    """Warn of quantities that a session cannot have had; the connector is not known here."""
    if session.get("start_date_time") is None:
        return
    readings, reservation = telemetry.meter_readings, telemetry.reservation
    kwh = readings[-1][1] - readings[0][1] if readings else Decimal(0)
    found = find_impossible(session, kwh, begins=reservation.start if reservation else None, at="session.")
    known = {remark.code for remark in remarks}
    remarks += [remark for remark in found if remark.code not in known]


def price_telemetry(
    tariffs: Sequence[Tariff],
    telemetry: Telemetry,
    remarks: Sequence[Remark],
    matcher: Matcher,
) -> Priced:
    """Choose the tariff, cut the session into charging periods, price it; for one that goes on, until now.

    Raises: InvalidParameters and NotEnoughInformation when no price can be told.
    """
    told = list(remarks)
    tariff = choose_tariff(tariffs, telemetry.start, telemetry.wish, told)
    _remark_meter(telemetry, tariff, told)
    return _price(cut_periods(telemetry, tariff, matcher), telemetry.kwh_decimals, told, matcher)


def _price(usage: Usage, kwh_decimals: int, remarks: Sequence[Remark], matcher: Matcher) -> Priced:
    return price_usage(replace(usage, periods=round_energy(usage.periods, kwh_decimals)), remarks, matcher)


def read_tariffs(value: object, remarks: list[Remark], time_prices_per_minute: bool = False) -> list[Tariff]:
    """Read the tariffs of a connector. Raises: InvalidParameters."""
    at = "tariffs"
    tariffs = [
        read_tariff(each, f"{at}.{number}", remarks) for number, each in enumerate(read_list(value, at))
    ]
    return [with_time_prices_per_minute(each) for each in tariffs] if time_prices_per_minute else tariffs


def read_telemetry(session: Document, remarks: list[Remark]) -> Telemetry:
    """Read what was measured during a session. Raises: InvalidParameters."""
    reservation, is_expired = None, False
    if session.get("reservation") is not None:
        reservation = read_object(session["reservation"], "session.reservation")
        is_expired = read_flag(reservation.get("expired"), "session.reservation.expired")
    if reservation is not None and is_expired and session.get("start_date_time") is None:
        # There was no session: its times are those of the reservation.
        start, end = read_span(reservation, "session.reservation.")
    else:
        start, end = read_span(session, "session.")
    zone = session.get("time_zone")
    telemetry = Telemetry(
        start,
        end,
        None if zone is None else read_zone(zone, "session.time_zone"),
        _read_series(session, "meter_readings", "kwh", read_decimal, remarks),
        _read_series(session, "charging_states", "state", _read_state, remarks),
        _read_series(session, "power_readings", "kw", read_decimal, remarks),
        wish=_read_wish(session),
    )
    _refuse_backwards(telemetry)
    if reservation is None:
        return telemetry
    return _with_reservation(telemetry, reservation, is_expired, remarks)


def _read_series(
    session: Document, key: str, value_key: str, read: Callable[[object, str], Value], remarks: list[Remark]
) -> list[tuple[datetime, Value]]:
    """Read a list of what was seen when, in the order of time; of two at once the last one counts."""
    at = f"session.{key}"
    series = []
    for number, each in enumerate(read_list(session.get(key), at)):
        reading = read_object(each, f"{at}.{number}")
        moment = read_moment(reading.get("at"), f"{at}.{number}.at")
        series.append((moment, read(reading.get(value_key), f"{at}.{number}.{value_key}")))
    ordered = sorted(series, key=lambda seen: seen[0])
    if ordered != series:
        remarks.append(Remark(f"{key}_out_of_order", at, "they are not in order of time"))
    if any(before[0] == after[0] and before[1] != after[1] for before, after in pairwise(ordered)):
        remarks.append(Remark(f"{key}_at_once", at, "two that differ are of one moment, the last one counts"))
    return list(dict(ordered).items())


def _read_state(value: object, at: str) -> str:
    if value not in STATES:
        raise InvalidParameters(f"{value!r} is none of {', '.join(STATES)}", field=at)
    return str(value)


def _read_wish(session: Document) -> Wish:
    at = "session.charging_preferences"
    preferences = session.get("charging_preferences")
    profile = preferences
    if preferences is not None and not isinstance(preferences, str):
        profile = read_object(preferences, at).get("profile_type")
    if profile is not None and profile not in PROFILE_TYPES:
        told = f"{profile!r} is none of {', '.join(PROFILE_TYPES)}"
        raise InvalidParameters(told, field=f"{at}.profile_type")
    tariff_id = session.get("tariff_id")
    return Wish(
        None if tariff_id is None else read_text(tariff_id, "session.tariff_id"),
        profile,
        read_flag(session.get("ad_hoc_payment"), "session.ad_hoc_payment"),
    )


def _refuse_backwards(telemetry: Telemetry) -> None:
    # Spec: a session's kwh may go down (corrections, TRP-36); but between two prices nobody could tell
    # which of them the energy that went missing was billed at.
    for (_, before), (at, kwh) in pairwise(telemetry.meter_readings):
        if kwh < before:
            raise InvalidParameters(
                f"the meter runs backwards: {kwh} kWh at {write_moment(at)}, after {before} kWh",
                field="session.meter_readings",
            )


def _with_reservation(
    telemetry: Telemetry, reservation: Document, is_expired: bool, remarks: list[Remark]
) -> Telemetry:
    at = "session.reservation"
    if reservation.get("end_date_time") is None and not is_expired:
        reservation = {**reservation, "end_date_time": write_moment(telemetry.start)}
    start, end = read_span(reservation, f"{at}.")
    if is_expired:
        if any(kwh != telemetry.meter_readings[0][1] for _, kwh in telemetry.meter_readings):
            told = "energy was charged although the reservation expired: only the reservation is priced"
            remarks.append(Remark("expired_but_charged", f"{at}.expired", told))
        return replace(telemetry, reservation=Reservation(start, end, True))
    if start < telemetry.start:
        # It ends when the driver starts to charge, however long it would have held.
        return replace(telemetry, reservation=Reservation(start, min(end, telemetry.start), False))
    if end > telemetry.end:
        raise InvalidParameters("the reservation ends after the session", field=f"{at}.end_date_time")
    if end > telemetry.start:
        told = "the session starts with its reservation, as a CDR does: charging starts when that ends"
        remarks.append(Remark("reservation_within_session", f"{at}.end_date_time", told))
    return replace(telemetry, start=end, reservation=Reservation(start, end, False))


def _ready_usage(
    session: Document,
    tariffs: Sequence[Tariff],
    telemetry: Telemetry,
    remarks: list[Remark],
    matcher: Matcher,
) -> Usage:
    reservation = telemetry.reservation
    first = min(telemetry.start, reservation.start) if reservation else telemetry.start
    periods = read_periods(
        session["charging_periods"],
        first,
        telemetry.end,
        tariffs_by_id(tariffs, telemetry.start),
        "session.charging_periods",
        remarks,
    )
    periods = with_tariff(periods, tariffs, telemetry.start, telemetry.wish, remarks)
    remark_missing(periods, remarks, "session.charging_periods")
    is_expired = reservation is not None and reservation.is_expired
    if reservation is not None and not any(period.is_reserved for period in periods):
        tariff = next((period.tariff for period in periods if period.tariff), None)
        if tariff is not None:
            reserved = cut_reservation(reservation, telemetry.start, telemetry.zone, tariff, matcher)
            periods = [*reserved, *([] if is_expired else periods)]
    return usage_of(periods, telemetry, is_expired)


def tariffs_by_id(tariffs: Sequence[Tariff], start: datetime) -> dict[str, Tariff]:
    """Tariffs by their folded id; of two with one id the one valid at the start counts, or the first."""
    found: dict[str, Tariff] = {}
    for tariff in tariffs:
        first = found.setdefault(tariff.id.upper(), tariff)
        if not first.is_valid_at(start) and tariff.is_valid_at(start):
            found[tariff.id.upper()] = tariff
    return found


def with_tariff(
    periods: list[Period],
    tariffs: Sequence[Tariff],
    start: datetime,
    wish: Wish,
    remarks: list[Remark],
) -> list[Period]:
    """Leave unpriced the periods that name no tariff, unless none of them does.

    Spec: "If not provided, no Tariff is relevant during this period". But where nobody names a tariff
    nobody says that some periods are free, and the tariff of the session is taken for all.
    """
    _remark_validity(periods, start, remarks)
    unnamed = [period for period in periods if period.tariff is None]
    if not unnamed:
        return periods
    where = f"{unnamed[0].at}.tariff_id"
    if len(unnamed) < len(periods):
        told = f"{len(unnamed)} charging periods name no tariff and cost nothing"
        remarks.append(Remark("period_without_tariff", where, told))
        return periods
    tariff = choose_tariff(tariffs, start, wish, remarks)
    told = f"no charging period names a tariff: {tariff.id!r} is taken for all"
    remarks.append(Remark("no_period_names_a_tariff", where, told))
    return [replace(period, tariff=tariff) for period in periods]


def _remark_validity(periods: Sequence[Period], start: datetime, remarks: list[Remark]) -> None:
    """Say which tariffs were valid neither when the session started nor when a period of theirs did."""
    told: set[str] = set()
    for period in periods:
        tariff = period.tariff
        if tariff is None or tariff.id in told or (tariff.start is None and tariff.end is None):
            continue
        if not tariff.is_valid_at(start) and not tariff.is_valid_at(period.start):
            told.add(tariff.id)
            message = f"the tariff {tariff.id!r} is not valid at the start of the session"
            remarks.append(Remark("tariff_not_valid", f"{period.at}.tariff_id", message))


def usage_of(periods: Sequence[Period], telemetry: Telemetry, is_expired: bool) -> Usage:
    """Tell when the session itself started: after the periods that were reserved."""
    charging = [period for period in periods if not period.is_reserved]
    end = max(telemetry.end, telemetry.start)
    if not charging:
        return Usage(end, end, telemetry.zone, periods, is_expired)
    start = charging[0].start if periods[0].is_reserved else telemetry.start
    return Usage(start, end, telemetry.zone, periods, is_expired)


def _remark_meter(telemetry: Telemetry, tariff: Tariff, remarks: list[Remark]) -> None:
    """Say where energy may have flowed that no reading tells of."""
    if telemetry.reservation is not None and telemetry.reservation.is_expired:
        return
    at = "session.meter_readings"
    readings = telemetry.meter_readings
    if len(readings) < 2:
        if ENERGY in tariff.charging:
            told = "energy has a price, but fewer than two readings tell how much it was: none is billed"
            remarks.append(Remark("no_meter_readings", at, told))
        return
    first, last = readings[0], readings[-1]
    if first[0] > telemetry.start and first[1] > 0:
        remarks.append(Remark("no_first_reading", f"{at}.0.at", "the first reading is later than the start"))
    state = CHARGING
    for at_state, name in telemetry.charging_states:
        if at_state <= last[0]:
            state = name
    if last[0] < telemetry.end and state == CHARGING and last[1] > first[1]:
        where = f"{at}.{len(readings) - 1}.at"
        remarks.append(Remark("no_last_reading", where, "it was charging after the last reading"))
