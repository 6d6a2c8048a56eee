"""Tests of interpolating meter readings. Source: SES-10, CDR-16"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from chalicelib.pricing.meter import Meter
from tests.pricing.build import START

READINGS = ((START, Decimal(100)), (START + timedelta(minutes=60), Decimal(160)))
METER = Meter(READINGS, decimals=2)


@pytest.mark.parametrize(
    ("minutes", "kwh"),
    [(-5, "100"), (0, "100"), (1, "101"), (30, "130"), ("0.5", "100.5"), (60, "160"), (90, "160")],
)
def test_a_meter_rises_evenly_between_two_readings_and_is_constant_outside(
    minutes: int | str, kwh: str
) -> None:
    assert METER.kwh_at(START + timedelta(minutes=float(minutes))) == Decimal(kwh)


def test_interpolated_energy_is_rounded_to_the_decimals_of_the_meter() -> None:
    assert METER.kwh_at(START + timedelta(seconds=20)) == Decimal("100.33")


def test_a_meter_without_readings_shows_zero_and_reaches_no_amount() -> None:
    empty = Meter(())

    assert empty.kwh_at(START) == 0
    assert empty.reaches(Decimal(0)) is None


@pytest.mark.parametrize(
    ("kwh", "minutes"), [("99", 0), ("100", 0), ("101", 1), ("130", 30), ("160", 60), ("160.01", None)]
)
def test_an_amount_has_the_time_at_which_it_is_reached_or_none(kwh: str, minutes: int | None) -> None:
    reached = METER.reaches(Decimal(kwh))

    assert reached == (None if minutes is None else START + timedelta(minutes=minutes))


def test_an_amount_at_which_the_meter_stops_has_the_earliest_time() -> None:
    stood = Meter((*READINGS, (START + timedelta(minutes=90), Decimal(160))))

    assert stood.reaches(Decimal(160)) == START + timedelta(minutes=60)
