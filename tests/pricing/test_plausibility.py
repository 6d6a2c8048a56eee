"""Tests of impossible quantities. Source: SES-10, CDR-16, TRP-32; mod_locations, Connector"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.pricing.plausibility import find_impossible, power_kw, usual_power_kw
from chalicelib.pricing.verification import verify_cdr
from tests.pricing.build import START, at, component, element, period, price, session, tariff

BY_ENERGY = tariff(element(component("ENERGY", "1")))


@pytest.mark.parametrize(
    ("connector", "kw"),
    [
        ({"max_voltage": 230, "max_amperage": 32, "power_type": "AC_3_PHASE"}, "22.08"),
        ({"max_voltage": 230, "max_amperage": 16, "power_type": "AC_1_PHASE"}, "3.68"),
        ({"max_voltage": 230, "max_amperage": 16, "power_type": "AC_2_PHASE"}, "7.36"),
        ({"max_voltage": 120, "max_amperage": 80, "power_type": "AC_2_PHASE_SPLIT"}, "19.2"),
        ({"max_voltage": 920, "max_amperage": 500, "power_type": "DC", "max_electric_power": 350000}, "460"),
        ({"max_voltage": 400, "max_amperage": 125, "power_type": "DC", "max_electric_power": 150000}, "150"),
        # A power in kW instead of W.
        (
            {"max_voltage": 230, "max_amperage": 32, "power_type": "AC_3_PHASE", "max_electric_power": 22},
            "22.08",
        ),
        ({"max_voltage": 0, "max_amperage": 0, "power_type": "DC"}, None),
        # Placeholders, and a power in kW instead of W.
        ({"max_voltage": 1, "max_amperage": 1, "power_type": "AC_3_PHASE"}, None),
        ({"max_voltage": 0, "max_amperage": 0, "power_type": "DC", "max_electric_power": 400}, None),
        ({"max_voltage": 230, "max_amperage": 5, "power_type": "AC_1_PHASE"}, "1.15"),
        ({}, None),
    ],
)
def test_the_power_of_a_connector_is_the_larger_of_its_two_values(
    connector: dict[str, Any], kw: str | None
) -> None:
    assert power_kw(connector) == (None if kw is None else Decimal(kw))


@pytest.mark.parametrize(
    ("power_type", "kw"), [("AC_3_PHASE", 100), ("DC", 4000), ("NEW", 4000), (None, 4000)]
)
def test_a_connector_of_unknown_power_is_limited_by_its_power_type(power_type: object, kw: int) -> None:
    assert usual_power_kw(power_type) == kw


@pytest.mark.parametrize(("kwh", "codes"), [("34.37", []), ("34.38", ["odd_energy"])])
def test_25_percent_more_power_and_five_minutes_more_are_accepted(kwh: str, codes: list[str]) -> None:
    """22 kW * 1.25 * 75 minutes = 34.375 kWh."""
    document = {"start_date_time": at(0), "end_date_time": at(70)}

    found = find_impossible(document, Decimal(kwh), Decimal(22))

    assert [each.code for each in found] == codes


@pytest.mark.parametrize(("kwh", "codes"), [("-34.37", []), ("-34.38", ["odd_energy"])])
def test_energy_given_back_is_limited_like_energy_taken(kwh: str, codes: list[str]) -> None:
    document = {"start_date_time": at(0), "end_date_time": at(70)}
    given_back = {**document, "charging_periods": [period(0, ENERGY=kwh), period(35, ENERGY="10")]}

    for each, total in ((document, Decimal(kwh)), (given_back, Decimal(0))):
        assert [found.code for found in find_impossible(each, total, Decimal(22))] == codes


@pytest.mark.parametrize(("hours", "codes"), [("1.326", []), ("1.327", ["odd_hours"])])
@pytest.mark.parametrize("kind", ["TIME", "PARKING_TIME"])
def test_2_percent_more_time_and_five_minutes_more_are_accepted(
    kind: str, hours: str, codes: list[str]
) -> None:
    """78 minutes * 1.02 = 1.326 hours."""
    periods = [period(0, **{kind: hours})]
    document = {"start_date_time": at(0), "end_date_time": at(73), "charging_periods": periods}

    assert [each.code for each in find_impossible(document, Decimal(1))] == codes


def test_charging_and_parking_together_must_not_exceed_the_session() -> None:
    periods = [period(0, TIME="0.7"), period(30, PARKING_TIME="0.7")]
    document = {"start_date_time": at(0), "end_date_time": at(60), "charging_periods": periods}

    assert [each.code for each in find_impossible(document, Decimal(1))] == ["odd_hours"]


def test_an_end_in_the_future_is_found_only_if_now_is_given() -> None:
    document = {"start_date_time": at(0), "end_date_time": at(60)}
    now = START + timedelta(minutes=54)

    assert [each.code for each in find_impossible(document, 1, now=now)] == ["end_in_future"]
    assert list(find_impossible(document, 1, now=now + timedelta(minutes=1))) == []
    assert list(find_impossible(document, 1)) == []


def test_an_end_before_the_start_is_found() -> None:
    document = {"start_date_time": at(60), "end_date_time": at(0)}

    assert [each.code for each in find_impossible(document, 1)] == ["end_before_start"]


def test_periods_may_begin_at_the_start_of_the_reservation() -> None:
    document = {
        "start_date_time": at(60),
        "end_date_time": at(90),
        "charging_periods": [period(0, RESERVATION_TIME="1"), period(60, ENERGY="1")],
    }

    assert [each.code for each in find_impossible(document, 1)] == ["period_outside_session"]
    assert list(find_impossible(document, 1, begins=START)) == []


@pytest.mark.parametrize(
    ("stay", "code"),
    [
        (session(60, charging_periods=[period(0, ENERGY="21400")]), "odd_energy"),
        (session(60, charging_periods=[period(0, ENERGY="1", TIME="60")]), "odd_hours"),
        (session(60, charging_periods=[period(90, ENERGY="1")]), "period_outside_session"),
        (
            session(60, meter_readings=[{"at": at(0), "kwh": 100}, {"at": at(60), "kwh": 20100}]),
            "odd_energy",
        ),
    ],
)
def test_price_warns_of_impossible_quantities(stay: dict[str, Any], code: str) -> None:
    assert code in {each.code for each in price(BY_ENERGY, stay).remarks}


def test_verify_warns_of_more_energy_than_the_power_type_can_give() -> None:
    """3 kWh sent as Wh."""
    cdr = {
        "start_date_time": at(0),
        "end_date_time": at(60),
        "currency": "EUR",
        "cdr_location": {"country": "PRT", "connector_power_type": "AC_3_PHASE"},
        "tariffs": [BY_ENERGY],
        "charging_periods": [period(0, ENERGY="3000")],
        "total_energy": 3000,
    }

    found = {each.code: each.field for each in verify_cdr(cdr).remarks}
    late = {each.code for each in verify_cdr(cdr, now=START).remarks}

    assert found == {"odd_energy": "total_energy"}
    assert late == {"odd_energy", "end_in_future"}
