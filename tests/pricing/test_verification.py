"""Tests of verifying a CDR: it is computed again, and wrong fields are named.

Source: OCPI 2.2.1 mod_cdrs, CDR Object; CDR-07, CDR-15, CDR-16
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from chalicelib.errors import InvalidParameters
from chalicelib.pricing.statement import cdr_fields
from chalicelib.pricing.verification import verify_cdr
from tests.pricing.build import START, at, component, element, limit, meter, period, price, session, tariff

MADE = tariff(
    element(
        component("FLAT", "0.50", "20"),
        component("ENERGY", "0.25", "10", 1),
        component("PARKING_TIME", "2", "20", 900),
    )
)


def amount(excl_vat: str, incl_vat: str) -> dict[str, Decimal]:
    return limit(excl_vat, incl_vat)


def cdr(**fields: Any) -> dict[str, Any]:
    """A right CDR of 20 kWh in an hour, then 40 minutes of parking."""
    return {
        "country_code": "PT",
        "id": "CDR1",
        "start_date_time": at(0),
        "end_date_time": at(100),
        "cdr_location": {"country": "PRT"},
        "currency": "EUR",
        "tariffs": [MADE],
        "charging_periods": [period(0, ENERGY="20", TIME="1"), period(60, PARKING_TIME="0.6667")],
        "total_cost": amount("7", "7.9"),
        "total_fixed_cost": amount("0.5", "0.6"),
        "total_energy": Decimal(20),
        "total_energy_cost": amount("5", "5.5"),
        "total_time": Decimal("1.6667"),
        "total_time_cost": amount("0", "0"),
        "total_parking_time": Decimal("0.6667"),
        "total_parking_cost": amount("1.5", "1.8"),
    } | fields


def differing(document: dict[str, Any], **options: Any) -> list[str]:
    return [each.field for each in verify_cdr(document, **options).discrepancies]


def test_a_right_cdr_has_no_discrepancies() -> None:
    verification = verify_cdr(cdr())

    assert not verification.discrepancies
    assert not verification.remarks


@pytest.mark.parametrize(
    ("claimed", "fields"),
    [
        ({"total_cost": amount("7", "7.91")}, ["total_cost.incl_vat"]),
        ({"total_cost": amount("7.01", "7.9")}, ["total_cost.excl_vat"]),
        ({"total_fixed_cost": amount("0", "0")}, ["total_fixed_cost.excl_vat", "total_fixed_cost.incl_vat"]),
        ({"total_energy": Decimal("20.1")}, ["total_energy"]),
        ({"total_energy_cost": amount("5", "5.4")}, ["total_energy_cost.incl_vat"]),
        ({"total_time": Decimal(1)}, ["total_time"]),
        ({"total_time_cost": amount("1", "0")}, ["total_time_cost.excl_vat"]),
        ({"total_parking_time": Decimal("0.75")}, ["total_parking_time"]),
        ({"total_parking_cost": amount("1.33", "1.8")}, ["total_parking_cost.excl_vat"]),
        (
            {"total_reservation_cost": amount("1", "1")},
            ["total_reservation_cost.excl_vat", "total_reservation_cost.incl_vat"],
        ),
        ({"currency": "GBP"}, ["currency"]),
    ],
)
def test_wrong_fields_are_named(claimed: dict[str, Any], fields: list[str]) -> None:
    assert differing(cdr(**claimed)) == fields


def test_a_discrepancy_has_the_claimed_and_the_computed_value() -> None:
    (found,) = verify_cdr(cdr(total_cost=amount("7", "8.9"))).discrepancies

    assert (found.claimed, found.computed) == (Decimal("8.9"), Decimal("7.9"))


@pytest.mark.parametrize("field", [field for field in cdr() if field.startswith("total_")] + ["currency"])
def test_a_missing_field_is_not_judged(field: str) -> None:
    assert not differing({key: value for key, value in cdr().items() if key != field})


def test_money_may_be_rounded_to_cents_and_a_total_may_be_the_sum_of_rounded_parts() -> None:
    made = tariff(element(component("FLAT", "0.335", "0"), component("ENERGY", "0.335", "0")))
    claimed = {
        "total_cost": amount("0.68", "0.68"),
        "total_fixed_cost": amount("0.34", "0.34"),
        "total_energy": Decimal(1),
        "total_energy_cost": amount("0.34", "0.34"),
    }
    document = (
        cdr(tariffs=[made], charging_periods=[period(0, ENERGY="1")], total_parking_time=None) | claimed
    )

    assert not differing(document | {"total_parking_cost": None})
    assert differing(document | {"total_parking_cost": None, "total_fixed_cost": None}) == [
        "total_cost.excl_vat",
        "total_cost.incl_vat",
    ]


MANY_DECIMALS = tariff(element(component("ENERGY", "0.2999", "23")))


@pytest.mark.parametrize(
    ("excl_vat", "incl_vat", "fields"),
    [
        # 12.345 kWh cost 3.7022655, and 4.553786565 including VAT.
        ("3.7022", "4.5538", []),
        ("3.7023", "4.5537", []),
        ("3.70", "4.55", []),
        ("3.71", "4.56", []),
        ("3.71", "4.55", ["excl_vat"]),
        ("3.69", "4.55", ["excl_vat"]),
        ("3.71", "4.57", ["excl_vat", "incl_vat"]),
        ("3.7123", "4.5638", ["excl_vat", "incl_vat"]),
    ],
)
def test_amounts_may_all_be_cut_off_or_all_be_rounded_up(
    excl_vat: str, incl_vat: str, fields: list[str]
) -> None:
    """Source: OCPI 2.2.1 mod_tariffs, Tariff Object (note on rounding); TAR-23."""
    claimed = amount(excl_vat, incl_vat)
    document = {key: value for key, value in cdr().items() if not key.startswith("total_")} | {
        "tariffs": [MANY_DECIMALS],
        "charging_periods": [period(0, ENERGY="12.345")],
        "total_cost": claimed,
    }

    assert differing(document) == [f"total_cost.{side}" for side in fields]


def test_a_single_amount_that_is_rounded_up_differs() -> None:
    document = {key: value for key, value in cdr().items() if not key.startswith("total_")} | {
        "tariffs": [MANY_DECIMALS],
        "charging_periods": [period(0, ENERGY="12.345")],
        "total_cost": limit("3.71"),
    }

    assert differing(document) == ["total_cost.excl_vat"]


@pytest.mark.parametrize(
    ("hours", "fields"),
    [
        ("1.6667", []),
        ("1.6666", []),
        ("1.667", []),
        ("1.666", []),
        ("1.67", []),
        ("1.66", []),
        ("1.668", ["total_time"]),
        ("1.6767", ["total_time"]),
        ("1.68", ["total_time"]),
        ("1.7", ["total_time"]),
    ],
)
def test_quantities_are_compared_within_their_own_decimals(hours: str, fields: list[str]) -> None:
    """Source: OCPI 2.2.1 types_number_type; CDR-16."""
    assert differing(cdr(total_time=Decimal(hours))) == fields


def test_a_quantity_that_is_a_hundredth_off_differs() -> None:
    assert differing(cdr(total_energy=Decimal("20.01"))) == ["total_energy"]


def test_a_tariff_that_was_not_valid_has_a_remark() -> None:
    ended = MADE | {"end_date_time": "2025-12-31T00:00:00Z"}

    assert [(each.code, each.field) for each in verify_cdr(cdr(tariffs=[ended])).remarks] == [
        ("tariff_not_valid", "charging_periods.0.tariff_id")
    ]


def test_currencies_without_cents_may_be_rounded_to_whole_units() -> None:
    made = tariff(element(component("ENERGY", "31.4", "0")), currency="JPY")
    claimed = {"currency": "JPY", "total_cost": amount("31", "31"), "tariffs": [made]}
    document = {key: value for key, value in cdr().items() if not key.startswith("total_")} | claimed

    assert not differing(document | {"charging_periods": [period(0, ENERGY="1")]})


def test_only_the_total_of_a_credit_cdr_is_negative() -> None:
    credit = {"credit": True, "credit_reference_id": "CDR1", "id": "CDR1-C"}

    assert not differing(cdr(total_cost=amount("-7", "-7.9"), **credit))
    assert differing(cdr(**credit)) == ["total_cost.excl_vat", "total_cost.incl_vat"]


@pytest.mark.parametrize(("hours", "fields"), [("1", []), ("1.25", []), ("1.5", ["total_time"])])
def test_the_time_of_a_reservation_may_be_part_of_the_total_or_not(hours: str, fields: list[str]) -> None:
    made = tariff(element(component("TIME", "4"), reservation="RESERVATION"), element(component("TIME", "1")))
    document = {
        "start_date_time": at(0),
        "end_date_time": at(75),
        "tariffs": [made],
        "charging_periods": [period(0, RESERVATION_TIME="0.25"), period(15, TIME="1")],
        "total_cost": limit("2"),
        "total_time": Decimal(hours),
        "total_reservation_cost": limit("1"),
    }

    assert differing(document) == fields


def test_a_cdr_with_only_reserved_time_is_an_expired_reservation() -> None:
    made = tariff(
        element(component("FLAT", "4"), reservation="RESERVATION_EXPIRES"),
        element(component("TIME", "2"), reservation="RESERVATION"),
        element(component("FLAT", "1")),
    )
    document = {
        "start_date_time": at(0),
        "end_date_time": at(60),
        "tariffs": [made],
        "charging_periods": [period(0, RESERVATION_TIME="1")],
        "total_cost": limit("6"),
    }

    assert not differing(document)


BY_DAY = tariff(element(component("ENERGY", "1"), end_time="11:00"), element(component("ENERGY", "2")))


@pytest.mark.parametrize(
    ("location", "options", "due"),
    [
        ({"country": "PRT"}, {}, "1"),
        ({"country": "ESP"}, {}, "2"),
        ({"country": "ESP", "coordinates": {"latitude": "28.1", "longitude": "-15.4"}}, {}, "1"),
        ({"country": "PRT"}, {"time_zone": "Europe/Berlin"}, "2"),
        (None, {}, "1"),
    ],
)
def test_the_time_zone_is_the_given_one_or_that_of_the_country(
    location: Any, options: dict[str, str], due: str
) -> None:
    document = {
        "country_code": "PT",
        "start_date_time": at(30),
        "end_date_time": at(40),
        "cdr_location": location,
        "tariffs": [BY_DAY],
        "charging_periods": [period(30, ENERGY="1")],
        "total_cost": limit(due),
    }

    assert START.hour == 10
    assert not differing(document, **options)


@pytest.mark.parametrize(("country", "options"), [("XXX", {}), ("PRT", {"time_zone": "Moon/Base"})])
def test_a_cdr_of_an_unknown_time_zone_is_refused(country: str, options: dict[str, str]) -> None:
    document = cdr(tariffs=[BY_DAY], cdr_location={"country": country}, country_code="XX")

    with pytest.raises(InvalidParameters):
        verify_cdr(document, **options)


def test_dimensions_that_are_only_for_sessions_have_a_remark() -> None:
    remarks = verify_cdr(cdr(charging_periods=[period(0, ENERGY="20", POWER="5", TIME="1.6667")])).remarks

    assert [(each.code, each.field) for each in remarks] == [
        ("session_only_dimension", "charging_periods.0.dimensions.1.type")
    ]


def test_a_cdr_without_tariffs_has_only_its_quantities_judged() -> None:
    verification = verify_cdr(cdr(tariffs=None, total_energy=Decimal(7), total_cost=amount("1", "1")))

    assert [each.field for each in verification.discrepancies] == ["total_energy"]
    assert [each.code for each in verification.remarks] == ["no_tariffs"]


@pytest.mark.parametrize(
    "fields", [{"charging_periods": []}, {"end_date_time": at(-1)}, {"total_energy": "20"}]
)
def test_a_cdr_that_cannot_be_computed_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameters):
        verify_cdr(cdr(**fields))


def test_a_period_too_short_for_four_decimals_still_determines_the_step() -> None:
    """A session that reaches 2 kWh 0.2 seconds before its end is billed by the step there. Source: TAR-17"""
    dear = element(component("TIME", "3", step=300), min_kwh=2)
    made = tariff(dear, element(component("TIME", "2", step=60)))
    stay = session(1, meter_readings=meter((0, "0"), (1, "2.005")))
    priced = price(made, stay)
    ends = {"start_date_time": stay["start_date_time"], "end_date_time": stay["end_date_time"]}
    claimed = {"id": "CDR1", "country_code": "PT", "tariffs": [made], **ends, **cdr_fields(priced)}

    last = claimed["charging_periods"][-1]["dimensions"]
    assert {"type": "TIME", "volume": 0} in last
    assert verify_cdr(claimed).discrepancies == []


@pytest.mark.parametrize(("seconds", "due"), [("0.359", "0.05"), ("0.36", "0")])
def test_a_volume_of_zero_is_zero_if_the_period_is_long_enough_for_four_decimals(
    seconds: str, due: str
) -> None:
    made = tariff(element(component("TIME", "3", step=60)))
    claimed = {
        "start_date_time": at(0),
        "end_date_time": at(float(seconds) / 60),
        "tariffs": [made],
        "charging_periods": [period(0, TIME="0")],
    }

    assert verify_cdr(claimed).priced.total_cost.excl_vat == Decimal(due)


def test_a_reservation_of_zero_time_costs_nothing_even_in_a_short_period() -> None:
    made = tariff(element(component("TIME", "3", step=60), reservation="RESERVATION"))
    claimed = {
        "start_date_time": at(0),
        "end_date_time": at(0.005),
        "tariffs": [made],
        "charging_periods": [period(0, RESERVATION_TIME="0")],
    }

    assert verify_cdr(claimed).priced.total_cost.excl_vat == 0
