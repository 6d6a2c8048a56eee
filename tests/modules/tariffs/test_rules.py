"""Source: OCPI 2.2.1 mod_tariffs"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from chalicelib.modules.tariffs.objects import Tariff
from chalicelib.modules.tariffs.rules import is_free_of_charge
from chalicelib.protocol.types import validate
from tests.modules.builders import component, element, tariff

FREE = component("FLAT", price=Decimal("0.00"), step_size=0)


@pytest.mark.parametrize(
    ("elements", "free"),
    [
        ([element(FREE)], True),
        ([element(component("FLAT", price=0))], True),
        ([element(component("FLAT", price=1))], False),
        ([element(component("ENERGY", price=0))], False),
        ([element(FREE, component("TIME", price=0))], False),
        ([element(FREE), element(component("TIME"))], False),
        ([element(FREE, restrictions={"max_duration": 60})], False),
    ],
)
def test_free_of_charge_is_one_flat_price_of_zero_without_restrictions(elements: Any, free: bool) -> None:
    """Source: TAR-22"""
    assert is_free_of_charge(validate(Tariff, tariff(elements=elements))) is free
