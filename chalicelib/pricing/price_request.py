"""Reads and prices a request: tariffs, and a session with charging periods or telemetry.

The document is `{"tariffs": [Tariff …], "session": {…}}`. A session has `start_date_time`,
`end_date_time`, `time_zone`, and either OCPI's `charging_periods` or telemetry, all optional:
`meter_readings` [{"at", "kwh"}] of the register, `charging_states` [{"at", "state"}] (Charging,
SuspendedEV, SuspendedEVSE), `power_readings` [{"at", "kw"}]. It may also have `tariff_id`,
`charging_preferences`, `ad_hoc_payment`, and `reservation` {"start_date_time", "end_date_time", "expired"}.

With `"time_prices_per_minute": true` in the document, prices of TIME and PARKING_TIME are per minute. Some
platforms use them so; in OCPI they are per hour.

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
from chalicelib.pricing.component_search import Matcher
from chalicelib.pricing.costs import Priced, price_usage
from chalicelib.pricing.cutting import cut_periods, cut_reservation
from chalicelib.pricing.json_fields import (
    JsonObject,
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
from chalicelib.pricing.periods import read_periods, remark_missing
from chalicelib.pricing.plausibility import find_impossible
from chalicelib.pricing.pricing_input import (
    CHARGING,
    SUSPENDED_EV,
    SUSPENDED_EVSE,
    Period,
    ReservedTime,
    Telemetry,
    Usage,
)
from chalicelib.pricing.rounding import round_energy
from chalicelib.pricing.tariff_choice import Wish, choose_tariff
from chalicelib.pricing.tariffs import ENERGY, ParsedTariff, read_tariff, with_time_prices_per_minute
from chalicelib.pricing.work_limits import Work

TIME_PRICES_PER_MINUTE = "time_prices_per_minute"
STATES = (CHARGING, SUSPENDED_EV, SUSPENDED_EVSE)
PROFILE_TYPES = ("CHEAP", "FAST", "GREEN", "REGULAR")

Measured = TypeVar("Measured")


def price_request(document: object, kwh_decimals: int = 9, work: Work | None = None) -> Priced:
    """Price the session of a request.

    kwh_decimals: decimals of interpolated energy. Use 4 for periods that are sent as OCPI numbers, so that
    the receiver computes the same cost. work: limit of computing effort.
    Raises: InvalidParameters for a bad field; NotEnoughInformation when the time zone is needed and missing.
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


def _remark_impossible(session: JsonObject, telemetry: Telemetry, remarks: list[Remark]) -> None:
    """Warn of impossible quantities; the power of the connector is not known here."""
    if session.get("start_date_time") is None:
        return
    readings, reservation = telemetry.meter_readings, telemetry.reservation
    kwh = readings[-1][1] - readings[0][1] if readings else Decimal(0)
    found = find_impossible(session, kwh, begins=reservation.start if reservation else None, at="session.")
    known = {remark.code for remark in remarks}
    remarks += [remark for remark in found if remark.code not in known]


def price_telemetry(
    tariffs: Sequence[ParsedTariff],
    telemetry: Telemetry,
    remarks: Sequence[Remark],
    matcher: Matcher,
) -> Priced:
    """Choose the tariff, cut the session into charging periods and price it; an active session until now.

    Raises: InvalidParameters for bad values; NotEnoughInformation when the time zone is needed and missing.
    """
    remarks = list(remarks)
    tariff = choose_tariff(tariffs, telemetry.start, telemetry.wish, remarks)
    _remark_meter(telemetry, tariff, remarks)
    return _price(cut_periods(telemetry, tariff, matcher), telemetry.kwh_decimals, remarks, matcher)


def _price(usage: Usage, kwh_decimals: int, remarks: Sequence[Remark], matcher: Matcher) -> Priced:
    return price_usage(replace(usage, periods=round_energy(usage.periods, kwh_decimals)), remarks, matcher)


