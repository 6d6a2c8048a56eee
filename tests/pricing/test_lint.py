"""Tests of lint: mistakes in a tariff that fits the schema.

Source: OCPI 2.2.1 mod_tariffs, Object description and Data types; TAR-15, TAR-26
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from chalicelib.errors import InvalidParameters
from chalicelib.pricing.lint import lint_tariff
from tests.pricing.build import component, element, limit, tariff

ENERGY = component("ENERGY", "0.25", "10")
TIME = component("TIME", "1", "10")


def found(*elements: dict[str, Any], **fields: Any) -> set[tuple[str, str]]:
    return {(each.code, each.pointer) for each in lint_tariff(tariff(*elements, **fields))}


def test_a_plain_tariff_has_no_findings() -> None:
    assert found(element(ENERGY, TIME, component("FLAT", "0.5", "10"))) == set()


def test_the_free_tariff_of_the_specification_has_no_findings() -> None:
    assert found(element(component("FLAT", "0.00", None, 0))) == set()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {}),
        ({}, {"start_time": "10:00"}),
        ({"max_kwh": 20}, {"max_kwh": 10}),
        ({"min_power": 5}, {"min_power": 7, "max_power": 9}),
        ({"start_time": "20:00", "end_time": "08:00"}, {"start_time": "22:00", "end_time": "06:00"}),
        ({"day_of_week": ["SATURDAY", "SUNDAY"]}, {"day_of_week": ["SUNDAY"], "max_duration": 60}),
        ({"start_date": "2026-01-01"}, {"start_date": "2026-02-01", "end_date": "2026-03-01"}),
        ({"min_duration": 0}, {}),
    ],
)
def test_an_element_hidden_by_an_earlier_one_is_unreachable(first: Any, second: Any) -> None:
    assert ("unreachable_element", "/elements/1") in found(
        element(ENERGY, **first), element(ENERGY, **second)
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"max_kwh": 10}, {"max_kwh": 20}),
        ({"start_time": "22:00", "end_time": "06:00"}, {"start_time": "20:00", "end_time": "08:00"}),
        ({"day_of_week": ["SUNDAY"]}, {}),
        ({"reservation": "RESERVATION"}, {}),
        ({"min_power": 0}, {}),
    ],
)
def test_an_element_that_may_match_is_reachable(first: Any, second: Any) -> None:
    codes = {code for code, _ in found(element(TIME, **first), element(TIME, **second))}

    assert not codes & {"unreachable_element", "unreachable_component"}


def test_a_component_may_be_unreachable_in_a_reachable_element() -> None:
    codes = found(element(ENERGY), element(ENERGY, TIME))

    assert codes == {("unreachable_component", "/elements/1/price_components/0")}


@pytest.mark.parametrize(
    ("restrictions", "code", "key"),
    [
        ({"min_kwh": 5, "max_kwh": 5}, "restriction_limits_cross", "/max_kwh"),
        ({"min_power": 9, "max_power": 5}, "restriction_limits_cross", "/max_power"),
        ({"min_current": 9, "max_current": 5}, "restriction_limits_cross", "/max_current"),
        ({"min_duration": 9, "max_duration": 5}, "restriction_limits_cross", "/max_duration"),
        ({"start_date": "2026-02-01", "end_date": "2026-02-01"}, "restriction_limits_cross", "/end_date"),
        ({"max_duration": 0}, "restriction_never_holds", "/max_duration"),
        ({"day_of_week": [], "max_kwh": 4}, "empty_day_of_week", "/day_of_week"),
        ({"day_of_week": ["MONDAY", "MONDAY"]}, "repeated_day_of_week", "/day_of_week"),
        ({"start_time": "08:00", "end_time": "08:00"}, "whole_day_window", "/end_time"),
        (
            {"start_time": "22:00", "end_time": "06:00", "day_of_week": ["MONDAY"]},
            "window_over_midnight",
            "/day_of_week",
        ),
        ({"reservation": "RESERVATION", "max_kwh": 4}, "reservation_restriction", "/max_kwh"),
        ({"reservation": "BOOKING"}, "unknown_reservation", "/reservation"),
        ({"min_kwh": 0}, "needless_minimum", "/min_kwh"),
    ],
)
def test_wrong_restrictions_are_found(restrictions: Any, code: str, key: str) -> None:
    assert (code, f"/elements/0/restrictions{key}") in found(element(TIME, **restrictions), element(TIME))


def test_an_empty_list_of_days_is_found() -> None:
    assert ("empty_day_of_week", "/elements/0/restrictions/day_of_week") in found(
        element(ENERGY, day_of_week=[])
    )


def test_empty_restrictions_are_found() -> None:
    assert found({**element(ENERGY), "restrictions": {}}) == {
        ("empty_restrictions", "/elements/0/restrictions")
    }


@pytest.mark.parametrize(
    ("made", "code", "key"),
    [
        (component("FLAT", "1", "10", 300), "unused_step_size", "/step_size"),
        (component("ENERGY", "0", "10", 300), "unused_step_size", "/step_size"),
        (component("ENERGY", "1", "10", 0), "zero_step_size", "/step_size"),
        (component("ENERGY", "1", "10", 500), "large_step_size", "/step_size"),
        (component("ENERGY", "-1", "10"), "negative_price", "/price"),
        (component("ENERGY", "1", "230"), "vat_out_of_range", "/vat"),
        (component("ENERGY", "1", "0.23"), "vat_is_a_fraction", "/vat"),
        (component("CHARGING", "1", "10"), "unknown_dimension", "/type"),
    ],
)
def test_wrong_price_components_are_found(made: dict[str, Any], code: str, key: str) -> None:
    assert (code, f"/elements/0/price_components/0{key}") in found(element(made))


def test_a_dimension_priced_twice_in_an_element_is_found() -> None:
    assert found(element(ENERGY, ENERGY)) == {("duplicate_dimension", "/elements/0/price_components/1")}


def test_vat_given_for_only_some_components_is_found() -> None:
    assert found(element(ENERGY, component("TIME", "1"))) == {
        ("vat_missing", "/elements/0/price_components/1")
    }
    assert found(element(component("ENERGY", "1"), component("TIME", "1"))) == set()


@pytest.mark.parametrize("kind", ["ENERGY", "PARKING_TIME"])
def test_a_reservation_with_a_price_of_energy_or_parking_is_found(kind: str) -> None:
    codes = found(element(component(kind, "1", "10"), reservation="RESERVATION"))

    assert ("reservation_dimension", "/elements/0/price_components/0/type") in codes


@pytest.mark.parametrize(
    ("fields", "finding"),
    [
        ({"currency": "EURO"}, ("unknown_currency", "/currency")),
        ({"currency": "eur"}, ("unknown_currency", "/currency")),
        ({"type": "NIGHT"}, ("unknown_type", "/type")),
        (
            {"min_price": limit("5", "5.5"), "max_price": limit("4", "6.6")},
            ("price_limits_cross", "/max_price/excl_vat"),
        ),
        ({"min_price": limit("5")}, ("limit_without_incl_vat", "/min_price")),
        ({"min_price": limit("5", "4")}, ("limit_vat_negative", "/min_price/incl_vat")),
        ({"min_price": limit("5", "6")}, ("limit_vat_differs", "/min_price/incl_vat")),
        ({"max_price": limit("-5", "5")}, ("negative_limit", "/max_price/excl_vat")),
        (
            {"start_date_time": "2026-02-01T00:00:00Z", "end_date_time": "2026-01-01T00:00:00Z"},
            ("never_valid", "/end_date_time"),
        ),
    ],
)
def test_wrong_fields_of_the_tariff_are_found(fields: dict[str, Any], finding: tuple[str, str]) -> None:
    assert finding in found(element(ENERGY), **fields)


def test_a_tariff_without_a_fallback_element_is_found() -> None:
    assert found(element(ENERGY, max_kwh=20)) == {("no_fallback", "/elements")}


def test_several_flat_fees_and_different_steps_are_found() -> None:
    codes = found(
        element(component("FLAT", "1", "10"), component("ENERGY", "1", "10", 1), max_kwh=Decimal(3)),
        element(component("FLAT", "2", "10"), component("ENERGY", "2", "10", 100)),
    )

    assert {code for code, _ in codes} == {"several_flat_fees", "mixed_step_sizes", "large_step_size"}


def test_errors_come_first() -> None:
    findings = lint_tariff(tariff(element(component("ENERGY", "1", "10", 500)), currency="EURO"))

    assert [each.severity for each in findings] == ["error", "info"]


def test_a_document_that_is_no_tariff_is_refused() -> None:
    with pytest.raises(InvalidParameters):
        lint_tariff(tariff())
