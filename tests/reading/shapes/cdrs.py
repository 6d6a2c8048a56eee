"""Odd CDRs: a CDR that is refused for a remark is money that never comes."""

from __future__ import annotations

from decimal import Decimal

from tests.reading.shapes.shape import GONE, Shape, aside, kept, read_as, refused
from tests.reading.shapes.times import instants, missing
from tests.reading.shapes.whole import cdr, tariff


def cdrs(arrived: str) -> list[Shape]:
    """Make the shapes of a CDR. arrived: the time of its arrival."""
    return [*_identity(), *_place(), *_money(), *_rest(), *instants("start_date_time"), *missing(arrived)]


def _identity() -> list[Shape]:
    return [
        read_as("cdr_token without country_code and party_id",
                {"cdr_token.country_code": GONE, "cdr_token.party_id": GONE},
                {"cdr_token.country_code": "PT", "cdr_token.party_id": "EVI"}),
        read_as("cdr_token with a type in small letters", {"cdr_token.type": "rfid"}),
        refused("cdr_token missing", {"cdr_token": GONE}, "cdr_token"),
        kept("id with 39 characters", {"id": "C" * 39}),
        read_as("session_id as a number", {"session_id": 5}, {"session_id": "5"}),
        aside("session_id empty", {"session_id": ""}),
        read_as("auth_method in small letters", {"auth_method": "whitelist"}),
        refused("id missing", {"id": GONE}, "id"),
    ]  # fmt: skip


def _place() -> list[Shape]:
    of = "cdr_location"
    return [
        read_as("country alpha-2", {f"{of}.country": "PT"}),
        read_as("coordinates with 3 decimals", {f"{of}.coordinates.latitude": "38.720"}),
        read_as("coordinates as numbers", {f"{of}.coordinates.latitude": Decimal("38.72")}),
        read_as("evse_uid missing", {f"{of}.evse_uid": GONE}, {f"{of}.evse_uid": "PT*EDP*E1"}),
        read_as("connector_id as a number", {f"{of}.connector_id": 1}),
        read_as("connector_id null", {f"{of}.connector_id": None}, {f"{of}.connector_id": "#NA"}),
        read_as("connector_standard in small letters", {f"{of}.connector_standard": "iec_62196_t2"}),
        read_as("connector_format in small letters", {f"{of}.connector_format": "socket"}),
        read_as("connector_power_type in small letters", {f"{of}.connector_power_type": "ac_3_phase"}),
        aside("postal_code too long", {f"{of}.postal_code": "1250-096 Lisboa"}),
        aside("name too long", {f"{of}.name": "x" * 300}),
        read_as("id as a number", {f"{of}.id": 17}, {f"{of}.id": "17"}),
        read_as("cdr_location in a list", {of: [cdr()[of]]}),
    ]


def _money() -> list[Shape]:
    return [
        read_as("total_cost as a number, as in 2.1.1", {"total_cost": Decimal("3.13")},
                {"total_cost": {"excl_vat": Decimal("3.13")}}),
        read_as("total_cost as text", {"total_cost": "3.13"}, {"total_cost": {"excl_vat": Decimal("3.13")}}),
        read_as("total_cost with texts", {"total_cost": {"excl_vat": "3.13", "incl_vat": "3.85"}}),
        read_as("total_cost in words of 2.3.0", {"total_cost": {"before_taxes": Decimal("3.13")}},
                {"total_cost": {"excl_vat": Decimal("3.13"), "before_taxes": Decimal("3.13")}}),
        refused("total_cost missing", {"total_cost": GONE}, "total_cost"),
        refused("total_cost with incl_vat only", {"total_cost.excl_vat": GONE}, "total_cost.excl_vat"),
        read_as("total_energy_cost as a number", {"total_energy_cost": Decimal("3.13")}),
        aside("total_time_cost empty", {"total_time_cost": ""}),
        aside("total_time_cost with nulls only", {"total_time_cost": {"excl_vat": None, "incl_vat": None}}),
        read_as("total_energy as text", {"total_energy": "12.5"}),
        read_as("total_time as text", {"total_time": "1"}),
        aside("total_parking_time empty", {"total_parking_time": ""}),
        read_as("currency in small letters", {"currency": "eur"}),
        read_as("volume as text", {"charging_periods.0.dimensions.0.volume": "12.5"}),
        refused("charging_periods missing", {"charging_periods": GONE}, "charging_periods"),
        read_as("charging_periods as an object", {"charging_periods": cdr()["charging_periods"][0]}),
        read_as("tariffs as an object", {"tariffs": tariff()}),
        aside("tariff with an empty URL", {"tariffs.0.tariff_alt_url": ""}),
        read_as("tariff with a currency in small letters", {"tariffs.0.currency": "eur"}),
        read_as("tariff with a price as text", {"tariffs.0.elements.0.price_components.0.price": "0.2500"}),
        read_as('credit "false"', {"credit": "false"}, {"credit": False}),
        read_as("credit_reference_id empty", {"credit_reference_id": ""}),
    ]  # fmt: skip


def _rest() -> list[Shape]:
    return [
        aside("remark too long", {"remark": "x" * 300}),
        read_as("remark with a line feed", {"remark": "obri\ngado"}, {"remark": "obri gado"}),
        aside("meter_id empty list", {"meter_id": []}),
        aside("signed_data as a text", {"signed_data": "OCMF|1"}),
        read_as("encoding_method_version as text", {"signed_data.encoding_method_version": "1"}),
        aside("signed_values missing", {"signed_data.signed_values": GONE}, "signed_data"),
        read_as('home_charging_compensation "false"', {"home_charging_compensation": "false"},
                {"home_charging_compensation": False}),
        refused("the end before the start", {"end_date_time": "2026-03-01T07:00:00Z"}, "end_date_time"),
        kept("unknown fields", {"x_fee": 1, "charging_periods.0.note": "n"}),
    ]  # fmt: skip
