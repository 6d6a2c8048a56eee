"""Tests of credit CDRs: all data of the CDR, with the negative of its total cost.

Source: OCPI 2.2.1 mod_cdrs_credit_cdrs; CDR-07, CDR-09, TRP-30
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from chalicelib.errors import InvalidParameters
from chalicelib.pricing.credit import credit_cdr
from tests.pricing.build import limit

CDR: dict[str, Any] = {
    "id": "CDR1",
    "total_cost": limit("7.00", "7.90"),
    "total_energy_cost": limit("5", "5.5"),
    "total_energy": Decimal(20),
    "mobie_cdr_extension": {"kept": True},
    "last_updated": "2026-01-01T00:00:00Z",
}


def test_only_the_total_cost_is_negated() -> None:
    assert credit_cdr(CDR) == CDR | {
        "id": "CDR1-C",
        "credit": True,
        "credit_reference_id": "CDR1",
        "total_cost": limit("-7.00", "-7.90"),
    }


def test_the_cdr_itself_is_not_changed() -> None:
    credit_cdr(CDR)

    assert CDR["id"] == "CDR1"
    assert CDR["total_cost"] == limit("7.00", "7.90")


def test_a_total_of_zero_stays_zero_without_a_sign() -> None:
    credit = credit_cdr(CDR | {"total_cost": {"excl_vat": Decimal("0.00")}})

    assert str(credit["total_cost"]["excl_vat"]) == "0.00"


def test_id_and_time_of_the_credit_cdr_can_be_given() -> None:
    credit = credit_cdr(CDR, "OTHER", "2026-02-01T00:00:00Z")

    assert (credit["id"], credit["last_updated"]) == ("OTHER", "2026-02-01T00:00:00Z")


@pytest.mark.parametrize(
    ("fields", "credit_id", "field"),
    [
        ({"credit": True}, None, "credit"),
        ({"id": None}, None, "id"),
        ({"id": "C" * 38}, None, "id"),
        ({}, "cdr1", "id"),
        ({"total_cost": None}, None, "total_cost"),
        ({"total_cost": {"excl_vat": "7"}}, None, "total_cost.excl_vat"),
    ],
)
def test_a_cdr_that_cannot_be_credited_is_refused_with_its_field(
    fields: Any, credit_id: str | None, field: str
) -> None:
    with pytest.raises(InvalidParameters) as refused:
        credit_cdr(CDR | fields, credit_id)

    assert refused.value.field == field
