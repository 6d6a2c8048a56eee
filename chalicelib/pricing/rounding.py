"""Rounds amounts and energies to the decimals of OCPI's numbers so that the parts still add up to the whole.

Rounded one by one, five costs of 0.00006 add up to 0.0005, but their sum is 0.0003. So the whole is rounded
first. Then each part is rounded down, and the missing units go to the parts that lost most (largest
remainder).

Energy is rounded like a meter register: the sum so far is cut off, and each period gets the difference to the
sum before it. So each period begins on the same side of a tariff's limit in kWh as without rounding.

Source: OCPI 2.2.1 types_number_type; mod_cdrs, CDR Object; TAR-21, CDR-16
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import ROUND_FLOOR, Decimal

from chalicelib.pricing.json_fields import round_number
from chalicelib.pricing.pricing_input import Period
from chalicelib.pricing.tariffs import Amount


def round_price(price: Amount, decimals: int) -> Amount:
    """Round both sides of a price."""
    incl_vat = None if price.incl_vat is None else round_number(price.incl_vat, decimals)
    return Amount(round_number(price.excl_vat, decimals), incl_vat)


def round_prices(parts: Sequence[Amount], whole: Amount, decimals: int) -> list[Amount]:
    """Round the parts of a price so that they add up to the rounded whole, excluding and including VAT.

    A part without VAT keeps the same amount on both sides.
    """
    rounded = round_price(whole, decimals)
    excl_vat = round_parts([part.excl_vat for part in parts], rounded.excl_vat, decimals)
    if rounded.incl_vat is None:
        return [Amount(amount) for amount in excl_vat]
    incl_vat = [round_number(part.with_vat, decimals) for part in parts]
    if sum(incl_vat) != rounded.incl_vat or any(map(_has_other_vat, incl_vat, excl_vat, parts)):
        # Share out the VAT instead of the prices including it. So no price including VAT falls below the one
        # excluding it, and a part without VAT keeps equal sides.
        vat = [part.with_vat - part.excl_vat for part in parts]
        shares = round_parts(vat, rounded.incl_vat - rounded.excl_vat, decimals)
        incl_vat = [amount + share for amount, share in zip(excl_vat, shares, strict=True)]
    return [Amount(*sides) for sides in zip(excl_vat, incl_vat, strict=True)]


def round_parts(parts: Sequence[Decimal], whole: Decimal, decimals: int) -> list[Decimal]:
    """Round amounts up or down so that they add up to a rounded whole.

    >>> [str(each) for each in round_parts([Decimal("0.06"), Decimal("0.07"), Decimal(0)], Decimal("0.1"), 1)]
    ['0', '0.1', '0']
    """
    unit = Decimal(1).scaleb(-decimals)
    rounded = [part.quantize(unit, ROUND_FLOOR) for part in parts]
    missing = int((whole - sum(rounded)) / unit)
    for number in sorted(range(len(parts)), key=lambda n: rounded[n] - parts[n])[: max(missing, 0)]:
        rounded[number] += unit
    return [round_number(each, decimals) for each in rounded]


def round_energy(periods: Iterable[Period], decimals: int) -> list[Period]:
    """Round the energy of charging periods so that they add up to the rounded total energy."""
    unit = Decimal(1).scaleb(-decimals)
    rounded = list(periods)
    if all(period.kwh is None or _decimals_of(period.kwh) <= decimals for period in rounded):
        return rounded
    measured = [number for number, period in enumerate(rounded) if period.kwh is not None]
    so_far = assigned = Decimal(0)
    for number in measured:
        so_far += rounded[number].kwh or 0
        is_last = number == measured[-1]
        until = round_number(so_far, decimals) if is_last else so_far.quantize(unit, ROUND_FLOOR)
        rounded[number] = replace(rounded[number], kwh=until - assigned)
        assigned = until
    return rounded


def _decimals_of(number: Decimal) -> int:
    return -int(number.as_tuple().exponent)


def _has_other_vat(incl_vat: Decimal, excl_vat: Decimal, part: Amount) -> bool:
    """Check whether rounding created VAT where there is none, or changed its sign."""
    vat, exact = incl_vat - excl_vat, part.with_vat - part.excl_vat
    return vat != 0 if exact == 0 else vat * exact < 0
