"""Tests of every example of the specification that has numbers.

Where the specification has an error, the test expects the right result and has a comment.

Source: OCPI 2.2.1 mod_tariffs and mod_cdrs, examples; TAR-16 … TAR-20, TRP-34
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.pricing.billing import FIXED, RESERVED
from tests.pricing.build import (
    START,
    at,
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

ENERGY_10 = component("ENERGY", "0.25", "10")
START_FEE = component("FLAT", "0.50", "20")


def charged(kwh: str, **fields: Any) -> dict[str, Any]:
    """A session of an hour with this energy in kWh."""
    return session(60, meter_readings=meter((0, "1000"), (60, str(1000 + float(kwh)))), **fields)


def parked_after(charging: int, parking: int, start: datetime = START, **fields: Any) -> dict[str, Any]:
    """A session of some minutes of charging, then of parking."""
    seen = states((0, "Charging"), (charging, "SuspendedEV"), start=start)
    return session(charging + parking, start, charging_states=seen, **fields)


def test_a_simple_price_per_kwh() -> None:
    assert price(tariff(element(ENERGY_10)), charged("20")).total_cost == cost("5.00", "5.50")


def test_a_start_fee_has_its_own_vat() -> None:
    assert price(tariff(element(START_FEE, ENERGY_10)), charged("20")).total_cost == cost("5.50", "6.10")


@pytest.mark.parametrize(("kwh", "due"), [("20", cost("5.00", "5.50")), ("1", cost("0.50", "0.55"))])
def test_a_minimum_price(kwh: str, due: Any) -> None:
    made = tariff(element(ENERGY_10), min_price=limit("0.50", "0.55"))

    assert price(made, charged(kwh)).total_cost == due


def test_a_parking_fee_is_billed_in_steps_of_15_minutes() -> None:
    made = tariff(element(START_FEE, ENERGY_10, component("PARKING_TIME", "2.00", "20", 900)))
    stay = parked_after(60, 40, meter_readings=meter((0, "0"), (60, "20")))

    assert price(made, stay).total_cost == cost("7.00", "7.90")


@pytest.mark.parametrize(("kwh", "due"), [("50", cost("10", "11")), ("30", cost("8.00", "8.85"))])
def test_a_maximum_price(kwh: str, due: Any) -> None:
    made = tariff(element(START_FEE, ENERGY_10), max_price=limit("10", "11"))

    assert price(made, charged(kwh)).total_cost == due


def test_a_price_per_hour() -> None:
    made = tariff(element(component("TIME", "2.00", "10", 60)))

    assert price(made, session(150)).total_cost == cost("5.00", "5.50")


def test_parking_at_a_higher_price_than_charging() -> None:
    made = tariff(element(component("TIME", "3", "10", 60), component("PARKING_TIME", "5", "20", 300)))

    assert price(made, parked_after(150, 42)).total_cost == cost("11.25", "12.75")


def test_an_ad_hoc_tariff() -> None:
    made = tariff(element(component("TIME", "1.90", "5.2", 300)), type="AD_HOC_PAYMENT")

    # Printed 5.00, which is rounded.
    assert price(made, session(150, ad_hoc_payment=True)).total_cost == cost("4.75", "4.997")


def test_energy_in_steps_of_a_hundred_watthours() -> None:
    made = tariff(element(START_FEE, component("ENERGY", "0.25", "10", 100)), type="PROFILE_CHEAP")

    priced = price(made, charged("20.45", charging_preferences={"profile_type": "CHEAP"}))

    # The table prints a quantity of 20.45 where 20.5 is billed, and rounds 5.125 and 5.6375.
    assert priced.costs["ENERGY"] == cost("5.125", "5.6375")
    assert priced.total_cost == cost("5.625", "6.2375")


WEEKDAYS = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY"]
COMPLEX = tariff(
    element(component("FLAT", "2.50", "15")),
    element(component("TIME", "1.00", "20", 900), max_current=32),
    element(component("TIME", "2.00", "20", 600), min_current=32, day_of_week=WEEKDAYS),
    element(component("TIME", "1.25", "20", 600), min_current=32, day_of_week=["SATURDAY", "SUNDAY"]),
    element(
        component("PARKING_TIME", "5.00", "10", 300),
        start_time="09:00",
        end_time="18:00",
        day_of_week=WEEKDAYS,
    ),
    element(
        component("PARKING_TIME", "6.00", "10", 300),
        start_time="10:00",
        end_time="17:00",
        day_of_week=["SATURDAY"],
    ),
    type="REGULAR",
)


def test_the_complex_tariff_on_a_monday() -> None:
    start = datetime(2026, 1, 12, 9, 30, tzinfo=UTC)
    periods = [
        period(0, start=start, TIME="2.75", MAX_CURRENT="16"),
        period(165, start=start, PARKING_TIME="0.7"),
    ]

    priced = price(COMPLEX, session(207, start, charging_periods=periods))

    assert priced.total_cost == cost("9.00", "10.30")
    assert priced.costs[FIXED] == cost("2.50", "2.875")
    assert priced.costs["PARKING_TIME"] == cost("3.75", "4.125")


def test_the_complex_tariff_on_a_saturday() -> None:
    start = datetime(2026, 1, 17, 13, 30, tzinfo=UTC)
    periods = [
        period(0, start=start, TIME="1.9", MIN_CURRENT="43"),
        period(114, start=start, PARKING_TIME="1.1833"),
    ]

    priced = price(COMPLEX, session(185, start, charging_periods=periods))

    # The text prints 2.28 for 114 minutes at 1.25 an hour, and so 12.28 and 13.861 (TRP-34).
    assert priced.costs["TIME"] == cost("2.375", "2.85")
    assert priced.total_cost == cost("12.375", "13.975")


def test_free_of_charge() -> None:
    made = tariff(element(component("FLAT", "0.00", None, 0)))

    priced = price(made, charged("20"))

    assert priced.total_cost == cost("0")
    assert not priced.has_vat


def reserved(minutes: int, **fields: Any) -> dict[str, Any]:
    """A session of an hour with 20 kWh, after a reservation of some minutes."""
    made = charged("20", **fields)
    return made | {"reservation": {"start_date_time": at(-minutes), "end_date_time": at(0), "expired": False}}


def expired(minutes: int) -> dict[str, Any]:
    """An unused reservation of some minutes."""
    span = {"start_date_time": at(0), "end_date_time": at(minutes)}
    return session(minutes) | {"reservation": span | {"expired": True}}


def test_a_price_for_reserving() -> None:
    made = tariff(
        element(component("TIME", "5.00", "20", 60), reservation="RESERVATION"), element(START_FEE, ENERGY_10)
    )

    priced = price(made, reserved(15))

    assert priced.total_cost == cost("6.75", "7.60")
    assert priced.costs[RESERVED] == cost("1.25", "1.50")
    assert priced.total_time_us == 3600 * 10**6


def test_a_reservation_fee_is_added_to_the_start_fee() -> None:
    made = tariff(
        element(component("FLAT", "2", "20"), component("TIME", "5", "20", 300), reservation="RESERVATION"),
        element(START_FEE, ENERGY_10),
    )

    assert price(made, reserved(13)).total_cost == cost("8.75", "10.00")


EXPIRY_FEE = tariff(
    element(component("FLAT", "4.00", "20"), reservation="RESERVATION_EXPIRES"),
    element(component("TIME", "2.00", "20", 600), reservation="RESERVATION"),
    element(START_FEE, ENERGY_10),
)
EXPIRY_TIME = tariff(
    element(component("TIME", "6.00", "20", 600), reservation="RESERVATION_EXPIRES"),
    element(component("TIME", "3.00", "20", 600), reservation="RESERVATION"),
    element(START_FEE, ENERGY_10),
)


@pytest.mark.parametrize(
    ("made", "stay", "due"),
    [
        (EXPIRY_FEE, reserved(22), cost("6.50", "7.30")),
        (EXPIRY_FEE, expired(60), cost("6.00", "7.20")),
        (EXPIRY_TIME, reserved(22), cost("7.00", "7.90")),
        (EXPIRY_TIME, expired(90), cost("9.00", "10.80")),
    ],
)
def test_used_and_expired_reservations_have_their_own_prices(made: Any, stay: Any, due: Any) -> None:
    assert price(made, stay).total_cost == due


SWITCHING = tariff(
    element(
        component("TIME", "1.20", None, 1800),
        component("PARKING_TIME", "1.00", None, 900),
        start_time="00:00",
        end_time="17:00",
    ),
    element(
        component("TIME", "2.40", None, 900),
        component("PARKING_TIME", "1.00", None, 900),
        start_time="17:00",
        end_time="20:00",
    ),
    element(component("TIME", "2.40", None, 900), start_time="20:00", end_time="00:00"),
)


@pytest.mark.parametrize(
    ("hour", "minute", "charging", "parking", "due"),
    [
        (16, 55, 10, 2, "0.55"),
        (16, 35, 35, 0, "1.30"),
        # Older documents print 0.80; the erratum of 2025-09 has 0.73.
        (19, 40, 12, 20, "0.73"),
    ],
)
def test_switching_to_another_element(hour: int, minute: int, charging: int, parking: int, due: str) -> None:
    start = datetime(2026, 1, 14, hour, minute, tzinfo=UTC)

    assert price(SWITCHING, parked_after(charging, parking, start=start)).total_cost == cost(due)


def test_bands_of_power() -> None:
    made = tariff(
        element(component("ENERGY", "0.20", "20"), max_power=16),
        element(component("ENERGY", "0.35", "20"), max_power=32),
        element(component("ENERGY", "0.50", "20")),
    )
    stay = session(
        68,
        meter_readings=meter((0, "0"), (10, "1"), (60, "41"), (68, "41.5")),
        power_readings=powers((0, "6"), (10, "48"), (60, "4")),
    )

    priced = price(made, stay)

    assert priced.total_cost.excl_vat == cost("20.30").excl_vat
    assert [each.kwh for each in priced.usage.periods] == [1, 40, cost("0.5").excl_vat]


def test_bands_of_duration() -> None:
    made = tariff(
        element(component("ENERGY", "0.00", "20"), max_duration=1800),
        element(component("ENERGY", "0.25", "20"), max_duration=3600),
        element(component("ENERGY", "0.40", "20")),
    )

    priced = price(made, session(40, meter_readings=meter((0, "7"), (30, "12"), (40, "13.2"))))

    assert priced.total_cost.excl_vat == cost("0.30").excl_vat


@pytest.mark.parametrize(
    ("step", "watthours", "due"),
    [
        (1, "115.2", "0.029"),
        (25, "115.2", "0.03125"),
        (25, "125", "0.03125"),
        (500, "1", "0.125"),
        (500, "500", "0.125"),
    ],
)
def test_steps_of_energy(step: int, watthours: str, due: str) -> None:
    made = tariff(element(component("ENERGY", "0.25", None, step)))
    kwh = str(cost(watthours).excl_vat / 1000)

    # The text prints 0.031 for 125 Wh.
    assert price(made, session(60, charging_periods=[period(0, ENERGY=kwh)])).total_cost == cost(due)


def test_charging_time_is_exact_if_parking_follows() -> None:
    made = tariff(element(component("TIME", "1.20", None, 300), component("PARKING_TIME", "6.00", None, 300)))

    priced = price(made, parked_after(21, 7))

    assert [charge.billed * 60 for charge in priced.charges] == [21, 10]


def test_energy_is_rounded_to_steps_over_the_whole_session() -> None:
    made = tariff(
        element(component("ENERGY", "0.20", None, 500), end_time="17:00"),
        element(component("ENERGY", "0.27", None, 500)),
    )
    start = datetime(2026, 1, 14, 16, 0, tzinfo=UTC)
    readings = meter((0, "0"), (60, "4.3"), (120, "5.4"), start=start)

    priced = price(made, session(120, start, meter_readings=readings))

    assert sum(charge.billed for charge in priced.charges) == cost("5.5").excl_vat
    assert priced.total_cost == cost("1.184")


def test_time_is_rounded_to_steps_over_the_whole_session() -> None:
    made = tariff(
        element(component("TIME", "5", None, 600), end_time="17:00"),
        element(component("TIME", "7", None, 600)),
    )

    priced = price(made, session(28, datetime(2026, 1, 14, 16, 54, tzinfo=UTC)))

    assert [charge.billed * 60 for charge in priced.charges] == [6, 24]


def test_parking_is_rounded_to_steps_and_charging_before_it_is_exact() -> None:
    made = tariff(element(component("TIME", "1", None, 600), component("PARKING_TIME", "2", None, 600)))

    priced = price(made, parked_after(21, 16))

    assert [round(charge.billed * 60, 9) for charge in priced.charges] == [21, 20]
