"""Writes a price as plain JSON: totals, charging periods, and a breakdown that explains them.

Totals have nine decimals, so money is practically exact (TAR-23). `cdr_fields` writes the fields of a CDR
with OCPI's four decimals. There the costs of all kinds add up to the total cost, unless a limit changed it,
and the energies of the periods add up to the total energy (`rounding.py`).

Source: OCPI 2.2.1 mod_cdrs, CDR Object and ChargingPeriod; TAR-21, TAR-23, CDR-15, CDR-16
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from chalicelib.pricing.billing import FIXED, RESERVED, Charge, Match, sum_prices
from chalicelib.pricing.costs import Priced
from chalicelib.pricing.json_fields import HOUR_US, round_number, write_moment
from chalicelib.pricing.pricing_input import Period
from chalicelib.pricing.rounding import round_energy, round_prices
from chalicelib.pricing.tariffs import ENERGY, FLAT, PARKING_TIME, TIME, Amount, ParsedComponent

_UNITS = {ENERGY: "kWh", TIME: "h", PARKING_TIME: "h", FLAT: ""}
_STEP_UNITS = {ENERGY: "Wh", TIME: "s", PARKING_TIME: "s"}


def write_statement(priced: Priced, decimals: int = 9) -> dict[str, Any]:
    """Write a price with its breakdown and warnings.

    `undecided` names the fields that cannot be judged and could change the price. No CDR is made of such a
    price.
    """
    statement = {
        "tariff_id": priced.tariff.id if priced.tariff else None,
        "currency": priced.tariff.currency if priced.tariff else None,
        "charging_periods": [write_period(period, decimals) for period in priced.usage.periods],
        **_totals(priced, priced.costs, decimals),
        "total_reservation_cost": _price(priced.costs[RESERVED], priced, decimals),
        "breakdown": write_breakdown(priced, decimals),
        "warnings": [remark.to_document() for remark in priced.remarks],
    }
    if priced.undecided:
        statement["undecided"] = [remark.field for remark in priced.undecided]
    return statement


def cdr_fields(priced: Priced, decimals: int = 4) -> dict[str, Any]:
    """Write the fields of a CDR that depend on the price."""
    parts, kinds = list(priced.costs.values()), list(priced.costs)
    # A limit changes the total only. Then the parts add up to the total before the limit.
    whole = sum_prices(parts) if priced.limits else priced.total_cost
    costs = dict(zip(kinds, round_prices(parts, whole, decimals), strict=True))
    periods = round_energy(priced.usage.periods, decimals)
    fields = {
        "currency": priced.tariff.currency if priced.tariff else None,
        "charging_periods": [write_period(period, decimals) for period in periods],
        **_totals(priced, costs, decimals),
    }
    if any(period.is_reserved for period in priced.usage.periods):
        fields["total_reservation_cost"] = _price(costs[RESERVED], priced, decimals)
    return fields


def _totals(priced: Priced, costs: Mapping[str, Amount], decimals: int) -> dict[str, Any]:
    return {
        "total_cost": _price(priced.total_cost, priced, decimals),
        "total_fixed_cost": _price(costs[FIXED], priced, decimals),
        "total_energy": round_number(priced.total_energy, decimals),
        "total_energy_cost": _price(costs[ENERGY], priced, decimals),
        "total_time": _hours(priced.total_time_us, decimals),
        "total_time_cost": _price(costs[TIME], priced, decimals),
        "total_parking_time": _hours(priced.total_parking_us, decimals),
        "total_parking_cost": _price(costs[PARKING_TIME], priced, decimals),
    }


def _price(price: Amount, priced: Priced, decimals: int) -> dict[str, Decimal]:
    document = {"excl_vat": round_number(price.excl_vat, decimals)}
    if priced.has_vat and price.incl_vat is not None:
        document["incl_vat"] = round_number(price.incl_vat, decimals)
    return document


def _hours(us: int, decimals: int) -> Decimal:
    return round_number(Decimal(us) / HOUR_US, decimals)


def write_period(period: Period, decimals: int = 4) -> dict[str, Any]:
    """Write a charging period of OCPI; `decimals` are those of its volumes."""
    document = {
        "start_date_time": write_moment(period.start),
        "dimensions": [{"type": kind, "volume": volume} for kind, volume in _dimensions(period, decimals)],
    }
    if period.tariff is not None:
        document["tariff_id"] = period.tariff.id
    return document


def _dimensions(period: Period, decimals: int) -> Iterator[tuple[str, Decimal]]:
    if period.is_reserved:
        yield "RESERVATION_TIME", _volume(period.reserved_us, decimals)
        return
    if period.kwh is not None and (period.kwh or not period.parking_us):
        yield ENERGY, round_number(period.kwh, decimals)
    if period.parking_us:
        yield PARKING_TIME, _volume(period.parking_us, decimals)
    if period.charging_us or not (period.parking_us or period.kwh is not None):
        yield TIME, _volume(period.charging_us, decimals)
    for name in ("min_current", "max_current", "min_power", "max_power"):
        if (value := getattr(period, name)) is not None:
            # Cut off, so that the value stays on the same side of a limit of the tariff.
            yield name.upper(), _cut_off(value, decimals)


def _volume(us: int, decimals: int) -> Decimal:
    # Cut off, not rounded: a receiver that multiplies by 3600 and rounds up gets the exact second.
    return _cut_off(Decimal(us) / HOUR_US, decimals)


def _cut_off(number: Decimal, decimals: int) -> Decimal:
    return round_number(number.quantize(Decimal(1).scaleb(-decimals), ROUND_FLOOR), decimals)


def write_breakdown(priced: Priced, decimals: int = 9) -> dict[str, Any]:
    """Explain a price: costs of each component, active components of each period, VAT, applied limits."""
    first: dict[ParsedComponent | None, Match] = {}
    for match in priced.matches:
        first.setdefault(match.component, match)
    return {
        "lines": [_line(charge, priced, first[charge.component], decimals) for charge in priced.charges],
        "periods": list(_reasons(priced)),
        "vat": _vat_lines(priced, decimals),
        "limits": [
            {
                "limit": limit.name,
                **{
                    key: round_number(value, decimals)
                    for key, value in (("excl_vat", limit.excl_vat), ("incl_vat", limit.incl_vat))
                    if value is not None
                },
            }
            for limit in priced.limits
        ],
    }


def _line(charge: Charge, priced: Priced, first: Match, decimals: int) -> dict[str, Any]:
    component, cost = charge.component, charge.cost
    line: dict[str, Any] = {
        "dimension": component.dimension,
        "total": charge.total,
        "tariff_id": component.tariff_id,
        "element": component.element,
        "price_component": component.index,
        "used": round_number(charge.used, decimals),
        "billed": round_number(charge.billed, decimals),
        "unit": "min" if component.per_minute else _UNITS.get(component.dimension, ""),
        "price": component.price,
        **_price(cost, priced, decimals),
    }
    if component.vat is not None and cost.incl_vat is not None:
        line["vat"] = component.vat
        line["vat_amount"] = round_number(cost.incl_vat - cost.excl_vat, decimals)
    line["because"] = _because(first)
    if component.is_gross:
        line["because"] += "; its price includes taxes (tax_included YES)"
    if component.per_minute:
        line["because"] += "; its price is per minute by the flag time_prices_per_minute, not per hour"
    if charge.surplus:
        unit = _STEP_UNITS[component.dimension]
        line["because"] += f"; the total is billed in steps of {component.step_size} {unit}"
    return line


def _because(match: Match) -> str:
    component = match.component
    if component is None:
        return f"no element with {match.dimension} matches"
    at = write_moment(match.moment.at)
    restrictions = component.restrictions
    reasons = restrictions.explain(match.moment) if restrictions else "it has no restrictions"
    return f"at {at} element {component.element} is the first with {match.dimension} that matches: {reasons}"


def _reasons(priced: Priced) -> Iterator[dict[str, Any]]:
    for period in priced.usage.periods:
        yield {
            "start_date_time": write_moment(period.start),
            "end_date_time": write_moment(period.end),
            "tariff_id": period.tariff.id if period.tariff else None,
            "priced": [
                {
                    "dimension": match.dimension,
                    "volume": round_number(match.quantity / _counted_in(match.dimension), 9),
                    "element": match.component.element if match.component else None,
                    "price_component": match.component.index if match.component else None,
                    "because": _because(match),
                }
                for match in priced.matches_of(period)
            ],
        }


def _counted_in(dimension: str) -> int:
    return HOUR_US if _UNITS[dimension] == "h" else 1


def _vat_lines(priced: Priced, decimals: int) -> list[dict[str, Decimal]]:
    bases: dict[Decimal, Decimal] = {}
    for charge in priced.charges:
        if (vat := charge.component.vat) is not None:
            bases[vat] = bases.get(vat, Decimal(0)) + charge.cost.excl_vat
    return [
        {
            "vat": vat,
            "excl_vat": round_number(base, decimals),
            "vat_amount": round_number(base * vat / 100, decimals),
        }
        for vat, base in bases.items()
    ]
