"""Tests of rounding up to whole steps; rounding errors do not add a step.

Source: OCPI 2.2.1 mod_cdrs_step_size; TAR-17, TAR-18, TRP-33
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from chalicelib.pricing.steps import surplus_of


@pytest.mark.parametrize(
    ("used", "step", "surplus"),
    [
        ("25", 25, "0"),
        ("24.9", 25, "0.1"),
        ("25.1", 25, "24.9"),
        # A tenth of a microwatthour is a rounding error.
        ("25.0000001", 25, "0"),
        ("25.000001", 25, "0"),
        ("25.0000011", 25, "24.9999989"),
        ("0.0000001", 25, "0"),
        ("24.9999999", 25, "0.0000001"),
        ("0", 500, "0"),
        ("-1", 500, "0"),
        ("7.5", 0, "0"),
        ("7.5", 1, "0.5"),
    ],
)
def test_a_total_is_rounded_up_to_whole_steps(used: str, step: int, surplus: str) -> None:
    assert surplus_of(Decimal(used), step) == Decimal(surplus)
