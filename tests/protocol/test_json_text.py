"""JSON without losing a digit. Source: OCPI 2.2.1 types_number_type; TYP-09, STA-01"""

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
def test_what_is_not_json_is_an_http_400(text: str) -> None:
    with pytest.raises(BadJson) as caught:
        read_json(text)

    assert caught.value.http_status == 400


def test_text_that_is_json_already_is_spliced() -> None:
    assert write_json({"data": JsonText('{"a":1.10}'), "n": 1}) == '{"data":{"a":1.10},"n":1}'
    assert write_json(join_array([JsonText("1.0"), JsonText("{}")])) == "[1.0,{}]"


def test_a_document_is_at_most_64_levels_deep() -> None:
    check_depth(read_json("[" * 64 + "]" * 64))

    with pytest.raises(BadJson):
        check_depth(read_json("[" * 65 + "]" * 65))


def test_text_that_was_no_utf_8_is_no_json() -> None:
    with pytest.raises(BadJson):
        read_json(b'"S\xe3o"'.decode("utf-8", "surrogateescape"))
