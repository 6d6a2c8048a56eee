"""Tests of the sessions of the simulated CSMS as time passes, and of the power of a charge."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from cli.operator_client import OperatorApiError
from infra.local.charge_points import ChargePoints
from infra.local.charging_curve import Car, Plug, charge, power_kw, some_car
from infra.local.csms_memory import Memory
from tests.infra.csms_stand import SITE, START, Stand, reserve
from tests.infra.csms_stand import stand as stand


def test_a_session_grows_period_by_period_until_the_car_leaves(stand: Stand) -> None:
    """Source: SES-05, CDR-15, CDR-16"""
    stand.start()
    stand.pass_time(3100)

    periods = stand.session["charging_periods"]
    energy = sum(
        dimension["volume"]
        for period in periods
        for dimension in period["dimensions"]
        if dimension["type"] == "ENERGY"
    )
    starts = [period["start_date_time"] for period in periods]
    assert stand.session["status"] == "COMPLETED"
    assert energy == stand.session["kwh"] > 1
    assert starts[:2] == ["2026-03-01T12:00:00Z", "2026-03-01T12:00:15Z"]
    assert starts == sorted(set(starts)) and starts[-1] < stand.session["end_date_time"]
    assert {period["tariff_id"] for period in periods} == {"AC-ENERGY"}


def test_time_runs_at_the_given_speed(tmp_path: Path) -> None:
    stand = Stand(tmp_path, speed=60)
    stand.start()

    stand.pass_time(3)

    assert [period["start_date_time"] for period in stand.session["charging_periods"]] == [
        stand.session["start_date_time"]
    ]
    (hours,) = [each["volume"] for each in stand.session["charging_periods"][0]["dimensions"]][1:]
    assert hours == Decimal("0.0333")  # two minutes after two seconds


@pytest.mark.parametrize("speed", [1, 10, 60])
def test_a_session_ends_at_the_present_at_any_speed(tmp_path: Path, speed: float) -> None:
    """The node makes no CDR of a session that ends in the future."""
    stand = Stand(tmp_path, speed=speed)
    stand.start()

    while stand.session["status"] == "ACTIVE":
        stand.pass_time(1)

    end = datetime.fromisoformat(stand.session["end_date_time"])
    assert stand.now - timedelta(seconds=4 * speed) < end <= stand.now
    assert stand.now - START < timedelta(seconds=3000 / speed + 15)


def test_a_reserved_session_starts_and_ends_no_later_than_the_present(tmp_path: Path) -> None:
    stand = Stand(tmp_path, speed=60)
    reserve(stand)
    stand.pass_time(5)

    stand.start()
    stand.pass_time(20)
    stand.obey("STOP_SESSION", session_id=stand.session_id)

    assert stand.session["start_date_time"] == "2026-03-01T12:00:05Z"
    assert stand.session["end_date_time"] == "2026-03-01T12:00:25Z"


def test_a_failed_report_is_sent_later(stand: Stand) -> None:
    stand.start()
    stand.door.refusals["sessions"] = 0
    stand.now += timedelta(seconds=20)
    with pytest.raises(OperatorApiError):
        stand.points.tick()
    del stand.door.refusals["sessions"]

    stand.pass_time(20)

    assert [period["start_date_time"] for period in stand.session["charging_periods"]][0] == (
        "2026-03-01T12:00:00Z"
    )
    assert stand.session["kwh"] > 0


def test_a_session_that_was_ended_elsewhere_is_over(stand: Stand) -> None:
    stand.start()
    stand.door.refusals["sessions"] = 422

    stand.pass_time(20)

    assert stand.points.busy == 0


def test_sessions_of_an_earlier_run_are_ended(tmp_path: Path) -> None:
    before = Stand(tmp_path)
    before.start()
    after = Stand(tmp_path)
    after.door = before.door
    after.points = ChargePoints(before.door, [SITE], 1.0, after.memory, lambda: START, random.Random(7))

    after.points.end_left_over()

    assert (after.session["status"], after.status()) == ("COMPLETED", "AVAILABLE")
    assert Memory(tmp_path / "csms.json").running == {}


def test_a_session_that_cannot_be_ended_does_not_stop_the_start(tmp_path: Path) -> None:
    before = Stand(tmp_path)
    before.start()
    after = Stand(tmp_path)
    after.door.refusals = {"sessions": 404, "locations": 404}

    after.points.end_left_over()

    assert Memory(tmp_path / "csms.json").running == {}


def test_power_falls_as_the_battery_fills() -> None:
    plug = Plug(150.0, is_dc=True)
    powers = [power_kw(Car(60.0, part / 10, 1.0, 11.0, 100.0), plug) for part in range(11)]

    assert powers[0] == powers[5] == 100.0
    assert powers[5:] == sorted(powers[5:], reverse=True) and powers[-1] == 0.0


def test_no_car_takes_more_than_it_wants_or_the_plug_gives() -> None:
    chance = random.Random(1)
    for plug in (Plug(22.0, is_dc=False), Plug(150.0, is_dc=True)):
        for _ in range(50):
            car = some_car(chance, plug)
            after, kwh = charge(car, plug, 600)
            assert 0 < kwh <= plug.power_kw / 6
            assert after.charge <= 1.0
