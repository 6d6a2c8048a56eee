"""Validation of the parts of a CDR. Source: OCPI 2.2.1 mod_cdrs, Data types; SES-11, CDR-15"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from chalicelib.errors import InvalidParameters
from chalicelib.modules.cdrs.objects import CdrDimension, CdrToken, ChargingPeriod
from chalicelib.protocol.types import validate
from tests.modules.builders import without
from tests.modules.sessions.builders import cdr_token, period


@pytest.mark.parametrize("name", ["country_code", "party_id", "uid", "type", "contract_id"])
def test_every_field_of_a_cdr_token_is_required(name: str) -> None:
    """Source: SES-11"""
    with pytest.raises(InvalidParameters) as raised:
        validate(CdrToken, without(cdr_token(), name))

    assert raised.value.field == name


@pytest.mark.parametrize(
    "dimension", ["CURRENT", "ENERGY", "ENERGY_EXPORT", "POWER", "STATE_OF_CHARGE", "TIME", "MOBIE_X"]
)
def test_a_period_may_have_any_known_or_unknown_dimension(dimension: str) -> None:
    """Source: CDR-15, TYP-15"""
    read = validate(CdrDimension, {"type": dimension, "volume": Decimal("-1.5")})

    assert read.volume == Decimal("-1.5")


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("start_date_time", "soon"),
        ("dimensions", []),
        ("dimensions.0.type", [{"type": "energy", "volume": 1}]),
        ("dimensions.0.volume", [{"type": "ENERGY", "volume": True}]),
        ("dimensions.0.volume", [{"type": "ENERGY"}]),
        ("tariff_id", "T" * 37),
    ],
)
def test_an_invalid_period_is_refused_with_its_field(field: str, wrong: Any) -> None:
    with pytest.raises(InvalidParameters) as raised:
        validate(ChargingPeriod, {**period(), field.split(".")[0]: wrong})

    assert raised.value.field == field
