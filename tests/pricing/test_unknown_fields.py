"""Tests of unknown fields of a tariff: those that may change a price leave it undecided.

Source: OCPI 2.2.1 mod_tariffs, Tariff Object; TYP-14, TAR-07, TAR-11
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from chalicelib.errors import InvalidParameters
from chalicelib.pricing.costs import Priced, refuse_undecided
from chalicelib.pricing.findings import ERROR, WARNING
from chalicelib.pricing.lint import lint_tariff
from chalicelib.pricing.unknown_fields import COMPONENT, ELEMENT, RESTRICTIONS, TARIFF, suggest_field
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
    states,
    tariff,
)

ENERGY = component("ENERGY", "1")
FALLBACK = element(component("ENERGY", "10"))
STAY = session(120, meter_readings=meter((0, "0"), (120, "20")))


def fields(priced: Priced) -> set[str]:
    return {remark.field for remark in priced.undecided}


def findings(made: dict[str, Any]) -> set[tuple[str, str]]:
    return {(each.severity, each.pointer) for each in lint_tariff(made)}


def test_an_element_with_misspelt_restrictions_does_not_match_and_has_a_remark() -> None:
    made = tariff(element(ENERGY) | {"restriction": {"end_time": "21:00"}}, FALLBACK)

    priced = price(made, STAY)

    assert priced.total_cost == cost("200")
    (remark,) = priced.remarks
    assert (remark.field, remark.message) == (
        "tariffs.0.elements.0.restriction",
        "'restriction' is no field of OCPI, did you mean restrictions?",
    )
    with pytest.raises(InvalidParameters) as refused:
        refuse_undecided(priced)
    assert refused.value.field == "tariffs.0.elements.0.restriction"
    assert refused.value.detail == f"tariff T1, /elements/0/restriction: {remark.message}"
    assert [(each.pointer, each.message) for each in lint_tariff(made) if each.severity == ERROR] == [
        ("/elements/0/restriction", remark.message)
    ]


@pytest.mark.parametrize(
    ("name", "value", "meant"),
    [
        ("minPrice", limit("5"), "min_price"),
        ("MAX_PRICE", limit("5"), "max_price"),
        ("minimum_price", limit("5"), "min_price"),
        ("startDateTime", "2026-06-01T00:00:00Z", "start_date_time"),
        ("end_datetime", "2026-06-01T00:00:00Z", "end_date_time"),
        ("VAT", 23, "price_components.vat"),
        ("vat_included", True, "tax_included"),
        ("restrictions", {"max_kwh": 5}, "elements.restrictions"),
    ],
)
def test_a_misspelt_field_of_the_tariff_leaves_every_price_undecided(
    name: str, value: Any, meant: str
) -> None:
    priced = price(tariff(FALLBACK, **{name: value}), STAY)

    assert fields(priced) == {f"tariffs.0.{name}"}
    assert [each.message for each in priced.remarks] == [
        f"'{name}' is no field of OCPI, did you mean {meant}?"
    ]


@pytest.mark.parametrize(
    ("name", "value", "meant"),
    [
        ("VAT", 23, "vat"),
        ("iva", 23, "vat"),
        ("taxes", [{"rate": 23}], "vat"),
        ("conditions", {"min_kwh": 5}, "elements.restrictions"),
        ("stepSize", 500, "step_size"),
        ("Price", 2, "price"),
        ("min_kwh", 5, "restrictions.min_kwh"),
    ],
)
def test_a_misspelt_field_of_a_component_leaves_its_price_undecided(
    name: str, value: Any, meant: str
) -> None:
    priced = price(tariff(element(component("ENERGY", "1") | {name: value})), STAY)

    assert fields(priced) == {f"tariffs.0.elements.0.price_components.0.{name}"}
    assert priced.total_cost == cost("20")
    assert f"did you mean {meant}?" in priced.remarks[0].message


@pytest.mark.parametrize(
    "beside",
    [
        {"conditions": {"min_kwh": 5}},
        {"dayOfWeek": ["MONDAY"]},
        {"day_of_week": ["MONDAY"]},
        {"stepSize": 1},
        {"start_time": "10:00"},
    ],
)
def test_an_element_with_a_field_that_belongs_elsewhere_does_not_match(beside: dict[str, Any]) -> None:
    priced = price(tariff(element(ENERGY) | beside, FALLBACK), STAY)

    assert priced.total_cost == cost("200")
    assert len(priced.undecided) == 1


@pytest.mark.parametrize("key", ["min_vehicle_soc", "booking", "mobie_zone", "startTime", "min_congestion"])
def test_an_unknown_restriction_always_leaves_the_price_undecided(key: str) -> None:
    """All restrictions must match, so each one limits the element. Source: TAR-11"""
    made = tariff(element(ENERGY, **{key: 80}), FALLBACK)

    priced = price(made, STAY)

    assert priced.total_cost == cost("200")
    assert fields(priced) == {f"tariffs.0.elements.0.restrictions.{key}"}
    assert (ERROR, f"/elements/0/restrictions/{key}") in findings(made)
    assert "empty_restrictions" not in {each.code for each in lint_tariff(made)}


@pytest.mark.parametrize("kind", ["ENERGYY", "CONGESTION_TIME", "energy", "SESSION_TIME"])
def test_a_component_of_an_unknown_dimension_leaves_the_price_undecided(kind: str) -> None:
    priced = price(tariff(element(ENERGY, component(kind, "60"))), STAY)

    assert priced.total_cost == cost("20")
    assert codes(priced) == {"unknown_dimension"}
    assert fields(priced) == {"tariffs.0.elements.0.price_components.1.type"}


@pytest.mark.parametrize(("value", "is_judged"), [("yes", False), (True, False), ("NO", True), ("N/A", True)])
def test_an_unknown_tax_included_leaves_prices_undecided(value: object, is_judged: bool) -> None:
    made = tariff(FALLBACK, tax_included=value)

    assert bool(price(made, STAY).undecided) is not is_judged
    assert ((ERROR, "/tax_included") in findings(made)) is not is_judged


@pytest.mark.parametrize("value", ["BOOKING", "reservation", "RESERVATION_EXPIRED"])
def test_an_unknown_reservation_value_leaves_any_time_undecided(value: str) -> None:
    made = tariff(element(component("TIME", "6"), reservation=value), element(component("TIME", "1")))
    reserved = {"start_date_time": at(-60), "end_date_time": at(0)}

    assert len(price(made, session(60)).undecided) == 1
    assert len(price(made, session(60, reservation=reserved)).undecided) == 1
    assert price(made, session(60)).total_cost == cost("1")


def test_an_unknown_day_is_refused_with_a_suggestion() -> None:
    made = tariff(element(ENERGY, day_of_week=["Monday"]))

    with pytest.raises(
        InvalidParameters, match="'Monday' is no day of the week of OCPI, did you mean MONDAY"
    ):
        price(made, STAY)


def test_a_misspelt_limit_leaves_the_price_undecided() -> None:
    priced = price(tariff(FALLBACK, min_price={"excl_vat": Decimal(5), "inclVat": Decimal(6)}), STAY)

    assert fields(priced) == {"tariffs.0.min_price.inclVat"}


@pytest.mark.parametrize(
    "made",
    [
        tariff(FALLBACK, mobie_vat=23, x_price=1, custom={"VAT": 1}, target_operator_party_id="ABC"),
        tariff(FALLBACK, description="night", name="x", preauthorize_amount=20, energy_mixes=[]),
        tariff(element(ENERGY | {"mobie_class": "A", "x_vat": 1, "custom": 2}) | {"mobie_zone": 4}),
        tariff(element(ENERGY) | {"restriction": None, "dayOfWeek": []}, minPrice=None),
        tariff(element(ENERGY) | {"restrictions": {"booking": None}}),
        tariff(element(component("ENERGY", "1", "23") | {"VAT": Decimal(23)})),
        tariff(FALLBACK, vat_included=False),
        tariff(element(ENERGY | {f"mobie_{number}": 1 for number in range(30)})),
    ],
)
def test_unknown_fields_that_cannot_change_a_price_have_no_remark(made: dict[str, Any]) -> None:
    """Source: TYP-14"""
    priced = price(made, STAY)

    assert not priced.remarks
    assert not priced.undecided


def test_other_unknown_fields_of_a_component_have_only_a_remark() -> None:
    made = tariff(element(ENERGY | {"unit": "kWh"}))

    priced = price(made, STAY)

    assert [(each.code, each.field) for each in priced.remarks] == [
        ("ignored_field", "tariffs.0.elements.0.price_components.0.unit")
    ]
    assert not priced.undecided
    assert findings(made) == {(WARNING, "/elements/0/price_components/0/unit")}


def odd(*components: dict[str, Any], **restrictions: Any) -> dict[str, Any]:
    """An element that cannot be judged."""
    return element(*components, **restrictions, booking="X")


@pytest.mark.parametrize(
    ("made", "is_decided"),
    [
        # Another element of the dimension is reached first.
        (tariff(FALLBACK, odd(ENERGY)), True),
        (tariff(element(ENERGY, max_kwh=20), odd(ENERGY)), True),
        (tariff(element(ENERGY, max_kwh=19), odd(ENERGY)), False),
        # It prices a dimension that the session does not have.
        (tariff(odd(component("PARKING_TIME", "1")), FALLBACK), True),
        (tariff(odd(component("FLAT", "1")), FALLBACK), False),
        # Its known restrictions never match.
        (tariff(odd(ENERGY, max_duration=0), FALLBACK), True),
        (tariff(odd(ENERGY, start_time="13:00", end_time="14:00"), FALLBACK), True),
        (tariff(odd(ENERGY, min_kwh=30), FALLBACK), True),
        (tariff(odd(ENERGY, day_of_week=["SUNDAY"]), FALLBACK), True),
        # It may begin to match within a charging period.
        (tariff(odd(ENERGY, start_time="11:30", end_time="11:40"), FALLBACK), False),
        (tariff(odd(ENERGY, min_kwh=19), FALLBACK), False),
        (tariff(odd(ENERGY, min_duration=7000), FALLBACK), False),
        # A component with an unknown field: hidden by another one, or not matching.
        (tariff(FALLBACK, element(ENERGY | {"VAT": 6})), True),
        (tariff(element(ENERGY | {"VAT": 6}, min_kwh=30), FALLBACK), True),
        # An element of an unknown dimension matches or not like any other.
        (tariff(FALLBACK, element(component("CONGESTION_TIME", "1"), min_kwh=30)), True),
        (tariff(FALLBACK, element(component("CONGESTION_TIME", "1"), min_kwh=19)), False),
    ],
)
def test_only_an_element_that_could_have_applied_leaves_a_price_undecided(
    made: dict[str, Any], is_decided: bool
) -> None:
    """Source: TAR-09"""
    periods = session(120, charging_periods=[period(0, ENERGY="20", TIME="2")])

    assert bool(price(made, STAY).undecided) is not is_decided
    assert bool(price(made, periods).undecided) is not is_decided


def test_an_unknown_fee_matters_only_until_another_fee_is_due() -> None:
    late = odd(component("FLAT", "5"), start_time="11:00", end_time="11:30")

    assert not price(tariff(element(component("FLAT", "1")), late), session(120)).undecided
    assert price(tariff(late, element(component("FLAT", "1"), start_time="11:30")), session(120)).undecided
    assert not price(tariff(late, element(component("FLAT", "1"))), session(30)).undecided


def test_a_fee_that_is_due_is_decided_whatever_matches_later() -> None:
    made = tariff(
        element(component("FLAT", "1"), max_duration=1800), odd(component("FLAT", "5"), min_duration=3600)
    )
    periods = [period(0, TIME="1.5"), period(90, TIME="0.5")]

    assert not price(made, session(120, charging_periods=periods)).undecided
    assert not price(made, session(120)).undecided


def test_unknown_restrictions_of_reserved_time_matter_only_with_a_reservation() -> None:
    made = tariff(odd(component("TIME", "3"), reservation="RESERVATION"), FALLBACK)
    reserved = {"start_date_time": at(-30), "end_date_time": at(0)}

    assert price(made, {**STAY, "reservation": reserved}).undecided
    assert not price(made, STAY).undecided


@pytest.mark.parametrize(
    ("name", "level", "meant"),
    [
        ("restrctons", ELEMENT, "restrictions"),
        ("restctons", ELEMENT, None),
        ("priec", COMPONENT, "price"),
        ("prcie_", COMPONENT, "price"),
        ("pricexy", COMPONENT, None),
        ("vta", COMPONENT, "vat"),
        ("vats", COMPONENT, "vat"),
        ("cat", COMPONENT, None),
        ("note", TARIFF, None),
        ("max_kw", RESTRICTIONS, "max_kwh"),
        ("min_vehicle_soc", RESTRICTIONS, None),
        ("currency", COMPONENT, None),
        ("min_price", ELEMENT, "the tariff's min_price"),
    ],
)
def test_a_typing_error_is_one_letter_in_short_names_and_two_in_long_ones(
    name: str, level: str, meant: str | None
) -> None:
    assert suggest_field(name, level) == meant


def test_unknown_restrictions_of_parking_leave_a_parked_session_undecided() -> None:
    made = tariff(odd(component("PARKING_TIME", "1")), FALLBACK)
    parked = states((0, "Charging"), (60, "SuspendedEV"))

    assert price(made, {**STAY, "charging_states": parked}).undecided


def test_an_expired_reservation_is_undecided_by_its_own_elements() -> None:
    made = tariff(odd(component("FLAT", "3"), reservation="RESERVATION_EXPIRES"), FALLBACK)
    expired = {"start_date_time": at(0), "end_date_time": at(30), "expired": True}

    assert price(made, session(30, reservation=expired)).undecided
    assert not price(made, STAY).undecided


def test_unknown_fields_of_an_unused_tariff_do_not_matter() -> None:
    other = tariff(element(ENERGY) | {"restriction": {}}, id="T2", minPrice=limit("5"))

    priced = price([tariff(FALLBACK), other], STAY)

    assert not priced.undecided
    assert fields(price([tariff(FALLBACK), other], {**STAY, "tariff_id": "T2"})) == {"tariffs.1.minPrice"}


def test_a_tariff_of_an_unknown_type_leaves_a_fallback_choice_undecided() -> None:
    """Source: TAR-08"""
    green = tariff(element(ENERGY), id="T2", type="PROFILE_GREN")
    wish = {**STAY, "charging_preferences": {"profile_type": "GREEN"}}

    assert fields(price([tariff(FALLBACK), green], wish)) == {"tariffs.1.type"}
    assert not price([tariff(FALLBACK, type="PROFILE_GREEN"), green], wish).undecided


def test_too_many_unknown_fields_leave_the_whole_component_undecided() -> None:
    made = tariff(element(ENERGY | {f"vendor field {number}": 1 for number in range(60)}))

    priced = price(made, STAY)

    assert fields(priced) == {"tariffs.0.elements.0.price_components.0"}


def test_a_huge_session_is_undecided_without_checking_every_moment() -> None:
    elements = [
        odd(ENERGY, start_time=f"{n // 60:02d}:{n % 60:02d}", end_time="23:59", min_kwh=900)
        for n in range(400)
    ]
    stay = session(60 * 24 * 30, charging_periods=[period(0, ENERGY="20", TIME="720")])

    assert len(price(tariff(*elements, FALLBACK), stay).undecided) == 400


def test_the_closest_known_field_is_suggested() -> None:
    """`start_date` comes first in the alphabet, but is two letters away."""
    priced = price(tariff(element(component("ENERGY", "1"), start_dime="10:00")), STAY)

    assert "did you mean start_time?" in priced.remarks[0].message
