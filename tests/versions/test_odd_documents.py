"""Tests of conversions of documents that nobody has validated, as a hub relays them.

Source: X-02, VER-02
"""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.errors import InvalidParameters
from chalicelib.protocol.kinds import Kind
from chalicelib.versions.supported import express, to_canonical

ODD: tuple[Any, ...] = (None, 1, "x", [], {}, [[]], [{}])


def parts(odd: Any) -> list[tuple[Kind, dict[str, Any]]]:
    """Documents with an odd part at each place that a conversion looks into."""
    evse = {"connectors": [odd, {"standard": odd, "power_type": odd}], "capabilities": [odd]}
    signed = {"signed_data": {"signed_values": [odd, {"plain_data": odd}]}}
    return [
        (Kind.LOCATION, {"evses": [odd, evse]}),
        (Kind.LOCATION, {"evses": odd}),
        (Kind.EVSE, evse),
        (Kind.CONNECTOR, {"standard": odd}),
        (Kind.CDR, {"tariffs": [odd], "cdr_location": {"connector_standard": odd}, **signed}),
        (Kind.CDR, {"signed_data": {"signed_values": odd}}),
        (Kind.COMMAND_RESPONSE, {"result": odd}),
        (Kind.COMMAND_RESPONSE, {}),
    ]


@pytest.mark.parametrize("version", ["2.3.0", "2.2.1", "2.2", "2.1.1"])
def test_odd_parts_are_converted_or_refused(version: str) -> None:
    for odd in ODD:
        for kind, document in parts(odd):
            for convert in (to_canonical, express):
                try:
                    convert(version, kind, document)
                except InvalidParameters:
                    continue


@pytest.mark.parametrize("amount", ["1e9999999", "-1e999999", "1e-999999", "NaN", "x"])
def test_an_amount_as_text_is_bounded_as_numbers_are(amount: str) -> None:
    """A sum with it would overflow."""
    price = {"before_taxes": 1, "taxes": [{"name": "VAT", "amount": amount}]}

    with pytest.raises(InvalidParameters):
        to_canonical("2.3.0", Kind.CDR, {"total_cost": price})
