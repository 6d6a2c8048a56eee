"""Tests that lint finds nothing in a good tariff, because people ignore advice that is always given.

Source: OCPI 2.2.1 mod_tariffs, Object description and Data types; TAR-15, TAR-26
"""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.pricing.lint import lint_tariff, warn_of_tariff
from tests.pricing.build import component, element, limit, tariff

ENERGY = component("ENERGY", "0.25", "10")
WITHOUT_VAT = component("ENERGY", "0.25")
BEGIN, END = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"


@pytest.mark.parametrize(
    "fields",
    [
        {"start_date_time": BEGIN},
        {"end_date_time": END},
        {"start_date_time": BEGIN, "end_date_time": END},
    ],
    ids=["no end", "no start", "both"],
)
def test_a_period_of_validity_is_no_finding(fields: dict[str, Any]) -> None:
    assert lint_tariff(tariff(element(ENERGY), **fields)) == []


def test_a_tariff_that_ends_when_it_starts_is_never_valid() -> None:
    found = lint_tariff(tariff(element(ENERGY), start_date_time=BEGIN, end_date_time=BEGIN))

    assert [each.code for each in found] == ["never_valid"]


def test_a_limit_without_vat_is_right_in_a_tariff_without_vat() -> None:
    assert lint_tariff(tariff(element(WITHOUT_VAT), min_price=limit("5"))) == []


def test_a_limit_of_zero_is_no_finding() -> None:
    assert lint_tariff(tariff(element(WITHOUT_VAT), min_price=limit("0"))) == []


def test_an_equal_minimum_and_maximum_price_is_no_finding() -> None:
    made = tariff(element(WITHOUT_VAT), min_price=limit("5"), max_price=limit("5"))

    assert lint_tariff(made) == []


@pytest.mark.parametrize(
    ("window", "is_found"),
    [
        ({"start_time": "08:00", "end_time": "20:00", "day_of_week": ["MONDAY"]}, False),
        ({"start_time": "20:00", "end_time": "08:00", "day_of_week": ["MONDAY"]}, True),
        ({"start_time": "20:00", "end_time": "08:00"}, False),
        ({"start_time": "20:00", "day_of_week": ["MONDAY"]}, False),
        ({"end_time": "08:00", "day_of_week": ["MONDAY"]}, False),
    ],
)
def test_only_a_window_over_midnight_with_days_is_found(window: dict[str, Any], is_found: bool) -> None:
    codes = {each.code for each in lint_tariff(tariff(element(ENERGY, **window)))}

    assert ("window_over_midnight" in codes) is is_found


def test_warnings_of_the_operator_api_leave_out_advice() -> None:
    made = tariff(element(ENERGY, min_kwh=0), currency="EUX")

    assert [each.code for each in warn_of_tariff(made)] == ["unknown_currency"]
    assert {each.code for each in lint_tariff(made)} > {"unknown_currency"}
