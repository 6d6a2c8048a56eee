"""Tests of bad input: a request that cannot be priced names the bad field, odd input has a remark."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from chalicelib.errors import InvalidParameters, OcpiError
from chalicelib.pricing.price_request import price_request
from chalicelib.protocol.json_text import read_json
from tests.pricing.build import (
    at,
    codes,
    component,
    cost,
    element,
    meter,
    period,
    price,
    session,
    states,
    tariff,
)

MADE = tariff(element(component("ENERGY", "1")))


def refused(document: Any) -> str | None:
    with pytest.raises(OcpiError) as error:
        price_request(document)
    return error.value.field


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"elements": []}, "tariffs.0.elements"),
        ({"elements": None}, "tariffs.0.elements"),
        ({"elements": [{}]}, "tariffs.0.elements.0.price_components"),
        ({"elements": [{"price_components": [{}]}]}, "tariffs.0.elements.0.price_components.0.type"),
        ({"currency": None}, "tariffs.0.currency"),
        ({"id": 7}, "tariffs.0.id"),
        ({"min_price": {"excl_vat": "1"}}, "tariffs.0.min_price.excl_vat"),
        ({"start_date_time": "2026-01-01"}, "tariffs.0.start_date_time"),
        (
            {"elements": [element(component("TIME", "1"), start_time="25:00")]},
            "tariffs.0.elements.0.restrictions.start_time",
        ),
        (
            {"elements": [element(component("TIME", "1"), end_date="2026-02-30")]},
            "tariffs.0.elements.0.restrictions.end_date",
        ),
        (
            {"elements": [element(component("TIME", "1"), day_of_week=["Monday"])]},
            "tariffs.0.elements.0.restrictions.day_of_week.0",
        ),
        (
            {"elements": [element(component("TIME", "1"), max_duration=-1)]},
            "tariffs.0.elements.0.restrictions.max_duration",
        ),
    ],
)
def test_a_tariff_that_cannot_be_priced_is_refused_with_its_field(change: dict[str, Any], field: str) -> None:
    assert refused({"tariffs": [MADE | change], "session": session(60)}) == field


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"end_date_time": at(-1)}, "session.end_date_time"),
        ({"end_date_time": None}, "session.end_date_time"),
        ({"end_date_time": "9999-12-31T00:00:00Z"}, "session.end_date_time"),
        ({"start_date_time": "2026-01-14T10:00:00+01:00"}, "session.start_date_time"),
        ({"start_date_time": "2026-01-14"}, "session.start_date_time"),
        ({"start_date_time": "1970-1-1T00:00:00Z"}, "session.start_date_time"),
        ({"time_zone": "Europe/Atlantis"}, "session.time_zone"),
        ({"time_zone": "../../etc/passwd"}, "session.time_zone"),
        ({"meter_readings": meter((0, "5"), (30, "4"))}, "session.meter_readings"),
        ({"meter_readings": meter((0, "5"), (30, "6"), (15, "7"))}, "session.meter_readings"),
        ({"meter_readings": [{"at": at(0)}]}, "session.meter_readings.0.kwh"),
        ({"meter_readings": [{"at": at(0), "kwh": "5"}]}, "session.meter_readings.0.kwh"),
        ({"meter_readings": [{"at": at(0), "kwh": 0.5}]}, "session.meter_readings.0.kwh"),
        ({"meter_readings": [{"at": at(0), "kwh": Decimal("1E400")}]}, "session.meter_readings.0.kwh"),
        ({"meter_readings": 5}, "session.meter_readings"),
        ({"charging_states": states((0, "Available"))}, "session.charging_states.0.state"),
        ({"charging_periods": [period(0, TIME="-1")]}, "session.charging_periods.0.dimensions.0.volume"),
        ({"charging_periods": [{}]}, "session.charging_periods.0.start_date_time"),
        (
            {"reservation": {"start_date_time": at(0), "end_date_time": at(-5)}},
            "session.reservation.end_date_time",
        ),
        ({"reservation": {"start_date_time": at(0), "expired": True}}, "session.reservation.end_date_time"),
        ({"ad_hoc_payment": "yes"}, "session.ad_hoc_payment"),
        ({"charging_preferences": {"profile_type": "SLOW"}}, "session.charging_preferences.profile_type"),
    ],
)
def test_an_impossible_session_is_refused_with_its_field(fields: dict[str, Any], field: str) -> None:
    assert refused({"tariffs": [MADE], "session": session(60) | fields}) == field


@pytest.mark.parametrize("document", [None, [], 5, {"tariffs": [MADE]}, {"tariffs": [MADE], "session": []}])
def test_a_document_that_is_no_request_is_refused(document: Any) -> None:
    assert refused(document) in ("body", "session")


def test_a_tariff_by_local_time_needs_a_time_zone() -> None:
    made = tariff(element(component("TIME", "1"), start_time="10:00"))
    stay = session(60) | {"time_zone": None}

    assert refused({"tariffs": [made], "session": stay}) == "session.time_zone"
    assert price(MADE, stay | {"meter_readings": meter((0, "1"), (60, "2"))}).total_cost == cost("1")


def test_a_negative_price_has_a_remark() -> None:
    priced = price(
        tariff(element(component("ENERGY", "-0.05"))), session(60, meter_readings=meter((0, "0"), (60, "10")))
    )

    assert priced.total_cost == cost("-0.5")
    assert [(each.code, each.field) for each in priced.remarks] == [
        ("negative_price", "tariffs.0.elements.0.price_components.0.price")
    ]


@pytest.mark.parametrize(("vat", "is_odd"), [("-1", True), ("0", False), ("100", False), ("100.1", True)])
def test_vat_below_0_or_above_100_percent_has_a_remark(vat: str, is_odd: bool) -> None:
    priced = price(
        tariff(element(component("ENERGY", "1", vat))), session(60, meter_readings=meter((0, "0"), (60, "1")))
    )

    expected = [("odd_vat", "tariffs.0.elements.0.price_components.0.vat")] if is_odd else []
    assert [(each.code, each.field) for each in priced.remarks] == expected


def test_a_negative_limit_has_a_remark() -> None:
    """Source: OCPI 2.2.1 mod_tariffs, Tariff Object, max_price; TAR-20."""
    made = MADE | {"max_price": {"excl_vat": Decimal(-1)}}

    priced = price(made, session(60, meter_readings=meter((0, "0"), (60, "10"))))

    assert [(each.code, each.field) for each in priced.remarks] == [
        ("negative_limit", "tariffs.0.max_price.excl_vat")
    ]


def test_two_different_readings_at_the_same_time_have_a_remark() -> None:
    readings = meter((0, "0"), (30, "1"), (30, "5"), (60, "6"))

    priced = price(MADE, session(60, meter_readings=readings))

    assert codes(priced) == {"meter_readings_at_once"}
    same = meter((0, "0"), (30, "1"), (30, "1"), (60, "6"))
    assert not codes(price(MADE, session(60, meter_readings=same)))


def test_an_energy_price_for_a_reservation_is_ignored_with_a_remark() -> None:
    made = tariff(element(component("ENERGY", "1"), reservation="RESERVATION"), *MADE["elements"])

    priced = price(made, session(60, meter_readings=meter((0, "0"), (60, "10"))))

    assert codes(priced) == {"reservation_dimension"}
    assert priced.total_cost == cost("10")


@pytest.mark.parametrize(
    ("readings", "code"),
    [
        ((), "no_meter_readings"),
        (((0, "5"),), "no_meter_readings"),
        (((10, "5"), (60, "8")), "no_first_reading"),
        (((0, "5"), (50, "8")), "no_last_reading"),
        (((60, "8"), (0, "5")), "meter_readings_out_of_order"),
    ],
)
def test_missing_meter_readings_have_a_remark(readings: Any, code: str) -> None:
    priced = price(MADE, session(60, meter_readings=meter(*readings)))

    assert codes(priced) == {code}


def test_readings_before_and_after_the_session_are_interpolated() -> None:
    priced = price(MADE, session(60, meter_readings=meter((-30, "0"), (90, "12"))))

    assert priced.total_cost == cost("6")
    assert not priced.remarks


def test_energy_charged_in_an_expired_reservation_has_a_remark() -> None:
    made = tariff(element(component("FLAT", "1"), reservation="RESERVATION_EXPIRES"))
    reservation = {"start_date_time": at(0), "end_date_time": at(60), "expired": True}
    readings = meter((0, "0"), (60, "9"))

    assert codes(price(made, session(60, meter_readings=readings, reservation=reservation))) == {
        "expired_but_charged"
    }


def test_a_session_that_starts_with_its_reservation_charges_after_it() -> None:
    made = tariff(element(component("TIME", "4"), reservation="RESERVATION"), element(component("TIME", "1")))
    reservation = {"start_date_time": at(0), "end_date_time": at(15)}

    priced = price(made, session(75, reservation=reservation))

    assert priced.total_cost == cost("2")
    assert codes(priced) == {"reservation_within_session"}


def test_a_reservation_ends_when_charging_starts() -> None:
    made = tariff(element(component("TIME", "4"), reservation="RESERVATION"))
    reservation = {"start_date_time": at(-15), "end_date_time": at(45)}

    assert price(made, session(60, reservation=reservation)).total_cost == cost("1")


def test_a_session_of_zero_length_pays_its_flat_fee() -> None:
    made = tariff(element(component("FLAT", "1")))

    priced = price(made, session(0))

    assert priced.total_cost == cost("1")
    assert len(priced.usage.periods) == 1


def test_a_flat_fee_whose_window_opens_later_is_charged_once() -> None:
    made = tariff(
        element(component("FLAT", "1"), start_time="10:30", end_time="10:40"),
        element(component("FLAT", "7"), start_time="10:35"),
    )

    assert price(made, session(60)).total_cost == cost("1")


def test_json_numbers_are_read_as_decimals_and_floats_are_refused() -> None:
    made = '{"id": "1", "currency": "EUR", "elements": [{"price_components": [%s]}]}'
    made %= '{"type": "ENERGY", "price": 0.1, "step_size": 1}'
    times = '"start_date_time": "2026-01-01T00:00:00Z", "end_date_time": "2026-01-01T01:00:00Z"'
    periods = (
        '[{"start_date_time": "2026-01-01T00:00:00Z", "dimensions": [{"type": "ENERGY", "volume": 0.3}]}]'
    )
    text = f'{{"tariffs": [{made}], "session": {{{times}, "charging_periods": {periods}}}}}'

    assert price_request(read_json(text)).total_cost == cost("0.03")
    with pytest.raises(InvalidParameters):
        price(MADE, session(60, meter_readings=[{"at": at(0), "kwh": float("nan")}]))
