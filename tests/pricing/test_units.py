"""Tests of finding numbers that are in another unit than OCPI's.

Source: OCPI 2.2.1 mod_tariffs, TariffRestrictions, PriceComponent; TAR-14, TAR-17
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from chalicelib.pricing.findings import WARNING
from chalicelib.pricing.lint import lint_tariff
from tests.pricing.build import component, element, limit, tariff


def odd(made: dict[str, Any]) -> list[tuple[str, str]]:
    found = [each for each in lint_tariff(made) if each.code == "odd_unit"]
    assert all(each.severity == WARNING for each in found)
    return [(each.pointer, each.message) for each in found]


@pytest.mark.parametrize(
    ("restrictions", "message"),
    [
        ({"min_power": Decimal("32000.0")}, "32000 kW is more than there can be, are they W?"),
        ({"max_power": 11000}, "11000 kW is more than there can be, are they W?"),
        ({"min_kwh": 20000}, "20000 kWh is more than there can be, are they Wh?"),
        ({"max_kwh": 5000}, "5000 kWh is more than there can be, are they Wh?"),
        ({"min_current": 16000}, "16000 A is more than there can be, are they mA?"),
        ({"min_duration": 30}, "30 seconds is very short, are they minutes or hours?"),
        ({"max_duration": 4}, "4 seconds is very short, are they minutes or hours?"),
        ({"max_duration": 3_600_000}, "3600000 seconds is more than there can be, are they milliseconds?"),
    ],
)
def test_restrictions_in_another_unit_are_found(restrictions: dict[str, Any], message: str) -> None:
    (key,) = restrictions
    made = tariff(element(component("TIME", "1"), **restrictions), element(component("TIME", "2")))

    assert odd(made) == [(f"/elements/0/restrictions/{key}", message)]


@pytest.mark.parametrize(
    "restrictions",
    [
        {"min_power": 350, "max_power": 1000},
        {"min_kwh": 0, "max_kwh": 600},
        {"min_current": 16, "max_current": 500},
        {"min_duration": 60, "max_duration": 300},
        {"min_duration": 0, "max_duration": 86400},
    ],
)
def test_restrictions_in_the_right_unit_are_no_finding(restrictions: dict[str, Any]) -> None:
    assert odd(tariff(element(component("TIME", "1"), **restrictions))) == []


@pytest.mark.parametrize(
    ("made", "pointer"),
    [
        (component("ENERGY", "35"), "/price"),
        (component("ENERGY", "5.01"), "/price"),
        (component("TIME", "200"), "/price"),
        (component("PARKING_TIME", "1000"), "/price"),
        (component("FLAT", "300"), "/price"),
        (component("ENERGY", "0.35", step=1_000_000), "/step_size"),
        (component("TIME", "1", step=900_000), "/step_size"),
    ],
)
def test_prices_in_cents_and_steps_in_other_units_are_found(made: dict[str, Any], pointer: str) -> None:
    assert [found for found, _ in odd(tariff(element(made)))] == [f"/elements/0/price_components/0{pointer}"]


@pytest.mark.parametrize(
    ("currency", "made"),
    [
        ("EUR", component("ENERGY", "0.99")),
        ("EUR", component("TIME", "35.10")),
        ("EUR", component("PARKING_TIME", "60", step=86_400)),
        ("EUR", component("FLAT", "20")),
        ("NOK", component("ENERGY", "7.5")),
        ("HUF", component("ENERGY", "250")),
        ("JPY", component("FLAT", "500")),
    ],
)
def test_realistic_prices_are_no_finding(currency: str, made: dict[str, Any]) -> None:
    assert odd(tariff(element(made), currency=currency)) == []


def test_a_limit_in_cents_is_found() -> None:
    made = tariff(element(component("ENERGY", "0.5")), max_price=limit("5000"))

    assert odd(made) == [
        ("/max_price/excl_vat", "5000 EUR is a very high price, are they hundredths (cents)?")
    ]
