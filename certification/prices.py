"""Computes the price of a session from its tariff, independently of any CDR.

It covers the part of OCPI's pricing that the scenarios' own tariff needs: one element that is always active,
with a flat fee, energy and time, each billed in whole steps.
Source: OCPI 2.2.1 mod_tariffs_pricecomponent_class, mod_cdrs_step_size
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Any

HOUR_S = 3600
KWH_WH = 1000


def price_of(tariff: Mapping[str, Any], kwh: Decimal, charged: timedelta) -> dict[str, Decimal]:
    """Price a session that charged from its start to its end. Returns a Price.

    >>> energy = {"type": "ENERGY", "price": Decimal("0.25"), "vat": 20, "step_size": 500}
    >>> price_of({"elements": [{"price_components": [energy]}]}, Decimal("1.2"), timedelta(hours=1))
    {'excl_vat': Decimal('0.375'), 'incl_vat': Decimal('0.450')}
    """
    (element,) = tariff["elements"]
    excl_vat = incl_vat = Decimal(0)
    for component in element["price_components"]:
        cost = _cost(component, kwh, Decimal(int(charged.total_seconds())))
        excl_vat += cost
        incl_vat += cost * (100 + Decimal(component["vat"])) / 100
    return {"excl_vat": excl_vat, "incl_vat": incl_vat}


def _cost(component: Mapping[str, Any], kwh: Decimal, charged_s: Decimal) -> Decimal:
    price, step = Decimal(component["price"]), Decimal(component["step_size"])
    match component["type"]:
        case "FLAT":
            return price
        case "ENERGY":
            return price * _in_steps(kwh * KWH_WH, step) / KWH_WH
        case "TIME":
            return price * _in_steps(charged_s, step) / HOUR_S
        case other:
            raise ValueError(f"no price of {other} is known here")


def _in_steps(used: Decimal, step: Decimal) -> Decimal:
    return (used / step).to_integral_value(ROUND_CEILING) * step
