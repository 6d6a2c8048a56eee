"""Model of a charging car: its power, and its energy after a time.

The power is the smaller of the connector's and the car's, until the battery is nearly full (alternating
current) or little more than half full (direct current); from there it falls in a straight line. This is not
physics, but it looks like a curve on an operator's screen.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

STEP_S = 10.0


@dataclass(frozen=True)
class Plug:
    """A connector and its power."""

    power_kw: float
    is_dc: bool


@dataclass(frozen=True)
class Car:
    """A car at a connector; charge and wanted are shares of its capacity, from 0 to 1."""

    capacity_kwh: float
    charge: float
    wanted: float
    ac_kw: float
    dc_kw: float

    @property
    def is_satisfied(self) -> bool:
        """Tell whether it takes no more energy."""
        return self.charge >= self.wanted


def some_car(chance: random.Random, plug: Plug) -> Car:
    """Make a typical car of Portugal; at slow plugs it stays longer."""
    return Car(
        capacity_kwh=chance.choice((22.0, 40.0, 52.0, 58.0, 77.0)),
        charge=chance.uniform(0.1, 0.6),
        wanted=chance.uniform(0.7, 0.85) if plug.is_dc else chance.uniform(0.75, 0.98),
        ac_kw=chance.choice((3.7, 7.4, 11.0, 11.0, 22.0)),
        dc_kw=chance.choice((46.0, 100.0, 130.0, 170.0)),
    )


def power_kw(car: Car, plug: Plug) -> float:
    """Present power of a car.

    >>> zoe = Car(52.0, 0.5, 0.9, ac_kw=22.0, dc_kw=46.0)
    >>> power_kw(zoe, Plug(11.0, is_dc=False)), power_kw(zoe, Plug(150.0, is_dc=True))
    (11.0, 46.0)
    >>> round(power_kw(replace(zoe, charge=0.8), Plug(150.0, is_dc=True)), 1)
    24.3
    """
    if car.is_satisfied:
        return 0.0
    limit = min(plug.power_kw, car.dc_kw if plug.is_dc else car.ac_kw)
    bend, end = (0.55, 0.15) if plug.is_dc else (0.95, 0.1)
    if car.charge <= bend:
        return limit
    return limit * (1 - (1 - end) * (car.charge - bend) / (1 - bend))


def charge(car: Car, plug: Plug, seconds: float) -> tuple[Car, float]:
    """Charge a car for some seconds. Returns the car, and the energy in kWh.

    >>> zoe, kwh = charge(Car(52.0, 0.5, 0.9, 22.0, 46.0), Plug(11.0, is_dc=False), 3600)
    >>> round(kwh, 3), round(zoe.charge, 3)
    (11.0, 0.712)
    """
    taken = 0.0
    while seconds > 0 and not car.is_satisfied:
        step_s = min(STEP_S, seconds)
        kwh = power_kw(car, plug) * step_s / 3600
        car = replace(car, charge=min(car.charge + kwh / car.capacity_kwh, 1.0))
        taken += kwh
        seconds -= step_s
    return car, taken
