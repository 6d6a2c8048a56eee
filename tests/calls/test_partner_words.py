"""A partner's own words in an answer that failed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.calls.answers import PartnerError, RawAnswer, judge
from chalicelib.calls.partner_words import LONGEST, plain_words, words_in
from chalicelib.protocol.json_text import write_json


def words(http_status: int, body: Any) -> str:
    raw = body if isinstance(body, bytes) else write_json(body).encode()
    with pytest.raises(PartnerError) as caught:
        judge(RawAnswer(http_status, {}, raw, timedelta()))
    return caught.value.words


def test_the_words_of_an_envelope_are_its_message() -> None:
    assert words(200, {"status_code": 2001, "status_message": "no such\nfield"}) == "no such field"


@pytest.mark.parametrize("http_status", [400, 404, 500])
def test_the_words_without_an_envelope_are_the_beginning_of_the_body(http_status: int) -> None:
    assert words(http_status, {"error": "connector 3 unknown"}) == '{"error":"connector 3 unknown"}'
    assert words(http_status, b"no such path") == "no such path"


def test_the_words_of_an_envelope_without_a_message_are_its_body() -> None:
    assert words(400, {"status_code": 2001, "errors": ["kwh"]}) == '{"status_code":2001,"errors":["kwh"]}'


def test_the_words_of_a_page_are_its_text() -> None:
    page = b"<!DOCTYPE html><html><head><style>p {x}</style><script>y()</script></head><body><h1>404</h1>\r\n"

    assert words(404, page + b"<p>Not&nbsp;found: caf\xc3\xa9</p></body></html>") == "404 Not found: café"


def test_the_text_of_the_error_ends_with_the_words() -> None:
    with pytest.raises(PartnerError, match="^answered HTTP 404 without an OCPI envelope: gone$"):
        judge(RawAnswer(404, {}, b"gone", timedelta()))


def test_an_empty_or_unreadable_body_has_no_words() -> None:
    assert words(404, b"") == ""
    assert words_in(b"\x00\xff") == "�"


@pytest.mark.parametrize("body", [b"x" * 10**7, b"<script" * 10**5, b"<!--" * 10**5, b"&lt;" * 10**5])
def test_the_words_are_short_however_long_the_body_is(body: bytes) -> None:
    assert len(words_in(body)) <= LONGEST


def test_our_token_is_not_repeated() -> None:
    assert plain_words('{"Authorization": "Token ZWJmM2IzOTktNzc5Z"}') == '{"Authorization": "Token …'
