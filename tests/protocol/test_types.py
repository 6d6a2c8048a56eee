"""Tests of OCPI's data types. Source: OCPI 2.2.1 types; TYP-01 … TYP-16"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from chalicelib.errors import InvalidParameters
from chalicelib.protocol import types
from chalicelib.protocol.types import OcpiObject, fold, format_datetime, parse_datetime, sort_key, validate


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2015-06-29T20:39:09Z", datetime(2015, 6, 29, 20, 39, 9, tzinfo=UTC)),
        ("2015-06-29T20:39:09", datetime(2015, 6, 29, 20, 39, 9, tzinfo=UTC)),
        ("2016-12-29T17:45:09.2Z", datetime(2016, 12, 29, 17, 45, 9, 200000, tzinfo=UTC)),
        ("2016-12-29T17:45:09.2", datetime(2016, 12, 29, 17, 45, 9, 200000, tzinfo=UTC)),
        ("2018-01-01T01:08:01.123Z", datetime(2018, 1, 1, 1, 8, 1, 123000, tzinfo=UTC)),
        ("2018-01-01T01:08:01.12345", datetime(2018, 1, 1, 1, 8, 1, 123450, tzinfo=UTC)),
    ],
)
def test_every_form_of_a_datetime_is_read_as_utc(text: str, expected: datetime) -> None:
    """TYP-06, TYP-07"""
    assert parse_datetime(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "2015-06-29",
        "2015-06-29 20:39:09Z",
        "2015-06-29T20:39:09+01:00",
        "2015-06-29T20:39:09+00:00",
        "2015-13-29T20:39:09Z",
        "2015-02-30T20:39:09Z",
        "2015-06-29T24:39:09Z",
        "2015-06-29T20:39:09.1234567Z",
        "1970-1-1T00:00:00Z",
        "２０15-06-29T20:39:09Z",
        "",
    ],
)
def test_another_form_of_a_datetime_is_refused(text: str) -> None:
    """TYP-06, TYP-07: time zone offsets are not allowed, and 25 characters are the most."""
    with pytest.raises(InvalidParameters):
        parse_datetime(text)


@given(st.datetimes(min_value=datetime(1000, 1, 1), max_value=datetime(9999, 12, 31)))
def test_a_written_datetime_is_read_back_to_the_millisecond(moment: datetime) -> None:
    """TYP-06, TRP-03"""
    text = format_datetime(moment.replace(tzinfo=UTC))

    assert len(text) <= 25 and text.endswith("Z")
    assert timedelta() <= moment.replace(tzinfo=UTC) - parse_datetime(text) < timedelta(milliseconds=1)


def test_sort_keys_order_by_time_where_the_texts_do_not() -> None:
    """TYP-08, TRP-04"""
    texts = ["2015-06-29T20:39:09.2Z", "2015-06-29T20:39:09Z", "2015-06-29T20:39:09.15"]

    assert sorted(texts, key=sort_key) == [texts[1], texts[2], texts[0]]
    assert sorted(texts) != sorted(texts, key=sort_key)


def test_ids_are_equal_in_any_case() -> None:
    """TYP-01"""
    assert fold("loc-1a") == fold("LOC-1A")


def _refused(annotation: Any, value: object) -> bool:
    try:
        TypeAdapter(annotation).validate_python(value, strict=True)
    except ValidationError:
        return True
    return False


@pytest.mark.parametrize(
    ("annotation", "good", "bad"),
    [
        (types.ci_string(5), ["a", "PT*1~", "ABCDE"], ["", "abcdef", "é", "a\tb", "a\n", 5, None, ["a"]]),
        (types.ocpi_string(5), ["", "São J", "€"], ["abcdef", "a\nb", "a\x00", 5, None]),
        (types.plain_text(20), ["a < b", "1 > 0"], ["<b>x</b>", "x<br/>", "a\tb"]),
        (types.CountryCode2, ["PT", "pt"], ["PRT", "P1", "", "ÉÉ"]),
        (types.CountryCode3, ["PRT"], ["PT", "prt"]),
        (types.PartyId, ["ABC", "a1c"], ["AB", "ABCD", "A C"]),
        (types.Currency, ["EUR"], ["eur", "EURO"]),
        (types.Language, ["pt"], ["PT", "por"]),
        (types.TimeZone, ["Europe/Lisbon", "Atlantic/Azores"], ["Lisbon", "../../etc/passwd", "", "Europe"]),
        (types.Url, ["https://a.example/x", "http://a"], ["ftp://a", "a.example", "https://", "https://a b"]),
        (types.Number, [1, Decimal("0.1234")], ["0.5", True, None, "1"]),
        (
            types.Number,
            [10**12 - 1, Decimal("-999999999999.9"), Decimal("1E-300")],
            [10**12, -(10**12), 10**4000, Decimal("1E+300")],
        ),
        (types.Int, [2**63 - 1], [2**63, -(2**63), 10**4000, Decimal(1)]),
        (types.Int, [1, -3], [Decimal("1.5"), "1", True]),
        (
            types.open_enum("Status", "AVAILABLE CHARGING"),
            ["AVAILABLE", "MOBIE_NEW"],
            ["available", "new", "", 1],
        ),
        (types.closed_enum("Role", "CPO EMSP"), ["CPO"], ["cpo", "XYZ"]),
        (types.DateTime, ["2015-06-29T20:39:09Z"], ["today", 5, None]),
    ],
)
def test_a_type_accepts_exactly_the_values_of_the_specification(
    annotation: Any, good: list[object], bad: list[object]
) -> None:
    """TYP-02, TYP-03, TYP-04, TYP-05, TYP-09, TYP-11, TYP-15, TYP-16"""
    assert [value for value in good if _refused(annotation, value)] == []
    assert [value for value in bad if not _refused(annotation, value)] == []


class _Inner(OcpiObject):
    price: types.Number


class _Outer(OcpiObject):
    id: types.ci_string(3)  # type: ignore[valid-type]
    inner: list[_Inner]


def test_an_error_has_the_field_and_the_reason() -> None:
    with pytest.raises(InvalidParameters) as caught:
        validate(_Outer, {"id": "ab", "inner": [{"price": 1}, {"price": "0.5"}, {}]})

    assert caught.value.field == "inner.1.price"
    assert caught.value.detail == "expected a JSON number"
    assert caught.value.errors[1] == ("inner.2.price", "required")


def test_a_value_that_is_no_object_is_refused_with_its_path() -> None:
    with pytest.raises(InvalidParameters) as caught:
        validate(_Outer, ["x"])

    assert caught.value.field == "body"


def test_unknown_fields_are_accepted() -> None:
    """TYP-14"""
    seen = validate(_Outer, {"id": "a", "inner": [], "mobie_cpe": {"x": 1}})

    assert seen.model_extra == {"mobie_cpe": {"x": 1}}
