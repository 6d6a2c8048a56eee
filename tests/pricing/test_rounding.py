"""Tests of rounding: sent numbers have four decimals, and the parts add up.

Source: OCPI 2.2.1 types_number_type; mod_cdrs, CDR Object; TAR-21, CDR-16
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.pricing.billing import sum_prices
from chalicelib.pricing.price_request import price_request
from chalicelib.pricing.pricing_input import Period
from chalicelib.pricing.rounding import round_energy, round_parts, round_prices
from chalicelib.pricing.statement import cdr_fields
from chalicelib.pricing.tariffs import Amount
from chalicelib.pricing.verification import verify_cdr
from tests.pricing.build import (
    START,
    component,
    cost,
    element,
    limit,
    meter,
    period,
    powers,
    price,
    session,
    states,
    tariff,
)
from tests.pricing.test_properties import QUIET, sessions, tariffs

PARTS = (
    "total_fixed_cost",
    "total_energy_cost",
    "total_time_cost",
    "total_parking_cost",
    "total_reservation_cost",
)
UNIT = Decimal("0.0001")


def decimals(number: Decimal) -> int:
    return max(0, -int(number.as_tuple().exponent))


def numbers(value: Any) -> list[Decimal]:
    """All numbers of a document."""
    if isinstance(value, dict):
        return [number for each in value.values() for number in numbers(each)]
    if isinstance(value, list):
        return [number for each in value for number in numbers(each)]
    return [value] if isinstance(value, Decimal) else []


def volumes(fields: dict[str, Any], kind: str) -> list[Decimal]:
    return [
        each["volume"]
        for charged in fields["charging_periods"]
        for each in charged["dimensions"]
        if each["type"] == kind
    ]


def test_rounded_costs_do_not_exceed_the_rounded_total() -> None:
    # 3 * 0.00006 is 0.0002 when rounded, so two parts get 0.0001 and one gets 0.
    made = tariff(element(*(component(kind, "0.00006") for kind in ("FLAT", "ENERGY", "TIME"))))
    stay = session(60, charging_periods=[period(0, ENERGY="1", TIME="1")])

    fields = cdr_fields(price(made, stay))

    assert fields["total_cost"] == limit("0.0002")
    assert [fields[name]["excl_vat"] for name in PARTS[:3]] == [0, UNIT, UNIT]


def test_a_part_without_vat_keeps_equal_sides() -> None:
    # Excluding VAT 0.00006 + 0.00003 + 0.00003 are 0.0001; including 23 % of two of them 0.0001338.
    parts = [cost("0.00006"), cost("0.00003", "0.0000369"), cost("0.00003", "0.0000369")]

    rounded = round_prices(parts, cost("0.00012", "0.0001338"), 4)

    assert rounded == [cost("0.0001"), cost("0"), cost("0")]


def test_rounding_never_makes_a_price_including_vat_the_lower_one() -> None:
    # Rounded on its own side, the first part would be 0.0001 excluding and 0 including VAT.
    parts = [cost("0.00005"), cost("0.00001", "0.000072")]

    rounded = round_prices(parts, cost("0.00006", "0.000122"), 4)

    assert rounded == [cost("0.0001"), cost("0")]


def test_parts_that_add_up_are_rounded_one_by_one() -> None:
    parts = [cost("1.00004", "1.23004"), cost("2.00006", "2.46006"), cost("0")]

    rounded = round_prices(parts, cost("3.0001", "3.6901"), 4)

    assert rounded == [cost("1", "1.23"), cost("2.0001", "2.4601"), cost("0")]


def with_vat(price: Amount) -> Decimal:
    assert price.incl_vat is not None
    return price.incl_vat


amounts = st.decimals(-50, 50, places=9)
vats = st.sampled_from([Decimal(0), Decimal(6), Decimal(23)])


@given(st.lists(st.tuples(amounts, vats), min_size=1, max_size=6), st.integers(2, 4))
def test_rounded_parts_add_up_to_the_rounded_whole(parts: list[tuple[Decimal, Decimal]], places: int) -> None:
    prices = [Amount(amount, amount * (100 + vat) / 100) for amount, vat in parts]
    whole = sum_prices(prices)

    rounded = round_prices(prices, whole, places)

    unit = Decimal(1).scaleb(-places)
    assert abs(sum(each.excl_vat for each in rounded) - whole.excl_vat) <= unit / 2
    assert abs(sum(with_vat(each) for each in rounded) - with_vat(whole)) <= unit / 2
    for exact, each, (amount, vat) in zip(prices, rounded, parts, strict=True):
        assert decimals(each.excl_vat) <= places
        assert decimals(with_vat(each)) <= places
        assert abs(each.excl_vat - amount) < unit
        assert abs(with_vat(each) - with_vat(exact)) < 2 * unit
        if amount >= 0:
            assert with_vat(each) >= each.excl_vat
        if amount == 0 or vat == 0:
            assert each.incl_vat == each.excl_vat


def test_a_part_of_zero_stays_zero() -> None:
    parts = [Decimal(0), Decimal("0.06"), Decimal("0.06"), Decimal(0)]

    assert round_parts(parts, Decimal("0.1"), 1) == [0, Decimal("0.1"), 0, 0]


@QUIET
@given(tariffs, sessions())
def test_a_cdr_has_four_decimals_its_parts_add_up_and_it_verifies(made: Any, stay: Any) -> None:
    priced = price_request({"tariffs": [made], "session": stay}, kwh_decimals=4)

    fields = cdr_fields(priced)

    assert max(map(decimals, numbers(fields))) <= 4
    for side, amount in fields["total_cost"].items():
        assert sum(fields[name][side] for name in PARTS if name in fields) == amount
    assert sum(volumes(fields, "ENERGY")) == fields["total_energy"]
    cdr = {
        "start_date_time": stay["start_date_time"],
        "end_date_time": stay["end_date_time"],
        "tariffs": [made],
        **fields,
    }
    assert verify_cdr(cdr, stay["time_zone"]).discrepancies == []


@pytest.mark.parametrize("limits", [{"max_price": limit("0.5")}, {"min_price": limit("50")}])
def test_the_parts_add_up_to_the_total_before_a_limit(
    limits: dict[str, Any],
) -> None:
    made = tariff(element(component("ENERGY", "0.33333"), component("TIME", "0.33333")))
    stay = session(60, charging_periods=[period(0, ENERGY="3.1", TIME="1")])

    fields = cdr_fields(price(made | limits, stay))

    # 1.033323 + 0.33333 = 1.366653
    assert sum(fields[name]["excl_vat"] for name in PARTS[:4]) == Decimal("1.3667")


@given(st.lists(st.one_of(st.none(), st.decimals(0, 20, places=7)), min_size=1, max_size=8))
def test_rounded_energies_add_up(energies: list[Decimal | None]) -> None:
    periods = round_energy([Period(START, START, kwh=kwh) for kwh in energies], 4)

    exact = sum((kwh for kwh in energies if kwh is not None), Decimal(0))
    rounded = [each.kwh for each in periods if each.kwh is not None]
    assert abs(sum(rounded, Decimal(0)) - exact) <= UNIT / 2
    assert all(decimals(kwh) <= 4 and kwh >= 0 for kwh in rounded)
    assert [each.kwh is None for each in periods] == [kwh is None for kwh in energies]


def test_energy_is_priced_with_the_decimals_that_are_sent() -> None:
    """Otherwise a receiver computes one step less: 500.04 Wh are two steps of 500 Wh, 500 Wh are one."""
    made = tariff(element(component("ENERGY", "1", step=500)))
    for measured in (
        {"meter_readings": meter((0, "0"), (60, "0.50004"))},
        {"charging_periods": [period(0, ENERGY="0.25002"), period(30, ENERGY="0.25002")]},
    ):
        priced = price_request({"tariffs": [made], "session": session(60, **measured)}, kwh_decimals=4)

        assert priced.total_cost == cost("0.5")
        assert sum(volumes(cdr_fields(priced), "ENERGY")) == Decimal("0.5")


def test_an_energy_just_below_a_limit_stays_below_it() -> None:
    made = tariff(element(component("ENERGY", "1"), min_kwh=10), element(component("ENERGY", "2")))
    periods = [period(0, ENERGY="9.99996"), period(30, ENERGY="1")]

    priced = price_request(
        {"tariffs": [made], "session": session(60, charging_periods=periods)}, kwh_decimals=4
    )

    assert [each.kwh for each in priced.usage.periods] == [Decimal("9.9999"), Decimal("1.0001")]
    assert priced.total_cost == cost("22")


def test_a_power_just_below_a_limit_stays_below_it() -> None:
    made = tariff(element(component("TIME", "1"), max_power=11), element(component("TIME", "2")))
    stay = session(60, power_readings=powers((0, "10.999999")), charging_states=states((0, "Charging")))

    fields = cdr_fields(price(made, stay))

    assert volumes(fields, "MAX_POWER") == [Decimal("10.9999")]
