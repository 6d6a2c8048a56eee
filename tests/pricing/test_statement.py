"""Tests of writing a price: totals, breakdown and fields of a CDR.

Source: OCPI 2.2.1 mod_cdrs, CDR Object; TAR-21, TAR-23, CDR-15, CDR-16
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from chalicelib.errors import InvalidParameters
from chalicelib.pricing.price_request import price_request
from chalicelib.pricing.statement import cdr_fields, write_statement
from tests.pricing.build import at, component, element, limit, meter, period, price, session, states, tariff

MADE = tariff(
    element(component("FLAT", "0.50", "20")),
    element(component("ENERGY", "0.25", "10", 500), end_time="10:30"),
    element(component("ENERGY", "0.35", "10", 500), component("PARKING_TIME", "2", "20", 900)),
)
STAY = session(
    100,
    meter_readings=meter((0, "100"), (60, "106.1")),
    charging_states=states((0, "Charging"), (60, "SuspendedEV")),
)


def test_a_statement_has_totals_per_dimension() -> None:
    statement = write_statement(price(MADE, STAY))

    assert statement["tariff_id"] == "T1"
    assert statement["currency"] == "EUR"
    assert statement["total_energy"] == Decimal("6.1")
    # 3.05 kWh before 10:30, then 3.05 and 0.4 of the step.
    assert statement["total_energy_cost"] == limit("1.97", "2.167")
    assert statement["total_fixed_cost"] == limit("0.5", "0.6")
    assert statement["total_parking_cost"] == limit("1.5", "1.8")
    assert statement["total_time_cost"] == limit("0", "0")
    assert statement["total_reservation_cost"] == limit("0", "0")
    assert statement["total_cost"] == limit("3.97", "4.567")
    assert statement["total_time"] == Decimal("1.666666667")
    assert statement["total_parking_time"] == Decimal("0.666666667")


def test_the_breakdown_has_the_matching_element_and_the_reason() -> None:
    breakdown = write_statement(price(MADE, STAY))["breakdown"]

    flat, early, late, parking = breakdown["lines"]
    assert early["because"] == (
        "at 2026-01-14T10:00:00Z element 1 is the first with ENERGY that matches: "
        "local time 10:00 in 00:00-10:30"
    )
    assert (late["used"], late["billed"], late["element"]) == (Decimal("3.05"), Decimal("3.45"), 2)
    assert late["because"].endswith("it has no restrictions; the total is billed in steps of 500 Wh")
    assert (parking["billed"], parking["unit"], parking["vat"]) == (Decimal("0.75"), "h", 20)
    assert flat["vat_amount"] == Decimal("0.1")
    assert breakdown["vat"] == [
        {"vat": 20, "excl_vat": 2, "vat_amount": Decimal("0.4")},
        {"vat": 10, "excl_vat": Decimal("1.97"), "vat_amount": Decimal("0.197")},
    ]


def test_the_breakdown_lists_dimensions_without_a_matching_element() -> None:
    first = write_statement(price(MADE, STAY))["breakdown"]["periods"][0]

    assert first["priced"][-1]["dimension"] == "TIME"
    assert first["priced"][-1]["because"] == "no element with TIME matches"


def test_the_breakdown_names_the_limit_that_was_applied() -> None:
    breakdown = write_statement(price(MADE | {"max_price": limit("3", "9")}, STAY))["breakdown"]

    assert breakdown["limits"] == [{"limit": "max_price", "excl_vat": 3}]


def test_a_statement_without_vat_has_no_prices_including_vat() -> None:
    statement = write_statement(price(tariff(element(component("ENERGY", "1"))), STAY))

    assert statement["total_cost"] == {"excl_vat": Decimal("6.1")}
    assert statement["breakdown"]["vat"] == []


def test_no_vat_is_not_the_same_as_a_vat_of_zero() -> None:
    statement = write_statement(price(tariff(element(component("ENERGY", "1", "0"))), STAY))

    assert statement["total_cost"] == limit("6.1", "6.1")


def test_the_fields_of_a_cdr_have_four_decimals_and_dimensions() -> None:
    fields = cdr_fields(price(MADE, STAY))

    assert fields["total_time"] == Decimal("1.6667")
    assert "total_reservation_cost" not in fields
    assert fields["charging_periods"] == [
        {
            "start_date_time": at(0),
            "dimensions": [
                {"type": "ENERGY", "volume": Decimal("3.05")},
                {"type": "TIME", "volume": Decimal("0.5")},
            ],
            "tariff_id": "T1",
        },
        {
            "start_date_time": at(30),
            "dimensions": [
                {"type": "ENERGY", "volume": Decimal("3.05")},
                {"type": "TIME", "volume": Decimal("0.5")},
            ],
            "tariff_id": "T1",
        },
        {
            "start_date_time": at(60),
            # Cut off, not rounded up: times 3600 it is still 40 minutes in whole seconds.
            "dimensions": [{"type": "PARKING_TIME", "volume": Decimal("0.6666")}],
            "tariff_id": "T1",
        },
    ]


def test_hours_of_periods_have_four_decimals_in_a_cdr_and_more_in_a_statement() -> None:
    """Source: OCPI 2.2.1 types_number_type; CDR-16."""
    priced = price(tariff(element(component("TIME", "1"))), session(10))

    (shown,), (sent,) = write_statement(priced)["charging_periods"], cdr_fields(priced)["charging_periods"]
    assert shown["dimensions"] == [{"type": "TIME", "volume": Decimal("0.166666666")}]
    assert sent["dimensions"] == [{"type": "TIME", "volume": Decimal("0.1666")}]


def asked(*elements: Any, minutes: float, periods: list[Any], **fields: Any) -> dict[str, Any]:
    return {
        "tariffs": [tariff(*elements)],
        "session": session(minutes, charging_periods=periods, **fields),
        "time_prices_per_minute": True,
    }


def test_prices_of_time_are_per_minute_with_the_flag() -> None:
    """All other values stay as in OCPI: hours, steps in seconds, energy per kWh, and fees."""
    times = [component(kind, "0.05", "10", 600) for kind in ("TIME", "PARKING_TIME")]
    stay = [period(0, ENERGY="10", TIME="1"), period(60, PARKING_TIME="0.25")]
    request = asked(
        element(*times, component("ENERGY", "0.30"), component("FLAT", "1")), minutes=75, periods=stay
    )

    statement = write_statement(price_request(request))
    per_hour = write_statement(price_request({**request, "time_prices_per_minute": False}))

    lines = {line["dimension"]: line for line in statement["breakdown"]["lines"]}
    assert (lines["TIME"]["billed"], lines["TIME"]["unit"], lines["TIME"]["excl_vat"]) == (60, "min", 3)
    assert (lines["PARKING_TIME"]["billed"], lines["PARKING_TIME"]["excl_vat"]) == (20, 1)
    assert lines["PARKING_TIME"]["incl_vat"] == Decimal("1.1")
    assert "per minute by the flag time_prices_per_minute" in lines["TIME"]["because"]
    assert "per minute" not in lines["ENERGY"]["because"] + lines["FLAT"]["because"]
    assert statement["charging_periods"] == per_hour["charging_periods"]
    same = ("total_time", "total_parking_time", "total_energy_cost", "total_fixed_cost")
    assert [statement[name] for name in same] == [per_hour[name] for name in same]
    assert statement["total_time_cost"]["excl_vat"] == 60 * per_hour["total_time_cost"]["excl_vat"]


def test_the_price_of_reserved_time_is_per_minute_with_the_flag() -> None:
    reserved = element(component("TIME", "0.02"), reservation="RESERVATION")
    request = asked(
        reserved,
        element(component("ENERGY", "0.30")),
        minutes=10,
        periods=[period(0, ENERGY="1")],
        reservation={"start_date_time": at(-30), "end_date_time": at(0)},
    )

    statement = write_statement(price_request(request))

    assert statement["total_reservation_cost"]["excl_vat"] == Decimal("0.6")


def test_the_flag_must_be_true_or_false() -> None:
    request = asked(element(component("TIME", "1")), minutes=60, periods=[period(0, TIME="1")])

    with pytest.raises(InvalidParameters) as refused:
        price_request({**request, "time_prices_per_minute": "yes"})

    assert refused.value.field == "time_prices_per_minute"
