"""Tests of reading JSON values, and of the errors for bad ones.

Source: OCPI 2.2.1 types; TYP-06, TYP-07
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.errors import InvalidParameters
from chalicelib.pricing.json_fields import (
    read_decimal,
    read_flag,
    read_list,
    read_moment,
    read_object,
    read_span,
    read_text,
)


def refused(read: Callable[..., Any], *arguments: Any) -> str:
    with pytest.raises(InvalidParameters) as caught:
        read(*arguments)
    return str(caught.value.detail)


@pytest.mark.parametrize("read", [read_object, read_text, read_decimal, read_moment])
def test_a_missing_value_is_required(read: Callable[..., Any]) -> None:
    assert refused(read, None, "field") == "required"


@pytest.mark.parametrize(
    ("read", "value", "expected"),
    [
        (read_object, [], "expected a JSON object"),
        (read_list, {}, "expected a JSON array"),
        (read_text, 5, "expected a string"),
        (read_text, "", "expected a string"),
        (read_decimal, "5", "expected a JSON number"),
        (read_decimal, 5.0, "expected a JSON number"),
        (read_decimal, True, "expected a JSON number"),
        (read_decimal, Decimal("NaN"), "expected a JSON number"),
        (read_decimal, Decimal("Infinity"), "expected a JSON number"),
        (read_flag, 1, "expected true or false"),
    ],
)
def test_a_value_of_another_type_is_refused_with_the_expected_one(
    read: Callable[..., Any], value: object, expected: str
) -> None:
    assert refused(read, value, "field") == expected


def test_a_missing_list_is_empty_and_a_missing_flag_is_false() -> None:
    assert (read_list(None, "field"), read_flag(None, "field")) == ((), False)
    assert (read_flag(True, "field"), read_flag(False, "field")) == (True, False)


@pytest.mark.parametrize("sign", ["", "-"])
def test_a_number_must_be_below_10_to_the_12(sign: str) -> None:
    largest, beyond = Decimal(f"{sign}999999999999"), Decimal(f"{sign}1000000000000")

    assert read_decimal(largest, "field") == largest
    for number in (beyond, int(beyond), Decimal(f"{sign}1E+12"), Decimal(f"{sign}9E+99")):
        assert "out of range" in refused(read_decimal, number, "field")


@pytest.mark.parametrize(
    ("number", "read"),
    [
        ("0.123456789", "0.123456789"),
        ("0.1234567894", "0.123456789"),
        ("0.1234567896", "0.123456790"),
        ("1E-9", "1E-9"),
        ("1E-30", "0"),
        ("1E+3", "1000"),
    ],
)
def test_a_number_is_rounded_to_nine_decimals(number: str, read: str) -> None:
    assert read_decimal(Decimal(number), "field") == Decimal(read)


@pytest.mark.parametrize("text", ["2026-01-14T10:00:00Z", "2026-01-14T10:00:00", "2026-01-14T10:00:00.000Z"])
def test_a_time_without_a_designator_is_utc(text: str) -> None:
    assert read_moment(text, "field") == datetime(2026, 1, 14, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-14T10:00:00+01:00",
        "2026-01-14T10:00",
        "2026-01-14 10:00:00Z",
        "20260114T100000Z",
        "2026-13-14T10:00:00Z",
        "2026-01-14T10:00:00,5Z",
        "yesterday",
        "Z",
    ],
)
def test_a_text_that_is_no_ocpi_datetime_is_refused(text: str) -> None:
    assert "is not a DateTime" in refused(read_moment, text, "field")


def span(start: str, end: str) -> dict[str, str]:
    return {"start_date_time": start, "end_date_time": end}


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("2026-01-01T00:00:00Z", "2027-01-02T00:00:00Z"),
        ("1970-01-01T00:00:00Z", "1970-01-01T01:00:00Z"),
        ("2199-12-31T00:00:00Z", "2199-12-31T01:00:00Z"),
    ],
    ids=["no time at all", "366 days", "the first year", "the last year"],
)
def test_a_session_lasts_a_year_at_most(start: str, end: str) -> None:
    assert read_span(span(start, end)) == (read_moment(start, ""), read_moment(end, ""))


@pytest.mark.parametrize(
    ("start", "end", "field"),
    [
        ("2026-01-01T00:00:00Z", "2025-12-31T23:59:59Z", "end_date_time"),
        ("2026-01-01T00:00:00Z", "2027-01-02T00:00:00.001Z", "end_date_time"),
        ("1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z", "start_date_time"),
        ("2200-01-01T00:00:00Z", "2200-01-01T00:00:00Z", "start_date_time"),
    ],
    ids=["ends before it starts", "a millisecond too long", "too early", "too late"],
)
def test_an_impossible_start_or_end_is_refused_with_its_field(start: str, end: str, field: str) -> None:
    with pytest.raises(InvalidParameters) as caught:
        read_span(span(start, end), "session.")

    assert caught.value.field == f"session.{field}"
