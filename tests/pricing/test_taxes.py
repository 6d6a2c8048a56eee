"""Tests of prices that include taxes, and of tariffs without taxes. Expected values are computed by hand.

Source: OCPI 2.3.0 mod_tariffs, TaxIncluded; V23-14 … V23-18
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from chalicelib.errors import InvalidParameters
from chalicelib.pricing.costs import Priced, refuse_undecided
from chalicelib.pricing.lint import lint_tariff
from chalicelib.pricing.statement import cdr_fields, write_statement
from chalicelib.pricing.verification import Verification, verify_cdr
from tests.pricing.build import (
    at,
    codes,
    component,
    cost,
    element,
    limit,
    meter,
    period,
    price,
    session,
    tariff,
)

Document = dict[str, Any]


def gross(*components: Document, **fields: Any) -> Document:
    return tariff(element(*components), tax_included="YES", **fields)


def charged(kwh: str, minutes: float = 60) -> Document:
    readings = meter((0, "0"), (minutes, kwh))
    return session(minutes, meter_readings=readings)


def four_decimals(priced: Priced) -> Document:
    """The costs of a CDR."""
    return {name: value for name, value in cdr_fields(priced).items() if name.endswith("_cost")}


@pytest.mark.parametrize(
    ("components", "kwh", "expected"),
    [
        # 50 × 0.49 = 24.50; 24.50 / 1.21 = 20.24793…
        ([component("ENERGY", "0.49", "21")], "50", ("20.2479", "24.5")),
        # 1.20 / 1.2 = 1.00, and 20 × 0.30 / 1.1 = 5.45454…
        ([component("FLAT", "1.20", "20"), component("ENERGY", "0.30", "10")], "20", ("6.4545", "7.2")),
        # 0 % is a rate as well.
        ([component("ENERGY", "0.25", "0")], "20", ("5", "5")),
        # 20.45 kWh in steps of 100 Wh are 20.5: 20.5 × 0.275 = 5.6375; / 1.1 = 5.125.
        ([component("ENERGY", "0.275", "10", 100)], "20.45", ("5.125", "5.6375")),
        # 3.1 × 0.19 = 0.589; / 1.07 = 0.550467…
        ([component("ENERGY", "0.19", "7")], "3.1", ("0.5505", "0.589")),
    ],
)
def test_the_cost_with_taxes_is_exact_and_the_cost_without_them_is_derived(
    components: list[Document], kwh: str, expected: tuple[str, str]
) -> None:
    """Source: V23-16"""
    priced = price(gross(*components), charged(kwh))

    assert four_decimals(priced)["total_cost"] == limit(*expected)
    assert priced.total_cost.incl_vat == Decimal(expected[1])
    assert not priced.undecided


def test_the_costs_of_all_kinds_add_up() -> None:
    """Source: V23-16, TAR-21"""
    priced = price(gross(component("FLAT", "1.20", "20"), component("ENERGY", "0.30", "10")), charged("20"))

    assert four_decimals(priced) == {
        "total_cost": limit("6.4545", "7.2"),
        "total_fixed_cost": limit("1", "1.2"),
        "total_energy_cost": limit("5.4545", "6"),
        "total_time_cost": limit("0", "0"),
        "total_parking_cost": limit("0", "0"),
    }


def test_many_periods_cost_what_one_costs() -> None:
    """Source: V23-16, TAR-23"""
    made = gross(component("ENERGY", "0.49", "21"))
    periods = [period(minute, ENERGY="0.1") for minute in range(60)]

    assert (
        price(made, session(60, charging_periods=periods)).total_cost == price(made, charged("6")).total_cost
    )


@pytest.mark.parametrize(
    ("limits", "kwh", "expected"),
    [
        # 5 × 0.242 = 1.21 with and 1.00 without taxes.
        ({"min_price": limit("2", "2.42")}, "5", ("2", "2.42")),
        ({"min_price": limit("0.5", "1.30")}, "5", ("1", "1.3")),
        # 100 × 0.242 = 24.20 with and 20.00 without taxes; the limit halves both.
        ({"max_price": limit("10")}, "100", ("10", "12.1")),
        ({"max_price": limit("30", "20")}, "100", ("20", "20")),
    ],
)
def test_limits_apply_with_and_without_taxes(limits: Document, kwh: str, expected: tuple[str, str]) -> None:
    """Source: V23-15"""
    priced = price(gross(component("ENERGY", "0.242", "21"), **limits), charged(kwh))

    assert four_decimals(priced)["total_cost"] == limit(*expected)


def test_the_breakdown_names_prices_with_taxes() -> None:
    """Source: V23-16"""
    statement = write_statement(price(gross(component("ENERGY", "0.49", "21")), charged("50")))
    (line,) = statement["breakdown"]["lines"]

    assert (line["price"], line["excl_vat"], line["incl_vat"]) == (
        Decimal("0.49"),
        Decimal("20.247933884"),
        Decimal("24.5"),
    )
    assert line["vat_amount"] == Decimal("4.252066116")
    assert "its price includes taxes" in line["because"]


def test_taxes_of_an_unknown_amount_leave_the_cost_without_them_undecided() -> None:
    """2.5 h × 2.10. Source: V23-16, V23-17; tariff_20_simple_north_american_inclusive"""
    priced = price(gross(component("TIME", "2.10"), currency="CAD"), session(150))

    assert priced.total_cost.incl_vat == Decimal("5.25")
    assert codes(priced) == {"unknown_taxes"}
    with pytest.raises(InvalidParameters, match="no vat says how much"):
        refuse_undecided(priced)


def test_what_costs_nothing_has_no_taxes() -> None:
    """Source: V23-16"""
    priced = price(gross(component("FLAT", "0")), charged("20"))

    assert priced.total_cost == cost("0")
    assert not priced.undecided


def test_where_no_taxes_are_applicable_vat_is_ignored() -> None:
    """Source: V23-14"""
    made = tariff(element(component("ENERGY", "0.25", "21")), tax_included="N/A")
    priced = price(made, charged("20"))

    assert four_decimals(priced)["total_cost"] == limit("5")
    assert codes(priced) == {"vat_not_applicable"}
    assert "vat_not_applicable" in {finding.code for finding in lint_tariff(made)}


@pytest.mark.parametrize("value", [None, "NO", "N/A"])
def test_prices_without_taxes_stay_as_they_are(value: str | None) -> None:
    """20.45 × 0.25 = 5.1125; the specification prints 5.11. Source: V23-14, V23-18"""
    made = tariff(element(component("ENERGY", "0.25")), tax_included=value)

    assert price(made, charged("20.45")).total_cost == cost("5.1125")


def test_the_energy_of_the_alt_url_example_is_billed_in_its_steps() -> None:
    """Steps of 100 Wh make 20.5 kWh of 20.45. The table of the example has none. Source: V23-18"""
    made = tariff(
        element(component("FLAT", "0.50", "20"), component("ENERGY", "0.25", "10", 100)), tax_included="NO"
    )

    assert price(made, charged("20.45")).total_cost == cost("5.625", "6.2375")


# -- verifying


def cdr(made: Document, **fields: Any) -> Document:
    """A CDR of 2.5 hours and 50 kWh."""
    return {
        "start_date_time": at(0),
        "end_date_time": at(150),
        "currency": made["currency"],
        "tariffs": [made],
        "charging_periods": [period(0, ENERGY="50", TIME="2.5")],
        "total_energy": Decimal(50),
        "total_time": Decimal("2.5"),
        **fields,
    }


def wrong(verification: Verification) -> list[str]:
    return [each.field for each in verification.discrepancies]


def test_a_cdr_of_prices_with_taxes_is_verified() -> None:
    """Source: V23-16"""
    made = gross(component("ENERGY", "0.49", "21"))

    assert wrong(verify_cdr(cdr(made, total_cost=limit("20.2479", "24.50")))) == []
    assert wrong(verify_cdr(cdr(made, total_cost=limit("20.25", "24.50")))) == []
    assert wrong(verify_cdr(cdr(made, total_cost=limit("24.50", "29.645")))) == [
        "total_cost.excl_vat",
        "total_cost.incl_vat",
    ]


_TAXES = [{"name": "GST", "amount": Decimal("0.25")}, {"name": "QST", "amount": Decimal("0.50")}]


def test_taxes_that_no_tariff_names_are_no_error() -> None:
    """2.5 h × 2.00, tariff_19_simple_north_american_exclusive. Source: V23-17"""
    made = tariff(element(component("TIME", "2.00")), currency="CAD", tax_included="NO")
    with_taxes = {**limit("5.00", "5.75"), "taxes": _TAXES}

    assert wrong(verify_cdr(cdr(made, total_cost=with_taxes))) == []
    assert wrong(verify_cdr(cdr(made, total_cost={**with_taxes, "excl_vat": Decimal("5.10")}))) == [
        "total_cost.excl_vat"
    ]
    assert wrong(verify_cdr(cdr(made, total_cost=limit("5.00", "5.75")))) == ["total_cost.incl_vat"]


def test_a_cost_that_includes_unknown_taxes_is_verified_with_them() -> None:
    """Source: V23-17"""
    made = gross(component("TIME", "2.10"), currency="CAD")

    right = verify_cdr(cdr(made, total_cost={**limit("4.50", "5.25"), "taxes": _TAXES}))
    too_much = verify_cdr(cdr(made, total_cost={**limit("4.60", "5.35"), "taxes": _TAXES}))

    assert (wrong(right), list(right.not_judged)) == ([], [])
    assert wrong(too_much) == ["total_cost.incl_vat"]