def read_tariffs(
    value: object, remarks: list[Remark], time_prices_per_minute: bool = False
) -> list[ParsedTariff]:
    """Read the tariffs of a connector. Raises: InvalidParameters for a field that cannot be read."""
    at = "tariffs"
    tariffs = [
        read_tariff(each, f"{at}.{number}", remarks) for number, each in enumerate(read_list(value, at))
    ]
    return [with_time_prices_per_minute(each) for each in tariffs] if time_prices_per_minute else tariffs


def read_telemetry(session: JsonObject, remarks: list[Remark]) -> Telemetry:
    """Read the measurements of a session. Raises: InvalidParameters for a field that cannot be read."""
    reservation, is_expired = None, False
    if session.get("reservation") is not None:
        reservation = read_object(session["reservation"], "session.reservation")
        is_expired = read_flag(reservation.get("expired"), "session.reservation.expired")
    if reservation is not None and is_expired and session.get("start_date_time") is None:
        # No session took place: use the times of the reservation.
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
    session: JsonObject,
    key: str,
    value_key: str,
    read: Callable[[object, str], Measured],
    remarks: list[Remark],
) -> list[tuple[datetime, Measured]]:
    """Read timed values in order of time; of two with the same time, the last one counts."""
    at = f"session.{key}"
    series = []
    for number, each in enumerate(read_list(session.get(key), at)):
        reading = read_object(each, f"{at}.{number}")
        moment = read_moment(reading.get("at"), f"{at}.{number}.at")
        series.append((moment, read(reading.get(value_key), f"{at}.{number}.{value_key}")))
    ordered = sorted(series, key=lambda seen: seen[0])
    if ordered != series:
        remarks.append(Remark(f"{key}_out_of_order", at, "they are not in order of time, so they are sorted"))
    if any(before[0] == after[0] and before[1] != after[1] for before, after in pairwise(ordered)):
        remarks.append(
            Remark(f"{key}_at_once", at, "two different ones have the same time, the last one counts")
        )
    return list(dict(ordered).items())


def _read_state(value: object, at: str) -> str:
    if value not in STATES:
        raise InvalidParameters(f"{value!r} is none of {', '.join(STATES)}", field=at)
    return str(value)


def _read_wish(session: JsonObject) -> Wish:
    at = "session.charging_preferences"
    preferences = session.get("charging_preferences")
    profile = preferences
    if preferences is not None and not isinstance(preferences, str):
        profile = read_object(preferences, at).get("profile_type")
    if profile is not None and profile not in PROFILE_TYPES:
        text = f"{profile!r} is none of {', '.join(PROFILE_TYPES)}"
        raise InvalidParameters(text, field=f"{at}.profile_type")
    tariff_id = session.get("tariff_id")
    return Wish(
        None if tariff_id is None else read_text(tariff_id, "session.tariff_id"),
        profile,
        read_flag(session.get("ad_hoc_payment"), "session.ad_hoc_payment"),
    )


def _refuse_backwards(telemetry: Telemetry) -> None:
    # Spec: the kwh of a session may go down (corrections, TRP-36). But if the price changed in between, it is
    # unknown at which price the missing energy was billed.
    for (_, before), (at, kwh) in pairwise(telemetry.meter_readings):
        if kwh < before:
            raise InvalidParameters(
                f"the meter runs backwards: {kwh} kWh at {write_moment(at)}, after {before} kWh",
                field="session.meter_readings",
            )


def _with_reservation(
    telemetry: Telemetry, reservation: JsonObject, is_expired: bool, remarks: list[Remark]
) -> Telemetry:
    at = "session.reservation"
    if reservation.get("end_date_time") is None and not is_expired:
        reservation = {**reservation, "end_date_time": write_moment(telemetry.start)}
    start, end = read_span(reservation, f"{at}.")
    if is_expired:
        if any(kwh != telemetry.meter_readings[0][1] for _, kwh in telemetry.meter_readings):
            text = "energy was charged although the reservation expired: only the reservation is priced"
            remarks.append(Remark("expired_but_charged", f"{at}.expired", text))
        return replace(telemetry, reservation=ReservedTime(start, end, True))
    if start < telemetry.start:
        # The reservation ends when the driver starts to charge, even if it was valid for longer.
        return replace(telemetry, reservation=ReservedTime(start, min(end, telemetry.start), False))
    if end > telemetry.end:
        raise InvalidParameters("the reservation ends after the session", field=f"{at}.end_date_time")
    if end > telemetry.start:
        text = "the session includes its reservation, as in a CDR: charging starts when the reservation ends"
        remarks.append(Remark("reservation_within_session", f"{at}.end_date_time", text))
    return replace(telemetry, start=end, reservation=ReservedTime(start, end, False))


