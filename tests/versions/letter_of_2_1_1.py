"""A judge of documents by the letter of OCPI 2.1.1: it knows no other field and no other value.

Written from the specification's tables alone. Source: OCPI 2.1.1, object descriptions
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

_FIELDS = {
    "Location": "id! type! name address! city! postal_code! country! coordinates! related_locations evses"
    " directions operator suboperator owner facilities time_zone opening_times charging_when_closed images"
    " energy_mix last_updated!",
    "EVSE": "uid! evse_id status! status_schedule capabilities connectors! floor_level coordinates"
    " physical_reference directions parking_restrictions images last_updated!",
    "Connector": "id! standard! format! power_type! voltage! amperage! tariff_id terms_and_conditions"
    " last_updated!",
    "GeoLocation": "latitude! longitude!",
    "Session": "id! start_datetime! end_datetime kwh! auth_id! auth_method! location! meter_id currency!"
    " charging_periods total_cost status! last_updated!",
    "ChargingPeriod": "start_date_time! dimensions!",
    "CdrDimension": "type! volume!",
    "CDR": "id! start_date_time! stop_date_time! auth_id! auth_method! location! meter_id currency! tariffs"
    " charging_periods! total_cost! total_energy! total_time! total_parking_time remark last_updated!",
    "Tariff": "id! currency! tariff_alt_text tariff_alt_url elements! energy_mix last_updated!",
    "TariffElement": "price_components! restrictions",
    "PriceComponent": "type! price! step_size!",
    "TariffRestrictions": "start_time end_time start_date end_date min_kwh max_kwh min_power max_power"
    " min_duration max_duration day_of_week",
    "Token": "uid! type! auth_id! visual_number issuer! valid! whitelist! language last_updated!",
    "LocationReferences": "location_id! evse_uids connector_ids",
    "AuthorizationInfo": "allowed! location info",
    "StartSession": "response_url! token! location_id! evse_uid",
    "StopSession": "response_url! session_id!",
    "ReserveNow": "response_url! token! expiry_date! reservation_id! location_id! evse_uid",
    "UnlockConnector": "response_url! location_id! evse_uid! connector_id!",
    "CommandResponse": "result!",
    "Credentials": "token! url! business_details! party_id! country_code!",
}
_CLASSES = {
    "evses": "EVSE",
    "connectors": "Connector",
    "coordinates": "GeoLocation",
    "location": "Location",
    "charging_periods": "ChargingPeriod",
    "dimensions": "CdrDimension",
    "tariffs": "Tariff",
    "elements": "TariffElement",
    "price_components": "PriceComponent",
    "restrictions": "TariffRestrictions",
    "token": "Token",
}
_VALUES = {
    "Location.type": "ON_STREET PARKING_GARAGE UNDERGROUND_GARAGE PARKING_LOT OTHER UNKNOWN",
    "EVSE.status": "AVAILABLE BLOCKED CHARGING INOPERATIVE OUTOFORDER PLANNED REMOVED RESERVED UNKNOWN",
    "EVSE.capabilities": "CHARGING_PROFILE_CAPABLE CREDIT_CARD_PAYABLE REMOTE_START_STOP_CAPABLE RESERVABLE"
    " RFID_READER UNLOCK_CAPABLE",
    "Connector.power_type": "AC_1_PHASE AC_3_PHASE DC",
    "Session.status": "ACTIVE COMPLETED INVALID PENDING",
    "Session.auth_method": "AUTH_REQUEST WHITELIST",
    "CDR.auth_method": "AUTH_REQUEST WHITELIST",
    "CdrDimension.type": "ENERGY FLAT MAX_CURRENT MIN_CURRENT PARKING_TIME TIME",
    "PriceComponent.type": "ENERGY FLAT PARKING_TIME TIME",
    "Token.type": "OTHER RFID",
    "Token.whitelist": "ALWAYS ALLOWED ALLOWED_OFFLINE NEVER",
    "CommandResponse.result": "ACCEPTED NOT_SUPPORTED REJECTED TIMEOUT UNKNOWN_SESSION",
    "AuthorizationInfo.allowed": "ALLOWED BLOCKED EXPIRED NO_CREDIT NOT_ALLOWED",
}
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_DEGREES = re.compile(r"-?\d{1,3}\.\d{6}")
_TIMES = (
    "last_updated",
    "start_datetime",
    "end_datetime",
    "start_date_time",
    "stop_date_time",
    "expiry_date",
)
_NUMBERS = ("total_cost", "kwh", "price", "total_energy", "reservation_id", "voltage", "amperage")


def problems(kind: str, document: Any) -> list[str]:
    """List the fields that a partner of 2.1.1 refuses in a document, and why."""
    return list(_problems(kind, document, ""))


def _problems(kind: str, document: Any, at: str) -> Iterator[str]:
    if not isinstance(document, Mapping):
        yield f"{at}: no {kind}"
        return
    names = _FIELDS[kind].split()
    known = {name.rstrip("!") for name in names}
    yield from (f"{at}/{name}: unknown in {kind}" for name in document if name not in known)
    yield from (
        f"{at}/{name[:-1]}: required" for name in names if name[-1] == "!" and name[:-1] not in document
    )
    for name, value in document.items():
        yield from _value_problems(kind, name, value, f"{at}/{name}")


def _value_problems(kind: str, name: str, value: Any, at: str) -> Iterator[str]:
    inner = "LocationReferences" if (kind, name) == ("AuthorizationInfo", "location") else _CLASSES.get(name)
    if inner is not None and not isinstance(value, str):
        for place, each in enumerate(value if isinstance(value, list) else [value]):
            yield from _problems(inner, each, f"{at}/{place}")
    if (allowed := _VALUES.get(f"{kind}.{name}")) is not None:
        values = value if isinstance(value, list) else [value]
        yield from (f"{at}: {each}" for each in values if each not in allowed.split())
    if name in _TIMES and not _DATE_TIME.fullmatch(str(value)):
        yield f"{at}: {value} is no DateTime"
    if name in ("latitude", "longitude") and not _DEGREES.fullmatch(str(value)):
        yield f"{at}: {value} has not six decimals"
    if name in _NUMBERS and (isinstance(value, bool) or not isinstance(value, int | float | Decimal)):
        yield f"{at}: {value} is no number"
