"""Tests of minimum and maximum price, excluding and including VAT independently.

Source: OCPI 2.2.1 mod_tariffs, min_price and max_price; TAR-20
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.pricing.build import at, component, cost, element, limit, period, price, session, tariff


def of(kwh: str) -> dict[str, Any]:
    return session(60, charging_periods=[period(0, ENERGY=kwh)])


def limited(vat: str | None = "20", **limits: Any) -> dict[str, Any]:
    return tariff(element(component("ENERGY", "1", vat)), **limits)


@pytest.mark.parametrize(
    ("limits", "kwh", "due"),
    [
        ({"min_price": limit("5", "7")}, "5.5", cost("5.5", "7")),
        ({"min_price": limit("6", "6.5")}, "5.5", cost("6", "6.6")),
        ({"max_price": limit("5", "7")}, "5.5", cost("5", "6.6")),
        ({"max_price": limit("6", "6")}, "5.5", cost("5.5", "6")),
        ({"min_price": limit("9", "9"), "max_price": limit("8", "8")}, "1", cost("8", "8")),
    ],
)
def test_prices_excluding_and_including_vat_are_limited_separately(
    limits: dict[str, Any], kwh: str, due: Any
) -> None:
    assert price(limited(**limits), of(kwh)).total_cost == due


def test_a_limit_without_vat_changes_the_vat_in_proportion() -> None:
    assert price(limited(max_price=limit("5")), of("10")).total_cost == cost("5", "6")
    assert price(limited(min_price=limit("5")), of("0")).total_cost == cost("5", "6")


def test_a_tariff_and_limit_without_vat_give_no_price_including_vat() -> None:
    assert not price(limited(None, max_price=limit("5")), of("10")).has_vat


def test_a_limit_changes_only_the_total() -> None:
    priced = price(limited(min_price=limit("5", "6")), of("1"))

    assert priced.costs["ENERGY"] == cost("1", "1.2")
    assert [(each.name, each.excl_vat, each.incl_vat) for each in priced.limits] == [("min_price", 5, 6)]


def test_an_expired_reservation_has_no_minimum_price() -> None:
    made = tariff(
        element(component("FLAT", "1", "20"), reservation="RESERVATION_EXPIRES"), min_price=limit("5", "6")
    )
    reservation = {"start_date_time": at(0), "end_date_time": at(30), "expired": True}

    assert price(made, session(30, reservation=reservation)).total_cost == cost("1", "1.2")


def test_an_expired_reservation_has_a_maximum_price() -> None:
    made = tariff(
        element(component("FLAT", "10", "20"), reservation="RESERVATION_EXPIRES"), max_price=limit("5", "6")
    )
    reservation = {"start_date_time": at(0), "end_date_time": at(30), "expired": True}

    assert price(made, session(30, reservation=reservation)).total_cost == cost("5", "6")


@pytest.mark.parametrize(
    ("vats", "due"),
    [
        (("20", "20"), cost("5", "6")),
        # With two rates, the rate of a minimum for zero cost is unknown.
        (("20", "10"), cost("5")),
        (("20", None), cost("5")),
        ((None, None), cost("5")),
    ],
)
def test_a_minimum_without_vat_takes_the_only_vat_rate_if_the_session_costs_zero(
    vats: tuple[str | None, str | None], due: Any
) -> None:
    made = tariff(
        element(component("ENERGY", "1", vats[0]), component("FLAT", "0", vats[1])), min_price=limit("5")
    )

    assert price(made, of("0")).total_cost == due


def test_the_vat_of_a_limit_changes_in_proportion_with_two_rates() -> None:
    made = tariff(
        element(component("ENERGY", "1", "20"), component("FLAT", "10", "10")), max_price=limit("5")
    )

    # 10 and 2 of VAT, 10 and 1: 3 of 20 is 15 %, and 15 % of 5 is 0.75.
    assert price(made, of("10")).total_cost == cost("5", "5.75")
