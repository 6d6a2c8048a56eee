"""Tests of cutting a session: exactly where its price changes, in local time.

Source: OCPI 2.2.1 mod_cdrs_charging_period; mod_tariffs, TariffRestrictions; CDR-14, TAR-11 … TAR-14
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from chalicelib.pricing.component_search import Matcher
from chalicelib.pricing.costs import Priced, price_usage
from chalicelib.pricing.cutting import cut_periods
from chalicelib.pricing.json_fields import write_moment
from chalicelib.pricing.price_request import price_telemetry
from chalicelib.pricing.pricing_input import Telemetry
from chalicelib.pricing.tariffs import read_tariff
from tests.pricing.build import (
    START,
    codes,
    component,
    cost,
    element,
    meter,
    powers,
    price,
    session,
    states,
    tariff,
)


def starts(priced: Priced) -> list[str]:
    return [write_moment(period.start) for period in priced.usage.periods]


def by_night(
    dear: str = "1", cheap: str = "0.1", window: tuple[str, str] = ("22:00", "06:00")
) -> dict[str, Any]:
    """A tariff whose energy is cheap within a window."""
    return tariff(
        element(component("ENERGY", cheap), start_time=window[0], end_time=window[1]),
        element(component("ENERGY", dear)),
    )


def one_kwh_an_hour(start: datetime, hours: int, zone: str) -> dict[str, Any]:
    readings = meter((0, "500"), (hours * 60, str(500 + hours)), start=start)
    return session(hours * 60, start, time_zone=zone, meter_readings=readings)


def test_a_session_of_one_price_is_one_period() -> None:
    priced = price(tariff(element(component("ENERGY", "1"))), one_kwh_an_hour(START, 30, "Europe/Lisbon"))

    assert len(priced.usage.periods) == 1


def test_the_meter_is_interpolated_where_the_price_changes_between_readings() -> None:
    start = datetime(2026, 1, 14, 16, 50, tzinfo=UTC)
    made = tariff(
        element(component("ENERGY", "0.30"), end_time="17:00"), element(component("ENERGY", "0.50"))
    )

    priced = price(made, session(30, start, meter_readings=meter((0, "100"), (30, "109"), start=start)))

    assert [period.kwh for period in priced.usage.periods] == [3, 6]
    assert priced.total_cost == cost("3.9")


def test_a_window_runs_over_midnight() -> None:
    priced = price(by_night(), one_kwh_an_hour(datetime(2026, 1, 14, 20, 0, tzinfo=UTC), 12, "Europe/Lisbon"))

    assert starts(priced) == ["2026-01-14T20:00:00Z", "2026-01-14T22:00:00Z", "2026-01-15T06:00:00Z"]
    assert priced.total_cost == cost("4.8")


@pytest.mark.parametrize(
    ("zone", "start", "cheap_hours"),
    [
        # The night of 22:00 to 06:00 has 8 hours, 7 when clocks go forward and 9 when they go back.
        ("Europe/Lisbon", datetime(2026, 3, 28, 12, 0, tzinfo=UTC), 7),
        ("Europe/Lisbon", datetime(2026, 10, 24, 12, 0, tzinfo=UTC), 9),
        ("Atlantic/Azores", datetime(2026, 3, 28, 12, 0, tzinfo=UTC), 7),
        ("Atlantic/Azores", datetime(2026, 10, 24, 12, 0, tzinfo=UTC), 9),
        ("Australia/Lord_Howe", datetime(2026, 4, 4, 1, 0, tzinfo=UTC), Decimal("8.5")),
        ("Australia/Lord_Howe", datetime(2026, 10, 3, 1, 0, tzinfo=UTC), Decimal("7.5")),
        ("Asia/Kolkata", datetime(2026, 3, 28, 12, 0, tzinfo=UTC), 8),
        ("Asia/Kathmandu", datetime(2026, 3, 28, 12, 0, tzinfo=UTC), 8),
    ],
)
def test_a_night_is_an_hour_shorter_or_longer_when_clocks_change(
    zone: str, start: datetime, cheap_hours: Any
) -> None:
    priced = price(by_night(dear="0", cheap="1"), one_kwh_an_hour(start, 24, zone))

    assert priced.total_cost.excl_vat == cheap_hours


def test_half_hour_zones_are_cut_at_their_half_hours() -> None:
    start = datetime(2026, 1, 14, 16, 0, tzinfo=UTC)

    priced = price(by_night(), one_kwh_an_hour(start, 2, "Asia/Kolkata"))

    assert starts(priced) == ["2026-01-14T16:00:00Z", "2026-01-14T16:30:00Z"]


@pytest.mark.parametrize(
    ("start", "hours"),
    [(datetime(2026, 3, 29, 0, 0, tzinfo=UTC), 0), (datetime(2026, 10, 25, 0, 0, tzinfo=UTC), 2)],
)
def test_a_window_in_a_skipped_or_repeated_hour_lasts_zero_or_two_hours(start: datetime, hours: int) -> None:
    made = by_night(dear="0", cheap="1", window=("01:00", "02:00"))

    assert price(made, one_kwh_an_hour(start, 4, "Europe/Lisbon")).total_cost == cost(str(hours))


def test_a_window_that_begins_in_the_skipped_hour_begins_after_it() -> None:
    made = by_night(dear="0", cheap="1", window=("01:30", "03:00"))

    priced = price(made, one_kwh_an_hour(datetime(2026, 3, 29, 0, 0, tzinfo=UTC), 4, "Europe/Lisbon"))

    assert starts(priced)[1] == "2026-03-29T01:00:00Z"
    assert priced.total_cost == cost("1")


def test_weekdays_begin_at_local_midnight() -> None:
    made = tariff(
        element(component("ENERGY", "1"), day_of_week=["SATURDAY", "SUNDAY"]),
        element(component("ENERGY", "2")),
    )

    priced = price(made, one_kwh_an_hour(datetime(2026, 7, 3, 20, 0, tzinfo=UTC), 8, "Europe/Lisbon"))

    assert starts(priced) == ["2026-07-03T20:00:00Z", "2026-07-03T23:00:00Z"]
    assert priced.total_cost == cost("11")


def test_a_day_without_midnight_begins_when_the_clocks_change() -> None:
    made = tariff(
        element(component("ENERGY", "1"), day_of_week=["SUNDAY"]), element(component("ENERGY", "0"))
    )
    start = datetime(2026, 3, 28, 23, 0, tzinfo=UTC)

    priced = price(made, one_kwh_an_hour(start, 4, "Atlantic/Azores"))

    assert starts(priced) == ["2026-03-28T23:00:00Z", "2026-03-29T01:00:00Z"]


def test_day_of_week_in_a_window_over_midnight_is_the_day_of_each_instant() -> None:
    made = tariff(
        element(component("ENERGY", "1"), start_time="22:00", end_time="06:00", day_of_week=["SATURDAY"])
    )

    priced = price(made, one_kwh_an_hour(datetime(2026, 1, 16, 12, 0, tzinfo=UTC), 48, "Europe/Lisbon"))

    # Saturday 0:00 to 6:00 and 22:00 to 24:00.
    assert priced.total_cost == cost("8")


def test_start_date_is_included_and_end_date_is_excluded() -> None:
    made = tariff(element(component("ENERGY", "1"), start_date="2026-07-04", end_date="2026-07-05"))

    priced = price(made, one_kwh_an_hour(datetime(2026, 7, 3, 12, 0, tzinfo=UTC), 72, "Europe/Lisbon"))

    assert starts(priced)[1:] == ["2026-07-03T23:00:00Z", "2026-07-04T23:00:00Z"]
    assert priced.total_cost == cost("24")


@pytest.mark.parametrize(
    ("window", "hours"),
    [
        ({"start_time": "08:00", "end_time": "08:00"}, 24),
        ({"start_time": "00:00", "end_time": "00:00"}, 24),
        ({"start_time": "20:00", "end_time": "00:00"}, 4),
        ({"start_time": "20:00"}, 4),
        ({"end_time": "06:00"}, 6),
        ({"end_time": "00:00"}, 24),
    ],
)
def test_a_window_lasts_from_its_start_to_its_end_or_midnight(window: dict[str, str], hours: int) -> None:
    made = tariff(element(component("ENERGY", "1"), **window))

    assert price(made, one_kwh_an_hour(START, 24, "Europe/Lisbon")).total_cost == cost(str(hours))


def test_hourly_prices_are_cut_every_hour() -> None:
    hours = [
        element(
            component("ENERGY", str(Decimal(hour) / 100)),
            start_date="2026-03-29",
            end_date="2026-03-30",
            start_time=f"{hour:02d}:00",
            end_time=f"{(hour + 1) % 24:02d}:00",
        )
        for hour in range(24)
    ]
    start = datetime(2026, 3, 29, 0, 0, tzinfo=UTC)

    priced = price(tariff(*hours), one_kwh_an_hour(start, 23, "Europe/Lisbon"))

    # Clocks go from 1:00 to 2:00: there is no hour 1.
    assert len(priced.usage.periods) == 23
    assert priced.total_cost.excl_vat == Decimal(sum(range(24)) - 1) / 100


def test_energy_tiers_are_interpolated_between_readings() -> None:
    made = tariff(
        element(component("ENERGY", "0.10"), max_kwh=20),
        element(component("ENERGY", "0.20"), max_kwh=Decimal("33.3")),
        element(component("ENERGY", "0.30")),
    )

    priced = price(made, session(90, meter_readings=meter((0, "77.7"), (90, "127.7"))))

    assert [period.kwh for period in priced.usage.periods] == [20, Decimal("13.3"), Decimal("16.7")]
    assert starts(priced)[1] == "2026-01-14T10:36:00Z"


def test_an_energy_tier_begins_when_it_is_reached_exactly() -> None:
    made = tariff(element(component("TIME", "1"), max_kwh=20), element(component("TIME", "10")))
    stay = session(120, meter_readings=meter((0, "0"), (60, "20"), (120, "20")))

    assert price(made, stay).total_cost == cost("11")


@pytest.mark.parametrize(("key", "value"), [("max_duration", 1800), ("min_duration", 1800)])
def test_duration_counts_from_the_start_and_includes_parking(key: str, value: int) -> None:
    made = tariff(element(component("PARKING_TIME", "6"), **{key: value}))
    stay = session(60, charging_states=states((0, "Charging"), (10, "SuspendedEV")))

    priced = price(made, stay)

    assert priced.total_cost == cost("2" if key == "max_duration" else "3")


def test_a_pause_by_the_evse_is_charging_time_not_parking() -> None:
    made = tariff(element(component("TIME", "1"), component("PARKING_TIME", "10")))
    seen = states((0, "Charging"), (15, "SuspendedEVSE"), (30, "Charging"), (45, "SuspendedEV"))

    priced = price(made, session(60, charging_states=seen))

    assert len(priced.usage.periods) == 2
    assert priced.total_parking_us == 900 * 10**6
    assert priced.total_cost == cost("3.25")


def test_a_power_reading_is_valid_until_the_next_one() -> None:
    made = tariff(element(component("ENERGY", "1"), min_power=16), element(component("ENERGY", "2")))
    stay = session(
        60,
        meter_readings=meter((0, "0"), (60, "30")),
        power_readings=powers((0, "16"), (20, "15.9"), (40, "50")),
    )

    priced = price(made, stay)

    assert [period.kwh for period in priced.usage.periods] == [10, 10, 10]
    assert [period.max_power for period in priced.usage.periods] == [16, Decimal("15.9"), 50]
    assert priced.total_cost == cost("40")


def test_later_power_does_not_change_a_flat_fee_that_depends_on_power() -> None:
    made = tariff(element(component("FLAT", "1"), max_power=30), element(component("FLAT", "5")))

    assert price(made, session(60, power_readings=powers((0, "22"), (20, "50")))).total_cost == cost("1")


def test_power_readings_cut_nothing_if_no_element_depends_on_power() -> None:
    stay = session(
        60, meter_readings=meter((0, "0"), (60, "30")), power_readings=powers((0, "16"), (20, "15.9"))
    )

    assert len(price(tariff(element(component("ENERGY", "1"))), stay).usage.periods) == 1


def test_unknown_power_matches_no_restriction_and_has_a_remark() -> None:
    made = tariff(element(component("ENERGY", "1"), max_power=16), element(component("ENERGY", "2")))

    priced = price(made, session(60, meter_readings=meter((0, "0"), (60, "3"))))

    assert priced.total_cost == cost("6")
    assert "unknown_power" in codes(priced)


def test_a_reservation_is_cut_like_a_session() -> None:
    made = tariff(
        element(component("TIME", "1", None, 0), reservation="RESERVATION", end_time="17:00"),
        element(component("TIME", "5", None, 0), reservation="RESERVATION"),
    )
    start = datetime(2026, 1, 14, 17, 30, tzinfo=UTC)
    reservation = {"start_date_time": "2026-01-14T16:30:00Z", "end_date_time": "2026-01-14T17:30:00Z"}

    priced = price(made, session(60, start, reservation=reservation))

    assert starts(priced) == ["2026-01-14T16:30:00Z", "2026-01-14T17:00:00Z", "2026-01-14T17:30:00Z"]
    assert priced.total_cost == cost("3")


def test_the_tariff_may_change_during_a_session() -> None:
    first = read_tariff(tariff(element(component("ENERGY", "1", None, 500)), id="T1"), "tariff", [])
    second = read_tariff(tariff(element(component("ENERGY", "2", None, 1000)), id="T2"), "tariff", [])
    telemetry = Telemetry(
        START,
        START + timedelta(hours=1),
        ZoneInfo("Europe/Lisbon"),
        [(START, Decimal(0)), (START + timedelta(hours=1), Decimal("3.3"))],
        tariff_changes={START + timedelta(minutes=20): second},
    )

    usage = cut_periods(telemetry, first)

    assert [(period.tariff, period.kwh) for period in usage.periods] == [
        (first, Decimal("1.1")),
        (second, Decimal("2.2")),
    ]
    # The step is that of the last tariff, over the whole session.
    assert price_usage(usage).total_cost == cost("6.9")


def test_the_running_cost_is_the_cost_of_a_session_that_ends_now() -> None:
    made = read_tariff(by_night(), "tariff", [])
    start = datetime(2026, 1, 14, 20, 0, tzinfo=UTC)
    readings = [(start + timedelta(hours=hour), Decimal(hour)) for hour in range(5)]
    now = start + timedelta(hours=2, minutes=30)

    running = price_telemetry(
        [made], Telemetry(start, now, ZoneInfo("Europe/Lisbon"), readings), (), Matcher()
    )

    assert running.total_cost == cost("2.05")


def test_energy_can_be_cut_to_four_decimals() -> None:
    telemetry = Telemetry(
        START,
        START + timedelta(minutes=30),
        ZoneInfo("Europe/Lisbon"),
        [(START, Decimal(0)), (START + timedelta(minutes=30), Decimal(1))],
        kwh_decimals=4,
    )
    made = read_tariff(
        tariff(element(component("ENERGY", "1"), max_duration=600), element(component("ENERGY", "2"))),
        "tariff",
        [],
    )

    periods = cut_periods(telemetry, made).periods

    assert [period.kwh for period in periods] == [Decimal("0.3333"), Decimal("0.6667")]


@pytest.mark.parametrize(
    ("seen", "least", "most"),
    [
        (((0, "20"), (20, "15"), (40, "18")), "15", "20"),
        (((0, "12"), (20, "22"), (40, "18")), "12", "22"),
        (((0, "20"), (20, "20")), "20", "20"),
    ],
)
def test_a_joined_period_has_the_least_and_the_most_power_of_its_parts(
    seen: Any, least: str, most: str
) -> None:
    """Source: CDR-16, TAR-14"""
    made = tariff(element(component("TIME", "2"), min_power=10), element(component("TIME", "1")))

    (cut,) = price(made, session(60, power_readings=powers(*seen))).usage.periods

    assert (cut.min_power, cut.max_power) == (Decimal(least), Decimal(most))
