"""Tests of the engine against a simulation that evaluates the tariff every second.

The simulation evaluates restrictions itself and shares only the parsing of JSON with the engine.

Source: OCPI 2.2.1 mod_tariffs, TariffRestrictions; TAR-09 … TAR-14
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.pricing.build import component, element, price, session, tariff

DAYS = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"]
ZONES = ["Europe/Lisbon", "Atlantic/Azores", "Asia/Kolkata", "Australia/Lord_Howe", "America/St_Johns"]
EVENINGS = [
    (2026, 3, 28, 18),
    (2026, 10, 24, 18),
    (2026, 4, 4, 8),
    (2026, 10, 3, 8),
    (2026, 11, 1, 1),
    (2026, 6, 5, 17),
]


@pytest.mark.parametrize("seed", range(40))
def test_a_price_is_the_sum_of_the_costs_of_every_second(seed: int) -> None:
    random = Random(seed)
    begin = datetime(*random.choice(EVENINGS), tzinfo=UTC) + timedelta(seconds=random.randrange(40000))
    made, stay = make_tariff(random, begin), make_session(random, begin)

    assert float(price(made, stay).total_cost.excl_vat) == pytest.approx(
        simulate(made, stay, begin), abs=0.01
    )


def make_tariff(random: Random, begin: datetime) -> dict[str, Any]:
    """A tariff of a few elements whose restrictions change at whole seconds."""
    next_day = f"{begin + timedelta(days=1):%Y-%m-%d}"
    makers: dict[str, tuple[float, Any]] = {
        "start_time": (0.5, lambda: f"{random.randrange(24):02d}:{random.choice([0, 15, 30, 45]):02d}"),
        "end_time": (0.5, lambda: f"{random.randrange(24):02d}:{random.choice([0, 15, 30, 45]):02d}"),
        "day_of_week": (0.3, lambda: random.sample(DAYS, random.randrange(1, 5))),
        "start_date": (0.1, lambda: next_day),
        "end_date": (0.1, lambda: next_day),
        "min_duration": (0.2, lambda: random.randrange(10000)),
        "max_duration": (0.2, lambda: random.randrange(1, 10000)),
        "min_power": (0.2, lambda: random.randrange(60)),
        "max_power": (0.2, lambda: random.randrange(60)),
    }
    elements = []
    for _ in range(random.randrange(1, 6)):
        kinds = random.sample(["ENERGY", "TIME", "PARKING_TIME", "FLAT"], random.randrange(1, 4))
        components = [component(kind, str(Decimal(random.randrange(300)) / 100), None, 0) for kind in kinds]
        chosen = {key: make() for key, (chance, make) in makers.items() if random.random() < chance}
        elements.append(element(*components, **chosen))
    return tariff(*elements)


def make_session(random: Random, begin: datetime) -> dict[str, Any]:
    """A session with readings, states and power readings at whole seconds."""
    seconds = random.randrange(60, 9000)

    def some(count: int) -> list[int]:
        return sorted(random.sample(range(1, seconds), random.randrange(1, count)))

    kwh, readings = Decimal(1000), [{"at": moment(begin, 0), "kwh": Decimal(1000)}]
    for second in [*some(8), seconds]:
        kwh += Decimal(random.randrange(20000)) / 1000
        readings.append({"at": moment(begin, second), "kwh": kwh})
    return session(
        0,
        begin,
        end_date_time=moment(begin, seconds),
        time_zone=random.choice(ZONES),
        meter_readings=readings,
        charging_states=[
            {"at": moment(begin, each), "state": random.choice(["Charging", "SuspendedEV", "SuspendedEVSE"])}
            for each in some(4)
        ],
        power_readings=[{"at": moment(begin, each), "kw": random.randrange(60)} for each in [0, *some(4)]],
    )


def moment(begin: datetime, second: int) -> str:
    return f"{begin + timedelta(seconds=second):%Y-%m-%dT%H:%M:%SZ}"


def simulate(made: dict[str, Any], stay: dict[str, Any], begin: datetime) -> float:
    """Add up the costs of the components that are active in every second."""
    readings = timeline(stay["meter_readings"], "kwh", begin)
    states = {0: "Charging"} | timeline(stay["charging_states"], "state", begin)
    powers = timeline(stay["power_readings"], "kw", begin)
    zone, seconds = ZoneInfo(stay["time_zone"]), max(readings)
    total, flat = Fraction(0), None
    state, power, rate, times = "Charging", 0, Fraction(0), sorted(readings)
    for second in range(seconds):
        state, power = states.get(second, state), powers.get(second, power)
        if second in readings:
            following = times[times.index(second) + 1]
            rate = Fraction(readings[following] - readings[second]) / (following - second)
        local = (begin + timedelta(seconds=second)).astimezone(zone)
        flat = flat if flat is not None else active_price(made, "FLAT", local, second, power)
        timed = "PARKING_TIME" if state == "SuspendedEV" else "TIME"
        total += rate * (active_price(made, "ENERGY", local, second, power) or 0)
        total += Fraction(1, 3600) * (active_price(made, timed, local, second, power) or 0)
    return float(total + (flat or 0))


def timeline(seen: list[dict[str, Any]], key: str, begin: datetime) -> dict[int, Any]:
    return {int((datetime.fromisoformat(each["at"]) - begin).total_seconds()): each[key] for each in seen}


def active_price(
    made: dict[str, Any], kind: str, local: datetime, second: int, power: int
) -> Fraction | None:
    for each in made["elements"]:
        for priced in each["price_components"]:
            if priced["type"] == kind and is_active(each.get("restrictions", {}), local, second, power):
                return Fraction(priced["price"])
    return None


def is_active(asked: dict[str, Any], local: datetime, second: int, power: int) -> bool:
    now, start, end = f"{local:%H:%M}", asked.get("start_time", "00:00"), asked.get("end_time", "00:00")
    end = "24:00" if end == "00:00" else end
    in_window = start <= now < end if start < end else start == end or now >= start or now < end
    return (
        in_window
        and DAYS[local.weekday()] in asked.get("day_of_week", DAYS)
        and asked.get("start_date", "") <= f"{local:%Y-%m-%d}" < asked.get("end_date", "9")
        and asked.get("min_duration", 0) <= second < asked.get("max_duration", second + 1)
        and asked.get("min_power", 0) <= power < asked.get("max_power", power + 1)
    )
