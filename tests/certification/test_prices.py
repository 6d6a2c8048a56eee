"""The price of a session is computed from its tariff."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from certification.prices import price_of
from certification.samples import tariff


def test_flat_fee_energy_and_time_are_added_up() -> None:
    """0.35 + 9.72 kWh at 0.25 + 61 minutes at 0.02, and 23 % VAT."""
    assert price_of(tariff("0.25"), Decimal("9.72"), timedelta(hours=1, seconds=45)) == {
        "excl_vat": Decimal("4.00"),
        "incl_vat": Decimal("4.92"),
    }


@pytest.mark.parametrize(("seconds", "minutes"), [(60, 1), (61, 2), (119, 2), (120, 2)])
def test_time_is_billed_in_whole_steps(seconds: int, minutes: int) -> None:
    """Source: OCPI 2.2.1 mod_cdrs_step_size"""
    time = {"type": "TIME", "price": Decimal("1.2"), "vat": 0, "step_size": 60}
    by_time = {"elements": [{"price_components": [time]}]}

    price = price_of(by_time, Decimal(0), timedelta(seconds=seconds))

    assert price["excl_vat"] == minutes * Decimal("0.02")


def test_an_unknown_price_component_is_an_error() -> None:
    parking = {"type": "PARKING_TIME", "price": 1, "vat": 0, "step_size": 60}

    with pytest.raises(ValueError, match="PARKING_TIME"):
        price_of({"elements": [{"price_components": [parking]}]}, Decimal(1), timedelta(hours=1))
