"""Odd sessions. Energy and money that cannot be read are refused."""

from __future__ import annotations

from decimal import Decimal

from tests.reading.shapes.shape import GONE, Shape, aside, kept, read_as, refused
from tests.reading.shapes.times import instants, missing
from tests.reading.shapes.whole import session


def sessions(arrived: str) -> list[Shape]:
    """Make the shapes of a session. arrived: the time of its arrival."""
    return [*_identity(), *_amounts(), *_rest(), *instants("start_date_time"), *missing(arrived)]


def _identity() -> list[Shape]:
    return [
        read_as("country_code and party_id missing", {"country_code": GONE, "party_id": GONE}),
        read_as("id missing", {"id": GONE}),
        refused("cdr_token of an unknown token without country_code and party_id, as in 2.2",
                {"cdr_token.country_code": GONE, "cdr_token.party_id": GONE}, "cdr_token.country_code"),
        read_as("cdr_token with the country in alpha-3", {"cdr_token.country_code": "PRT"}),
        read_as("ids in camel case", {"location_id": GONE, "locationId": "L1"}, {"locationId": "L1"}),
        read_as("cdr_token with a type in small letters", {"cdr_token.type": "rfid"}),
        read_as("cdr_token with a uid as a number", {"cdr_token.uid": 12345}, {"cdr_token.uid": "12345"}),
        read_as("cdr_token in a list", {"cdr_token": [session()["cdr_token"]]}),
        refused("cdr_token without a uid", {"cdr_token.uid": GONE}, "cdr_token.uid"),
        refused("cdr_token missing", {"cdr_token": GONE}, "cdr_token"),
        read_as("location_id as a number", {"location_id": 17}, {"location_id": "17"}),
        read_as("evse_uid as a number", {"evse_uid": 17}, {"evse_uid": "17"}),
        read_as("connector_id as a number", {"connector_id": 1}),
        read_as("connector_id missing", {"connector_id": GONE}, {"connector_id": "#NA"}),
        aside("authorization_reference empty", {"authorization_reference": ""}),
        read_as("authorization_reference as a number", {"authorization_reference": 5},
                {"authorization_reference": "5"}),
    ]  # fmt: skip


def _amounts() -> list[Shape]:
    return [
        read_as("kwh as text", {"kwh": "12.5"}),
        read_as("kwh with an exponent as text", {"kwh": "1.25E+1"}, {"kwh": Decimal("12.5")}),
        read_as("kwh as kWh", {"kwh": GONE, "kWh": Decimal("12.5")}, {"kWh": Decimal("12.5")}),
        refused("kwh missing", {"kwh": GONE}, "kwh"),
        refused("kwh with a unit", {"kwh": "12.5 kWh"}, "kwh"),
        refused("kwh true", {"kwh": True}, "kwh"),
        read_as("currency in small letters", {"currency": "eur"}),
        refused("currency missing", {"currency": GONE}, "currency"),
        read_as("total_cost as a number, as in 2.1.1", {"total_cost": Decimal("3.13")},
                {"total_cost": {"excl_vat": Decimal("3.13")}}),
        read_as("total_cost with texts", {"total_cost": {"excl_vat": "3.13", "incl_vat": "3.85"}}),
        aside("total_cost with an empty incl_vat", {"total_cost.incl_vat": ""}),
        aside("total_cost empty", {"total_cost": ""}),
        read_as("volume as text", {"charging_periods.0.dimensions.0.volume": "12.5"}),
        read_as("dimension in small letters", {"charging_periods.0.dimensions.0.type": "energy"}),
        read_as("charging_periods as an object", {"charging_periods": session()["charging_periods"][0]}),
        read_as("start of a period with an offset",
                {"charging_periods.0.start_date_time": "2026-03-01T09:00:00+01:00"}),
        aside("charging_periods empty text", {"charging_periods": ""}),
    ]  # fmt: skip


def _rest() -> list[Shape]:
    return [
        read_as("auth_method missing", {"auth_method": GONE}, {"auth_method": "AUTH_REQUEST"}),
        read_as("auth_method in small letters", {"auth_method": "whitelist"}),
        read_as("status in small letters", {"status": "active"}),
        read_as("status RESERVED", {"status": "RESERVED"}, {"status": "RESERVATION"}),
        refused("status missing", {"status": GONE}, "status"),
        read_as("meter_id as a number", {"meter_id": 4711}, {"meter_id": "4711"}),
        aside("meter_id too long", {"meter_id": "M" * 300}),
        aside("end_date_time empty", {"end_date_time": ""}),
        kept("unknown fields", {"soc": 80, "cdr_token.visual_number": "7"}),
    ]
