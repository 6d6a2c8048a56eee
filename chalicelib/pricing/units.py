"""Finds numbers of a tariff that are probably in another unit than OCPI's.

In OCPI, power is in kW, energy in kWh, current in A, durations in seconds, prices in the currency's main
unit per kWh or per hour, steps in Wh or seconds. A number in W, Wh, mA, minutes, hours or cents fits the
schema but makes an absurd price. It is so far off that it can be detected.

Source: OCPI 2.2.1 mod_tariffs, TariffRestrictions, PriceComponent; TAR-14, TAR-17
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from chalicelib.pricing.findings import WARNING, Finding
from chalicelib.pricing.json_fields import round_number
from chalicelib.pricing.restrictions import Restrictions
from chalicelib.pricing.tariffs import ENERGY, FLAT, PARKING_TIME, TIME, ParsedComponent, ParsedTariff

# The largest plausible number, its unit, and the unit that it is mistaken for.
_MOST = {
    "power": (1000, "kW", "W"),
    "kwh": (1000, "kWh", "Wh"),
    "current": (3000, "A", "mA"),
    "duration": (30 * 86_400, "seconds", "milliseconds"),
}
_LEAST_SECONDS = 60

# Rough value of a euro in each currency; prices in other currencies are not checked.
_ABOUT_A_EURO = {
    "AUD": 1, "CAD": 1, "CHF": 1, "EUR": 1, "GBP": 1, "NZD": 1, "USD": 1,
    "BGN": 2, "BRL": 5, "CNY": 7, "ILS": 3, "PLN": 4, "RON": 5,
    "DKK": 7, "NOK": 10, "SEK": 10, "MXN": 18, "ZAR": 18, "CZK": 22,
}  # fmt: skip
# Highest plausible price in euros: per kWh, per hour, once. A blocking fee of 1 per minute is 60 per hour.
_MOST_EUROS = {ENERGY: 5, TIME: 150, PARKING_TIME: 150, FLAT: 150}
_MOST_LIMIT = 2000

# Longest plausible step: 50 kWh, or a day.
_MOST_STEP = {ENERGY: (50_000, "Wh"), TIME: (86_400, "seconds"), PARKING_TIME: (86_400, "seconds")}


def lint_units(tariff: ParsedTariff) -> Iterator[Finding]:
    """Find the numbers that are probably in another unit."""
    for name, limit in (("min_price", tariff.min_price), ("max_price", tariff.max_price)):
        if limit is not None:
            yield from _lint_amount(limit.excl_vat, tariff.currency, _MOST_LIMIT, f"/{name}/excl_vat", "")
    for number, element in enumerate(tariff.elements):
        at = f"/elements/{number}"
        if element[0].restrictions is not None:
            yield from _lint_restrictions(element[0].restrictions, f"{at}/restrictions")
        for component in element:
            yield from _lint_component(component, tariff.currency, f"{at}/price_components/{component.index}")


def _lint_restrictions(restrictions: Restrictions, at: str) -> Iterator[Finding]:
    for quantity, (most, unit, other) in _MOST.items():
        for name in (f"min_{quantity}", f"max_{quantity}"):
            value = getattr(restrictions, name)
            if value is None:
                continue
            shown = f"{round_number(Decimal(value)):f} {unit}"
            if value > most:
                yield _odd(f"{at}/{name}", f"{shown} is more than there can be, are they {other}?")
            elif quantity == "duration" and 0 < value < _LEAST_SECONDS:
                yield _odd(f"{at}/{name}", f"{shown} is very short, are they minutes or hours?")


def _lint_component(component: ParsedComponent, currency: str, at: str) -> Iterator[Finding]:
    dimension = component.dimension
    if dimension in _MOST_EUROS:
        per = {ENERGY: " per kWh", FLAT: ""}.get(dimension, " per hour")
        yield from _lint_amount(component.price, currency, _MOST_EUROS[dimension], f"{at}/price", per)
    most, unit = _MOST_STEP.get(dimension, (0, ""))
    if most and component.step_size > most:
        text = f"a step of {component.step_size} {unit} is more than most sessions have"
        yield _odd(f"{at}/step_size", text)


def _lint_amount(price: Decimal, currency: str, most_euros: int, at: str, per: str) -> Iterator[Finding]:
    rate = _ABOUT_A_EURO.get(currency)
    if rate is not None and price > most_euros * rate:
        shown = f"{round_number(price):f} {currency}{per}"
        yield _odd(at, f"{shown} is a very high price, are they hundredths (cents)?")


def _odd(pointer: str, message: str) -> Finding:
    return Finding("odd_unit", WARNING, pointer, message)
