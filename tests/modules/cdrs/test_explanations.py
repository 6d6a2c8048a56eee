"""Compressed price explanations. Source: docs/design.md, A CDR; CDR-16"""

from __future__ import annotations

from decimal import Decimal

from chalicelib.modules.cdrs.assembly import pack_reasons, read_reasons


def test_a_packed_explanation_is_read_back_with_every_digit() -> None:
    why = {"breakdown": {"lines": [{"price": Decimal("0.3000"), "because": "às 9"}]}, "warnings": []}

    assert read_reasons(pack_reasons(why)) == why
    assert str(read_reasons(pack_reasons(why))["breakdown"]["lines"][0]["price"]) == "0.3000"


def test_an_explanation_of_many_periods_is_packed_to_a_short_text() -> None:
    """A day of periods of one minute, each with its own reason."""
    because = "element 0 is the first with ENERGY that matches: it has no restrictions"
    why = {"periods": [{"start": f"{n // 60:02}:{n % 60:02}", "because": because} for n in range(1440)]}

    assert len(pack_reasons(why)) < 20_000
