"""Applies the minimum and the maximum price of a tariff to the total cost of a session.

Source: OCPI 2.2.1 mod_tariffs, Tariff Object, min_price and max_price; TAR-20
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from chalicelib.pricing.tariffs import Amount, ParsedTariff


@dataclass(frozen=True, slots=True)
class AppliedLimit:
    """A limit that changed the total: the new amounts, None for a side that stayed the same.

    has_vat: whether the limit itself has a price including VAT.
    """

    name: str
    excl_vat: Decimal | None
    incl_vat: Decimal | None
    has_vat: bool


def apply_limits(
    cost: Amount, tariff: ParsedTariff, is_session: bool
) -> tuple[Amount, tuple[AppliedLimit, ...]]:
    """Bring a total between `min_price` and `max_price`, excluding and including VAT independently.

    is_session: false for an expired reservation, which has no minimum price.
    Source: OCPI 2.2.1 mod_tariffs, min_price and max_price; TAR-20
    """
    applied = []
    for name, limit in (("min_price", tariff.min_price), ("max_price", tariff.max_price)):
        if limit is None or (name == "min_price" and not is_session):
            continue
        pick = max if name == "min_price" else min
        excl_vat, incl_vat = pick(cost.excl_vat, limit.excl_vat), cost.incl_vat
        if limit.incl_vat is not None:
            incl_vat = pick(cost.incl_vat or Decimal(0), limit.incl_vat)
        elif excl_vat != cost.excl_vat:
            # Spec: silent on a limit without `incl_vat`. Unchanged, the price including VAT could become
            # lower than the one without; so VAT changes in proportion.
            incl_vat = _in_proportion(excl_vat, cost, tariff)
        if (excl_vat, incl_vat) != (cost.excl_vat, cost.incl_vat):
            applied.append(
                AppliedLimit(
                    name,
                    excl_vat if excl_vat != cost.excl_vat else None,
                    incl_vat if incl_vat != cost.incl_vat else None,
                    limit.incl_vat is not None,
                )
            )
        cost = Amount(excl_vat, incl_vat)
    return cost, tuple(applied)


def _in_proportion(excl_vat: Decimal, cost: Amount, tariff: ParsedTariff) -> Decimal | None:
    if cost.incl_vat is not None and cost.excl_vat != 0:
        return excl_vat + (cost.incl_vat - cost.excl_vat) * excl_vat / cost.excl_vat
    rates = set(_rates(tariff))
    return excl_vat * (100 + rates.pop()) / 100 if len(rates) == 1 else excl_vat


def _rates(tariff: ParsedTariff) -> Iterator[Decimal]:
    return (component.vat or Decimal(0) for component in tariff.components)
