"""Examples of findings, which identify no driver."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from chalicelib.findings.examples import LONGEST, example_of
from tests.findings.builders import finding


@pytest.mark.parametrize(
    ("at", "value", "example"),
    [
        ("status", "available", "available"),
        ("evses.0.uid", 17, "17"),
        ("evses.0.connectors.1.max_voltage", Decimal("230.0"), "230.0"),
        ("publish", True, "true"),
        ("publish", None, ""),
        ("operator", {"name": "E", "website": "e.pt"}, '{"name":"E","website":"e.pt"}'),
        ("images.0", ["a", {"url": None}], '["a",{"url":null}]'),
        ("name", "two\nlines \ud800", "two lines  "),
    ],
)
def test_a_value_of_a_location_is_shown_as_it_came(at: str, value: Any, example: str) -> None:
    assert example_of("locations", finding(at, value)) == example


@pytest.mark.parametrize(
    ("module", "at", "value", "example"),
    [
        ("tokens", "uid", "04A2 B7é", "99A9 A9a"),
        ("tokens", "visual_number", 4711, "9999"),
        ("tokens", "valid", "true", "true"),
        ("tokens", "", "04A2", "99A9"),
        ("sessions", "body", "04A2", "99A9"),
        ("sessions", "Content-Type", "text/json", "text/json"),
        ("sessions", "cdr_token.contract_id", "DE8AC-1", "AA9AA-9"),
        ("sessions", "cdr_token", {"uid": "04A2", "type": "RFID"}, '{"uid":"99A9","type":"RFID"}'),
        ("sessions", "authorization_reference", "x-1", "a-9"),
        ("sessions", "", [{"kwh": 1, "driver": "Ana"}], '[{"kwh":"9","driver":"Aaa"}]'),
        ("sessions", "status", "active", "active"),
        ("cdrs", "signed_data.signed_values.0.signed_data", "OCMF|{}", "AAAA|{}"),
        ("cdrs", "total_cost", Decimal("12.50"), "12.50"),
        ("commands", "token.uid", "04A2", "99A9"),
        ("commands", "location_id", 7, "7"),
    ],
)
def test_drivers_data_keeps_its_form_only(module: str, at: str, value: Any, example: str) -> None:
    assert example_of(module, finding(at, value)) == example


def test_a_credentials_token_and_a_response_url_are_not_shown() -> None:
    assert example_of("credentials", finding("token", "secret")) == "…"
    assert example_of("credentials", finding("", [{"token": "secret"}])) == '[{"token":"…"}]'
    assert example_of("commands", finding("response_url", "https://e.pt/secret")) == "…"


@pytest.mark.parametrize("value", ["x" * 10**6, ["y" * 99] * 10**5, {str(n): "z" * 99 for n in range(999)}])
def test_an_example_is_short_however_large_the_value_is(value: Any) -> None:
    assert len(example_of("locations", finding("name", value))) == LONGEST


def test_a_value_of_many_levels_is_cut() -> None:
    value: Any = "deep"
    for _ in range(60):
        value = [value]

    assert example_of("locations", finding("images", value)) == '[[["…"]]]'
