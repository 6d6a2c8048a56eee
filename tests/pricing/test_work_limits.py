"""Tests of the limit of work that pricing one session may take."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.pricing.component_search import Matcher
from chalicelib.pricing.json_fields import write_moment
from chalicelib.pricing.price_request import price_request
from chalicelib.pricing.statement import write_statement
from chalicelib.pricing.work_limits import MOST_PIECES, OutOfTime, TooMuchWork, Work
from tests.pricing.build import START, at, component, element, period, session, tariff


def clock(minute: int) -> str:
    return f"{minute // 60 % 24:02d}:{minute % 60:02d}"


def by_the_minute(**more: Any) -> dict[str, Any]:
    """A tariff with an element for each minute of the day."""
    return tariff(
        *(
            element(
                component("ENERGY", f"0.{minute + 1:04d}"),
                start_time=clock(minute),
                end_time=clock(minute + 1),
                **more,
            )
            for minute in range(24 * 60)
        )
    )


def looks_of(days: int, made: dict[str, Any], kwh: int = 10) -> int:
    work = Work()
    stay = session(days * 24 * 60, meter_readings=readings(days, kwh))
    price_request({"tariffs": [made], "session": stay}, work=work)
    return work.looks


def readings(days: int, kwh: int = 10) -> list[dict[str, Any]]:
    return [{"at": at(0), "kwh": 0}, {"at": at(days * 24 * 60), "kwh": kwh}]


def test_a_session_that_would_be_cut_into_too_many_pieces_is_refused_before_it_is_cut() -> None:
    stay = session(364 * 24 * 60, meter_readings=readings(364))
    work = Work()

    with pytest.raises(TooMuchWork, match="527041 times") as caught:
        price_request({"tariffs": [by_the_minute()], "session": stay}, work=work)

    assert (caught.value.field, work.looks) == ("tariffs", 0)


def test_too_many_charging_periods_are_refused() -> None:
    periods = [period(0.01 * number, ENERGY="0") for number in range(MOST_PIECES + 1)]
    stay = session(24 * 60, charging_periods=periods)

    with pytest.raises(TooMuchWork) as caught:
        price_request({"tariffs": [tariff(element(component("ENERGY", "1")))], "session": stay})

    assert caught.value.field == "charging_periods"


def test_work_grows_with_the_days_but_not_with_days_times_elements() -> None:
    """Each more day is 1,440 pieces of 2 dimensions, which are cut and then priced."""
    day, week = looks_of(1, by_the_minute()), looks_of(8, by_the_minute())

    assert week - day <= 7 * 1440 * 8
    assert day <= 1440 * 20


def test_weekdays_in_a_tariff_by_the_minute_keep_the_work_small() -> None:
    looks = looks_of(7, by_the_minute(day_of_week=["MONDAY", "TUESDAY", "SUNDAY"]))

    assert looks <= 7 * 1440 * 8


def test_a_session_of_a_year_with_hourly_prices_is_priced() -> None:
    hours = [
        element(
            component("ENERGY", f"0.{hour + 1:02d}"),
            start_time=clock(hour * 60),
            end_time=clock(hour * 60 + 60),
        )
        for hour in range(24)
    ]
    stay = session(364 * 24 * 60, meter_readings=readings(364, 8736), time_zone="Europe/Lisbon")

    statement = write_statement(price_request({"tariffs": [tariff(*hours)], "session": stay}))

    assert statement["total_cost"]["excl_vat"] == 364 * sum(range(1, 25)) / Decimal(100)


def test_charging_periods_are_checked_only_at_the_limits_that_they_pass() -> None:
    """The work for 1,440 periods of a minute is much less than periods times elements."""
    periods = [period(minute, ENERGY="0.01") for minute in range(1440)]
    work = Work()

    price_request(
        {"tariffs": [by_the_minute()], "session": session(1440, charging_periods=periods)}, work=work
    )

    assert work.looks <= 1440 * 20


def test_a_session_above_the_work_limit_is_refused() -> None:
    """The index cannot separate these elements, so each look at one of them is counted."""
    made = tariff(*(element(component("ENERGY", "1"), min_kwh=number + 1) for number in range(1000)))
    periods = [period(number, ENERGY="0.9") for number in range(1000)]
    stay = session(1000, charging_periods=periods)

    with pytest.raises(TooMuchWork):
        price_request({"tariffs": [made], "session": stay}, work=Work(most=100_000))


def test_a_deadline_stops_pricing_midway() -> None:
    moments = iter([False, False, True])
    work = Work(is_late=lambda: next(moments))

    with pytest.raises(OutOfTime):
        price_request(
            {"tariffs": [by_the_minute()], "session": session(14400, meter_readings=readings(10))}, work=work
        )

    assert work.looks < 61_000


def test_each_matcher_counts_its_own_work() -> None:
    assert Matcher().work is not Matcher().work


def test_local_times_are_searched_only_within_the_given_span() -> None:
    from zoneinfo import ZoneInfo

    from chalicelib.pricing.local_time import _by_the_offset

    start = START.replace(hour=23, minute=59, second=30)
    found = list(_by_the_offset(range(1440), start, start + timedelta(minutes=1), ZoneInfo("Europe/Lisbon")))

    assert [write_moment(each) for each in found] == ["2026-01-14T23:59:00Z", "2026-01-15T00:00:00Z"]
    assert isinstance(found[0], datetime)


@pytest.mark.parametrize("fields", [{"charging_periods": [period(0, ENERGY="10")]}, {}])
def test_the_work_limit_holds_with_and_without_charging_periods(fields: dict[str, Any]) -> None:
    stay = session(60, **(fields or {"meter_readings": [{"at": at(0), "kwh": 0}, {"at": at(60), "kwh": 10}]}))
    body = {"tariffs": [tariff(element(component("ENERGY", "1")))], "session": stay}
    work = Work()

    price_request(body, work=work)

    assert work.looks > 0
    with pytest.raises(TooMuchWork):
        price_request(body, work=Work(most=work.looks - 1))
