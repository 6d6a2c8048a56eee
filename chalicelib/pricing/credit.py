"""Makes the credit CDR that cancels a CDR; a CDR itself never changes.

Source: OCPI 2.2.1 mod_cdrs_credit_cdrs; CDR-07, CDR-08, CDR-09, TRP-30
"""

from __future__ import annotations

from typing import Any

from chalicelib.errors import InvalidParameters
from chalicelib.pricing.json_fields import read_decimal, read_flag, read_object, read_text

LONGEST_CREDIT_ID = 39


def credit_cdr(
    document: object, credit_id: str | None = None, last_updated: str | None = None
) -> dict[str, Any]:
    """Make the credit CDR of a CDR: all of its data, and the negative of its total cost.

    credit_id: default is the id of the CDR with `-C`. last_updated: time at which the credit CDR is made;
    default is that of the CDR.
    Raises: InvalidParameters when it is a credit CDR already, or lacks a field that a credit CDR needs.
    """
    cdr = dict(read_object(document, "body"))
    original_id = read_text(cdr.get("id"), "id")
    if read_flag(cdr.get("credit"), "credit"):
        raise InvalidParameters("a credit CDR cannot be credited", field="credit")
    new_id = credit_id or f"{original_id}-C"
    if len(new_id) > LONGEST_CREDIT_ID:
        text = f"the id of a credit CDR has at most {LONGEST_CREDIT_ID} characters"
        raise InvalidParameters(text, field="id")
    if new_id.upper() == original_id.upper():
        raise InvalidParameters("a credit CDR has an id of its own", field="id")
    total = dict(read_object(cdr.get("total_cost"), "total_cost"))
    for side in ("excl_vat", "incl_vat"):
        if total.get(side) is not None:
            read_decimal(total[side], f"total_cost.{side}")
            total[side] = -total[side]
    if isinstance(total.get("taxes"), list):
        total["taxes"] = [_negated(tax, f"total_cost.taxes.{n}") for n, tax in enumerate(total["taxes"])]
    cdr |= {"id": new_id, "credit": True, "credit_reference_id": original_id, "total_cost": total}
    if last_updated is not None:
        cdr["last_updated"] = last_updated
    return cdr


def _negated(tax: object, at: str) -> dict[str, Any]:
    """A tax of OCPI 2.3.0 that is given back."""
    document = dict(read_object(tax, at))
    return {**document, "amount": -read_decimal(document.get("amount"), f"{at}.amount")}
