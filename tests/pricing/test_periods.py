"""Tests of reading charging periods: tariff, duration and remarks.

Source: OCPI 2.2.1 mod_cdrs, ChargingPeriod, CdrDimensionType; CDR-14 … CDR-16, TRP-32, TRP-35
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.errors import InvalidParameters
from chalicelib.pricing.json_fields import Remark
from chalicelib.pricing.periods import remark_missing
from chalicelib.pricing.pricing_input import Period
from chalicelib.pricing.tariffs import read_tariff
from chalicelib.pricing.verification import verify_cdr
from tests.pricing.build import (
    START,
    at,
    codes,
    component,
    cost,
    element,
    number,
    period,
    price,
    session,
    tariff,
)

BY_TIME = tariff(element(component("TIME", "6", None, 60)))
BY_ENERGY = tariff(element(component("ENERGY", "1", None, 1)))


@pytest.mark.parametrize("volume", ["0.0833", "0.0834", "0.08333333333333337"])
def test_the_timestamps_are_used_if_the_hours_agree_with_them(volume: str) -> None:
    priced = price(BY_TIME, session(5, charging_periods=[period(0, TIME=volume)]))

    assert priced.total_cost == cost("0.5")
    assert not priced.remarks


@pytest.mark.parametrize("volume", ["0.083", "0.084", "0.08"])
def test_the_timestamps_are_used_if_coarse_hours_agree_and_there_is_a_remark(volume: str) -> None:
    priced = price(BY_TIME, session(5, charging_periods=[period(0, TIME=volume)]))

    assert priced.total_cost == cost("0.5")
    assert codes(priced) == {"coarse_volume"}


def test_a_priced_dimension_that_no_period_has_gets_a_remark() -> None:
    assert codes(price(BY_TIME, session(5, charging_periods=[period(0, ENERGY="1")]))) == {"no_time"}
    assert codes(price(BY_ENERGY, session(5, charging_periods=[period(0, ENERGY_IMPORT="1")]))) == {
        "no_energy"
    }


def test_missing_energy_in_a_reservation_has_no_remark() -> None:
    """Energy has a price in the tariff, but charging has not started."""
    made = tariff(element(component("ENERGY", "1"), component("TIME", "1")))
    remarks: list[Remark] = []
    reserved = Period(
        START, START + timedelta(hours=1), read_tariff(made, "tariff", remarks), is_reserved=True
    )

    remark_missing([reserved], remarks, "charging_periods")

    assert remarks == []


@pytest.mark.parametrize(("volume", "due"), [("0.0667", "0.4"), ("0.15", "0.9"), ("0.0501", "0.3")])
def test_hours_that_disagree_with_the_timestamps_are_used_with_a_remark(volume: str, due: str) -> None:
    priced = price(BY_TIME, session(5, charging_periods=[period(0, TIME=volume)]))

    assert priced.total_cost == cost(due)
    assert [(each.code, each.field) for each in priced.remarks] == [
        ("volume_disagrees", "session.charging_periods.0.dimensions.0.volume")
    ]


def test_charging_and_parking_may_share_a_period() -> None:
    made = tariff(element(component("TIME", "6", None, 1), component("PARKING_TIME", "12", None, 60)))

    priced = price(made, session(37, charging_periods=[period(0, TIME="0.35", PARKING_TIME="0.2667")]))

    assert priced.costs["TIME"] == cost("2.1")
    assert priced.costs["PARKING_TIME"] == cost("3.2")
    assert not priced.remarks


def test_energies_are_summed_exactly() -> None:
    periods = [period(20 * each, ENERGY="0.1") for each in range(3)]

    assert price(BY_ENERGY, session(60, charging_periods=periods)).total_cost == cost("0.3")


def test_float_errors_in_a_volume_add_no_step() -> None:
    periods = [period(0, ENERGY="0.30000000000000004")]

    assert price(BY_ENERGY, session(60, charging_periods=periods)).total_cost == cost("0.3")


def test_a_period_is_priced_by_the_tariff_it_names() -> None:
    other = tariff(element(component("ENERGY", "2")), id="T2")
    periods = [period(0, "t1", ENERGY="1"), period(30, "T2", ENERGY="1")]

    assert price([BY_ENERGY, other], session(60, charging_periods=periods)).total_cost == cost("3")


def test_a_period_without_tariff_is_free_if_others_have_one() -> None:
    made = tariff(element(component("ENERGY", "1"), max_kwh=2), element(component("ENERGY", "5")))
    periods = [period(0, None, ENERGY="1.5"), period(20, ENERGY="0.5"), period(40, ENERGY="1")]

    priced = price(made, session(60, charging_periods=periods))

    # Its energy counts for the tier.
    assert priced.total_cost == cost("5.5")
    assert "period_without_tariff" in codes(priced)


def test_the_tariff_of_the_session_is_used_if_no_period_names_one() -> None:
    priced = price(BY_ENERGY, session(60, charging_periods=[period(0, None, ENERGY="2")]))

    assert priced.total_cost == cost("2")
    assert codes(priced) == {"no_period_names_a_tariff"}


def test_a_period_that_names_an_unknown_tariff_is_refused() -> None:
    with pytest.raises(InvalidParameters) as refused:
        price(BY_ENERGY, session(60, charging_periods=[period(0, "T9", ENERGY="2")]))

    assert refused.value.field == "session.charging_periods.0.tariff_id"


def test_tariffs_of_different_currencies_are_refused() -> None:
    other = tariff(element(component("ENERGY", "2")), id="T2", currency="GBP")
    periods = [period(0, ENERGY="1"), period(30, "T2", ENERGY="1")]

    with pytest.raises(InvalidParameters, match="currencies"):
        price([BY_ENERGY, other], session(60, charging_periods=periods))


@pytest.mark.parametrize(
    "restrictions",
    [
        {"max_kwh": 5},
        {"max_duration": 1800},
        {"end_time": "10:30"},
        {"start_time": "10:15", "end_time": "10:45"},
    ],
)
def test_the_price_at_the_start_is_used_if_it_changes_within_a_period(restrictions: Any) -> None:
    made = tariff(element(component("ENERGY", "1"), **restrictions), element(component("ENERGY", "2")))

    priced = price(made, session(60, charging_periods=[period(0, ENERGY="10")]))

    assert priced.total_cost == cost("20" if "start_time" in restrictions else "10")
    assert [(each.code, each.field) for each in priced.remarks] == [
        ("period_spans_price_change", "session.charging_periods.0")
    ]


@pytest.mark.parametrize("restrictions", [{"max_kwh": 10}, {"max_duration": 3600}, {"end_time": "11:00"}])
def test_a_price_change_at_the_end_of_a_period_has_no_remark(restrictions: Any) -> None:
    made = tariff(element(component("ENERGY", "1"), **restrictions), element(component("ENERGY", "2")))

    assert not price(made, session(60, charging_periods=[period(0, ENERGY="10")])).remarks


@pytest.mark.parametrize(
    ("measured", "due"),
    [
        ({"MIN_CURRENT": "32", "MAX_CURRENT": "40"}, "20"),
        ({"MIN_CURRENT": "31.9", "MAX_CURRENT": "40"}, "30"),
        ({"MIN_CURRENT": "10", "MAX_CURRENT": "31.9"}, "10"),
        ({"MIN_CURRENT": "10", "MAX_CURRENT": "32"}, "30"),
        ({"MAX_CURRENT": "40"}, "30"),
        ({"CURRENT": "20"}, "10"),
    ],
)
def test_minimums_compare_the_least_current_and_maximums_the_most(measured: dict[str, str], due: str) -> None:
    made = tariff(
        element(component("ENERGY", "1"), max_current=32),
        element(component("ENERGY", "2"), min_current=32),
        element(component("ENERGY", "3")),
    )

    assert price(made, session(60, charging_periods=[period(0, ENERGY="10", **measured)])).total_cost == cost(
        due
    )


def test_periods_outside_the_session_are_priced_with_a_remark() -> None:
    priced = price(BY_ENERGY, session(60, charging_periods=[period(-30, ENERGY="1"), period(90, ENERGY="1")]))

    assert priced.total_cost == cost("2")
    assert codes(priced) == {"period_outside_session"}


def test_periods_out_of_order_are_sorted_with_a_remark() -> None:
    made = tariff(element(component("ENERGY", "1"), max_kwh=1), element(component("ENERGY", "2")))

    priced = price(made, session(60, charging_periods=[period(30, ENERGY="3"), period(0, ENERGY="1")]))

    assert priced.total_cost == cost("7")
    assert codes(priced) == {"periods_out_of_order"}


def test_a_volume_as_text_is_read_with_a_remark() -> None:
    stay = session(60, charging_periods=[period(0, ENERGY="1")])
    stay["charging_periods"][0]["dimensions"][0]["volume"] = "1.5"

    priced = price(BY_ENERGY, stay)

    assert priced.total_cost == cost("1.5")
    assert codes(priced) == {"volume_as_text"}


def test_energy_that_looks_like_watt_hours_has_a_remark() -> None:
    priced = price(BY_ENERGY, session(27, charging_periods=[period(0, ENERGY="41000")]))

    assert codes(priced) == {"odd_energy"}


def test_energy_fed_into_the_grid_is_subtracted_with_a_remark() -> None:
    priced = price(BY_ENERGY, session(60, charging_periods=[period(0, ENERGY="3"), period(30, ENERGY="-1")]))

    assert priced.total_cost == cost("2")
    assert codes(priced) == {"negative_energy"}


def test_reserved_periods_are_not_part_of_the_session_time() -> None:
    made = tariff(
        element(component("TIME", "5", None, 60), reservation="RESERVATION"),
        element(component("ENERGY", "1"), max_duration=1800),
        element(component("ENERGY", "2")),
    )
    periods = [
        period(0, RESERVATION_TIME="0.25"),
        period(15, ENERGY="4", TIME="0.25"),
        period(30, ENERGY="1"),
    ]

    priced = price(made, session(60, charging_periods=periods))

    assert priced.total_cost == cost("6.25")
    assert priced.total_time_us == 45 * 60 * 10**6


def test_a_reservation_that_the_charging_periods_leave_out_is_priced() -> None:
    made = tariff(
        element(component("TIME", "5", None, 60), reservation="RESERVATION"),
        element(component("ENERGY", "1")),
    )
    reservation = {"start_date_time": at(-15), "end_date_time": at(0), "expired": False}

    priced = price(made, session(60, charging_periods=[period(0, ENERGY="4")], reservation=reservation))

    assert priced.total_cost == cost("5.25")


def test_the_step_is_added_even_if_the_last_period_is_free() -> None:
    made = tariff(element(component("ENERGY", "1", None, 1000), end_time="10:30"))
    periods = [period(0, ENERGY="1.2"), period(30, ENERGY="5")]

    priced = price(made, session(60, charging_periods=periods))

    # Free energy is not part of the total that is rounded up: 1.2 becomes 2.
    assert priced.total_cost == cost("2")
    assert priced.total_energy == number("6.2")


def test_parking_is_rounded_to_steps_even_if_charging_follows() -> None:
    made = tariff(element(component("TIME", "6", None, 600), component("PARKING_TIME", "12", None, 600)))
    periods = [period(0, TIME="0.05"), period(3, PARKING_TIME="0.05"), period(6, TIME="0.05")]

    priced = price(made, session(9, charging_periods=periods))

    assert [Decimal(charge.billed) * 60 for charge in priced.charges] == [6, 10]


def test_a_cdr_without_a_priced_dimension_has_a_remark() -> None:
    cdr = {
        "start_date_time": at(0),
        "end_date_time": at(60),
        "currency": "EUR",
        "cdr_location": {"country": "PRT"},
        "tariffs": [BY_ENERGY],
        "charging_periods": [period(0, TIME="1")],
    }

    found = {(each.code, each.field) for each in verify_cdr(cdr).remarks}

    assert ("no_energy", "charging_periods") in found
