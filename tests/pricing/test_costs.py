"""Tests of active components and their costs; every amount is computed by hand.

Source: OCPI 2.2.1 mod_tariffs, Tariff Object; TAR-09 … TAR-21
"""

from __future__ import annotations

import pytest

from chalicelib.pricing.statement import cdr_fields
from tests.pricing.build import at, component, cost, element, limit, meter, period, price, session, tariff

RESERVED = tariff(
    element(component("TIME", "6"), reservation="RESERVATION", min_duration=1800),
    element(component("TIME", "2"), reservation="RESERVATION"),
    element(component("ENERGY", "1")),
)


def test_the_duration_of_a_reservation_is_counted_over_all_its_periods() -> None:
    """Source: TAR-14: a duration counts from the start of the reservation."""
    periods = [
        period(0, RESERVATION_TIME="0.25"),
        period(15, RESERVATION_TIME="0.25"),
        period(30, RESERVATION_TIME="0.5"),
        period(60, ENERGY="3", TIME="1"),
    ]

    priced = price(RESERVED, session(120, charging_periods=periods))

    # Half an hour at 2, half an hour at 6, 3 kWh at 1.
    assert priced.costs["RESERVATION"] == cost("4")
    assert priced.total_cost == cost("7")


def test_a_reservation_without_charging_periods_costs_the_same() -> None:
    reservation = {"start_date_time": at(-60), "end_date_time": at(0)}

    priced = price(RESERVED, session(60, reservation=reservation))

    assert priced.costs["RESERVATION"] == cost("4")


def test_the_duration_of_a_session_starts_after_its_reservation() -> None:
    made = tariff(
        element(component("TIME", "6"), min_duration=1800),
        element(component("TIME", "2")),
        element(component("TIME", "1"), reservation="RESERVATION"),
    )
    periods = [period(0, RESERVATION_TIME="1"), period(60, TIME="0.5"), period(90, TIME="0.5")]

    priced = price(made, session(120, charging_periods=periods))

    # An hour reserved at 1; half an hour at 2 and half an hour at 6 since charging began.
    assert priced.total_cost == cost("5")


@pytest.mark.parametrize(
    ("limits", "total"),
    [
        # 1 kWh at 1, without VAT; the limit alone has a price including it.
        ({"min_price": limit("5", "6")}, limit("5", "6")),
        ({"max_price": limit("0.5", "0.6")}, limit("0.5", "0.6")),
        # A limit that changes nothing adds no VAT.
        ({"min_price": limit("0.5", "0.6")}, limit("1")),
        ({"max_price": limit("5", "6")}, limit("1")),
        # A limit without VAT adds none either.
        ({"min_price": limit("5")}, limit("5")),
    ],
)
def test_an_applied_limit_may_be_the_only_price_with_vat(
    limits: dict[str, object], total: dict[str, object]
) -> None:
    """Source: TAR-20, TAR-21"""
    made = tariff(element(component("ENERGY", "1")), **limits)

    fields = cdr_fields(price(made, session(60, charging_periods=[period(0, ENERGY="1")])))

    assert fields["total_cost"] == total


def test_each_component_has_its_own_vat() -> None:
    """Source: TAR-21"""
    made = tariff(
        element(component("ENERGY", "0.30", "23"), component("TIME", "1.20", "6"), component("FLAT", "1"))
    )
    stay = session(60, charging_periods=[period(0, ENERGY="10", TIME="1")])

    priced = price(made, stay)

    # 3.00 and 0.69 of VAT, 1.20 and 0.072, 1.00 and none.
    assert priced.costs["ENERGY"] == cost("3", "3.69")
    assert priced.costs["TIME"] == cost("1.2", "1.272")
    assert priced.costs["FIXED"] == cost("1")
    assert priced.total_cost == cost("5.2", "5.962")


@pytest.mark.parametrize(("vat", "due"), [(None, cost("1.17")), ("1", cost("1.17", "1.1817"))])
def test_a_tariff_may_price_only_two_minutes_within_a_session(vat: str | None, due: object) -> None:
    """Source: TAR-11, TAR-14"""
    made = tariff(element(component("TIME", "35.10", vat), min_duration=180, max_duration=300))

    # From minute 3 to minute 5: 120 of 3600 s at 35.10.
    assert price(made, session(120)).total_cost == due


@pytest.mark.parametrize(
    ("made", "minutes", "kwh", "due"),
    [
        (tariff(element(component("TIME", "1.2"))), 0.5, "0", cost("0.01")),
        (tariff(element(component("ENERGY", "0"))), 60, "12.3", cost("0")),
    ],
)
def test_an_empty_session_and_a_free_one_have_a_price(
    made: object, minutes: float, kwh: str, due: object
) -> None:
    """Source: TAR-22, SES-14"""
    stay = session(minutes, meter_readings=meter((0, "0"), (minutes, kwh)))

    assert price(made, stay).total_cost == due
