"""Tests of JSON that keeps every digit. Source: OCPI 2.2.1 types_number_type; TYP-09, STA-01"""

from __future__ import annotations

from decimal import Decimal

import pytest

from chalicelib.errors import BadJson
from chalicelib.protocol.json_text import JsonText, check_depth, join_array, read_json, write_json


@pytest.mark.parametrize("digits", ["0.10", "1.0", "0.1234", "12345678901234567890.123456789", "-0.5", "3"])
def test_a_number_keeps_its_digits(digits: str) -> None:
    text = f'{{"price":{digits}}}'

    assert write_json(read_json(text)) == text


def test_a_fraction_is_a_decimal_and_a_whole_number_an_int() -> None:
    assert read_json("[0.1,2]") == [Decimal("0.1"), 2]
    assert isinstance(read_json("2"), int)


@pytest.mark.parametrize(
    "text", ["", "{", '{"a":', "{'a':1}", '{"a":NaN}', "[1,]", '{"a":1}x', '"\\ud800"', "[" * 100_000]
)
def test_invalid_json_is_an_http_400(text: str) -> None:
    with pytest.raises(BadJson) as caught:
        read_json(text)

    assert caught.value.http_status == 400


def test_json_text_is_copied_into_an_answer_unchanged() -> None:
    assert write_json({"data": JsonText('{"a":1.10}'), "n": 1}) == '{"data":{"a":1.10},"n":1}'
    assert write_json(join_array([JsonText("1.0"), JsonText("{}")])) == "[1.0,{}]"


def test_a_document_is_at_most_64_levels_deep() -> None:
    check_depth(read_json("[" * 64 + "]" * 64))

    with pytest.raises(BadJson):
        check_depth(read_json("[" * 65 + "]" * 65))


def test_a_body_that_is_not_utf_8_is_invalid_json() -> None:
    with pytest.raises(BadJson):
        read_json(b'"S\xe3o"'.decode("utf-8", "surrogateescape"))


@pytest.mark.parametrize(
    "number", ["1e999999999", "-1E+401", "0e999999999", "1e-999999999", "0." + "1" * 101, "1e" + "9" * 30]
)
@pytest.mark.parametrize(
    ("text", "field"), [('{"a":[0.5,{"b":%s}]}', "a.1.b"), ("[1,%s]", "1"), ("%s", "body")]
)
def test_a_number_out_of_bounds_is_refused_with_its_field(number: str, text: str, field: str) -> None:
    """Source: TYP-09"""
    with pytest.raises(BadJson) as caught:
        read_json(text % number)

    assert (caught.value.field, caught.value.http_status) == (field, 400)
    assert len(str(caught.value)) < 200


def test_a_number_that_fits_a_double_is_accepted() -> None:
    for text in ("1.7976931348623157e308", "5e-324", "0.30000000000000004", "5.551115123125783e-17"):
        assert read_json(text) == Decimal(text)


def test_a_string_with_a_number_out_of_bounds_is_accepted() -> None:
    with pytest.raises(BadJson) as caught:
        read_json('["1e999999999",1e999999999]')

    assert caught.value.field == "1"