def _ready_usage(
    session: JsonObject,
    tariffs: Sequence[ParsedTariff],
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


def tariffs_by_id(tariffs: Sequence[ParsedTariff], start: datetime) -> dict[str, ParsedTariff]:
    """Map tariffs by id in upper case; of two with one id, take the one valid at the start, or the first."""
    found: dict[str, ParsedTariff] = {}
    for tariff in tariffs:
        first = found.setdefault(tariff.id.upper(), tariff)
        if not first.is_valid_at(start) and tariff.is_valid_at(start):
            found[tariff.id.upper()] = tariff
    return found


def with_tariff(
    periods: list[Period],
    tariffs: Sequence[ParsedTariff],
    start: datetime,
    wish: Wish,
    remarks: list[Remark],
) -> list[Period]:
    """Give all periods the tariff of the session, if none of them names a tariff.

    Spec: "If not provided, no Tariff is relevant during this period". So if some periods name a tariff, the
    others are free. If none does, the sender left the field out, and no period is meant to be free.
    """
    _remark_validity(periods, start, remarks)
    unnamed = [period for period in periods if period.tariff is None]
    if not unnamed:
        return periods
    where = f"{unnamed[0].at}.tariff_id"
    if len(unnamed) < len(periods):
        text = f"{len(unnamed)} charging periods name no tariff and are free"
        remarks.append(Remark("period_without_tariff", where, text))
        return periods
    tariff = choose_tariff(tariffs, start, wish, remarks)
    text = f"no charging period names a tariff: {tariff.id!r} is taken for all"
    remarks.append(Remark("no_period_names_a_tariff", where, text))
    return [replace(period, tariff=tariff) for period in periods]


def _remark_validity(periods: Sequence[Period], start: datetime, remarks: list[Remark]) -> None:
    """Warn of tariffs that were valid neither at the start of the session nor at that of their period."""
    warned: set[str] = set()
    for period in periods:
        tariff = period.tariff
        if tariff is None or tariff.id in warned or (tariff.start is None and tariff.end is None):
            continue
        if not tariff.is_valid_at(start) and not tariff.is_valid_at(period.start):
            warned.add(tariff.id)
            message = f"the tariff {tariff.id!r} is not valid at the start of the session"
            remarks.append(Remark("tariff_not_valid", f"{period.at}.tariff_id", message))


def usage_of(periods: Sequence[Period], telemetry: Telemetry, is_expired: bool) -> Usage:
    """Build the usage of periods; the session starts after those that are reserved."""
    charging = [period for period in periods if not period.is_reserved]
    end = max(telemetry.end, telemetry.start)
    if not charging:
        return Usage(end, end, telemetry.zone, periods, is_expired)
    start = charging[0].start if periods[0].is_reserved else telemetry.start
    return Usage(start, end, telemetry.zone, periods, is_expired)


def _remark_meter(telemetry: Telemetry, tariff: ParsedTariff, remarks: list[Remark]) -> None:
    """Warn of parts of the session where energy may have flowed without a meter reading."""
    if telemetry.reservation is not None and telemetry.reservation.is_expired:
        return
    at = "session.meter_readings"
    readings = telemetry.meter_readings
    if len(readings) < 2:
        if ENERGY in tariff.charging:
            text = "energy has a price, but there are fewer than two meter readings: no energy is billed"
            remarks.append(Remark("no_meter_readings", at, text))
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
        remarks.append(Remark("no_last_reading", where, "the vehicle was charging after the last reading"))
