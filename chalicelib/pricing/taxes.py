"""Taxes of a tariff: whether its prices include them, and what follows for each price component.

`tax_included` came with OCPI 2.3.0; without it, prices are without taxes, as in 2.2.1.

- YES: prices include taxes. The cost with taxes is exact, the cost without is derived from `vat`. A component
  without `vat` includes taxes of an unknown amount, as in North America: its cost without taxes is uncertain,
  and no CDR is made of it.
- N/A: no taxes are applicable, so a `vat` is ignored.

Source: OCPI 2.3.0 mod_tariffs, TaxIncluded and PriceComponent; V23-14, V23-16, V23-17
"""

from __future__ import annotations

from decimal import Decimal

from chalicelib.pricing.json_fields import JsonObject, Remark, read_optional_decimal

YES, NO, NOT_APPLICABLE = TAX_INCLUDED = ("YES", "NO", "N/A")
UNKNOWN_TAXES = "unknown_taxes"
"""Code of the remark on a price that includes taxes of an unknown amount."""

_HUNDRED = Decimal(100)
_LONGEST = 40


def unknown_tax_included(document: JsonObject, at: str) -> Remark | None:
    """Make a remark if it is not clear whether the prices of a tariff include taxes."""
    value = document.get("tax_included")
    if value is None or value in TAX_INCLUDED:
        return None
    shown = str(value)[:_LONGEST]
    text = f"tax_included is {shown!r}, and not {', '.join(TAX_INCLUDED)}: the prices cannot be judged"
    return Remark("tax_included", f"{at}.tax_included", text)


def read_vat(document: JsonObject, tax_included: object, at: str, remarks: list[Remark]) -> Decimal | None:
    """Read the VAT of a price component. Raises: InvalidParameters when it is no number."""
    vat = read_optional_decimal(document.get("vat"), f"{at}.vat")
    if vat is None or tax_included != NOT_APPLICABLE:
        return vat
    text = "no taxes are applicable (tax_included N/A), so it is ignored"
    remarks.append(Remark("vat_not_applicable", f"{at}.vat", text))
    return None


def unknown_taxes(price: Decimal, vat: Decimal | None, tax_included: object, at: str) -> Remark | None:
    """Make a remark if a price includes taxes and nothing says how much."""
    if tax_included != YES or price == 0 or (vat is not None and vat > -_HUNDRED):
        return None
    text = "the price includes taxes, and no vat says how much: the cost without taxes is not known"
    return Remark(UNKNOWN_TAXES, f"{at}.vat", text)


def without_taxes(gross: Decimal, vat: Decimal | None) -> Decimal:
    """The amount without taxes of one that includes them, with 28 digits; the same if the VAT is not known.

    >>> without_taxes(Decimal("24.50"), Decimal(21)).quantize(Decimal("0.0001"))
    Decimal('20.2479')
    """
    if vat is None or vat <= -_HUNDRED:
        return gross
    return gross * _HUNDRED / (_HUNDRED + vat)
