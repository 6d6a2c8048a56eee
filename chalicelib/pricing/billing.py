"""Computes the cost of each price component: sums its quantities, rounds up to steps, applies the price.

Quantities are summed before they are rounded up to steps and multiplied. Money is exact: OCPI leaves its
rounding to law and contract (TAR-23). So a price does not depend on the number of charging periods. Where
prices include taxes, the cost with taxes is exact, and the cost without them has 28 digits.

Source: OCPI 2.2.1 mod_tariffs, PriceComponent; mod_cdrs_step_size; TAR-17, TAR-18, TAR-21, TAR-23
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from chalicelib.pricing.json_fields import HOUR_US, MINUTE_US, SECOND_US
from chalicelib.pricing.pricing_input import Period
from chalicelib.pricing.restrictions import Moment
from chalicelib.pricing.steps import surplus_of
from chalicelib.pricing.tariffs import ENERGY, FLAT, PARKING_TIME, TIME, Amount, ParsedComponent
from chalicelib.pricing.taxes import without_taxes

# Totals of a CDR, besides one for each dimension.
FIXED, RESERVED = "FIXED", "RESERVATION"

# Quantities are counted in kWh, microseconds and pieces. _UNITS: the quantity that one price is for.
# _STEPS: the quantity of a `step_size` of 1.
_UNITS = {ENERGY: Decimal(1), FLAT: Decimal(1), TIME: Decimal(HOUR_US), PARKING_TIME: Decimal(HOUR_US)}
_STEPS = {ENERGY: Decimal("0.001"), TIME: Decimal(SECOND_US), PARKING_TIME: Decimal(SECOND_US)}
_NONE = Decimal(0)
_HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class Match:
    """A quantity of a period and the price component that was active for it; without one it is free."""

    period: Period
    moment: Moment
    dimension: str
    total: str
    quantity: Decimal
    component: ParsedComponent | None


@dataclass(frozen=True, slots=True)
class Charge:
    """Quantity and cost that one price component bills over the whole session.

    Quantities are in the unit of the price: kWh, hours (minutes where the price is per minute) or pieces.
    surplus: the quantity that `step_size` adds. total: the total of the CDR that the cost belongs to.
    """

    component: ParsedComponent
    total: str
    used: Decimal
    surplus: Decimal
    cost: Amount

    @property
    def billed(self) -> Decimal:
        """The quantity that is paid for: the used one, rounded up to steps."""
        return self.used + self.surplus


def bill(matches: Sequence[Match]) -> list[Charge]:
    """Sum the quantities of each component and round totals up to steps, in the order of first use."""
    used: dict[ParsedComponent, Decimal] = {}
    totals: dict[ParsedComponent, str] = {}
    last: dict[str, ParsedComponent] = {}
    for match in matches:
        if (component := match.component) is not None:
            used[component] = used.get(component, _NONE) + match.quantity
            totals[component] = match.total
            if match.dimension != FLAT:
                last[match.total] = component
    surpluses = {}
    for total in _stepped(last):
        component = last[total]
        step_unit = _STEPS[component.dimension]
        whole = sum((used[each] for each in used if totals[each] == total and each.dimension != FLAT), _NONE)
        surpluses[component] = surplus_of(whole / step_unit, component.step_size) * step_unit
    return [
        _charge(component, totals[component], quantity, surpluses.get(component, _NONE))
        for component, quantity in used.items()
    ]


def _stepped(last: dict[str, ParsedComponent]) -> Iterator[str]:
    """The totals that are rounded up to steps.

    Spec: charging time and parking time are rounded once, together. Where parking has a price, the step is
    added to parking and charging time stays exact, even if the vehicle charged again after it. Reserved
    time is rounded separately.
    """
    for total in (ENERGY, PARKING_TIME, TIME, RESERVED):
        if total in last and not (total == TIME and PARKING_TIME in last):
            yield total


def _charge(component: ParsedComponent, total: str, used: Decimal, surplus: Decimal) -> Charge:
    unit = Decimal(MINUTE_US) if component.per_minute else _UNITS[component.dimension]
    amount = component.price * (used + surplus) / unit
    if component.is_gross:
        cost = Amount(without_taxes(amount, component.vat), amount)
    else:
        vat = component.vat
        cost = Amount(amount, amount if vat is None else amount * (_HUNDRED + vat) / _HUNDRED)
    return Charge(component, total, used / unit, surplus / unit, cost)


def sum_prices(prices: Iterable[Amount]) -> Amount:
    """Add prices up. Returns 0 when there are none."""
    excl_vat = incl_vat = _NONE
    for price in prices:
        excl_vat += price.excl_vat
        incl_vat += price.with_vat
    return Amount(excl_vat, incl_vat)
