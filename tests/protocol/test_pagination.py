"""Tests of pages. Source: OCPI 2.2.1 transport_and_format, Pagination; PAG-01 … PAG-10, PAG-14"""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from chalicelib.errors import InvalidParameters
from chalicelib.protocol.json_text import JsonText
from chalicelib.protocol.message import Request
from chalicelib.protocol.pagination import DEFAULT_LIMIT, MAX_LIMIT, Page, PageQuery, page_reply


def _request(**query: str) -> Request:
    return Request(
        method="GET",
        url="https://node.example/ocpi/2.2.1/sender/tariffs",
        base_url="https://node.example/ocpi",
        path={},
        query=query,
        headers={},
        body=None,
        request_id="r",
        correlation_id="c",
    )


def test_a_query_without_parameters_is_the_first_page() -> None:
    assert PageQuery.read(_request()) == PageQuery()


def test_a_limit_above_the_maximum_is_lowered_to_it() -> None:
    """PAG-05"""
    assert PageQuery.read(_request(limit="2000")).limit == MAX_LIMIT


def test_dates_become_sort_keys() -> None:
    query = PageQuery.read(_request(date_from="2026-01-01T00:00:00", date_to="2026-01-01T00:00:00.5Z"))

    assert (query.date_from, query.date_to) == ("2026-01-01T00:00:00.000000", "2026-01-01T00:00:00.500000")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "-1"),
        ("limit", "0"),
        ("limit", "abc"),
        ("limit", "1.5"),
        ("limit", "٣"),
        ("limit", "9" * 30),
        ("limit", "1" * 5000),
        ("offset", "0" * 5000),
        ("offset", "-1"),
        ("offset", "x"),
        ("date_from", "yesterday"),
        ("date_to", "2026-01-01"),
        ("date_to", "01.01.2026 00:00"),
    ],
)
def test_an_invalid_parameter_is_a_2001_with_its_name(name: str, value: str) -> None:
    """PAG-14"""
    with pytest.raises(InvalidParameters) as caught:
        PageQuery.read(_request(**{name: value}))

    assert caught.value.field == name
    assert caught.value.http_status == 200


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00.000000"),
        ("2026-01-01T01:00:00 01:00", "2026-01-01T00:00:00.000000"),
        ("2026-01-01t00:00:00z", "2026-01-01T00:00:00.000000"),
        ("2026-01-01 00:00:00.123456", "2026-01-01T00:00:00.123000"),
    ],
)
def test_a_date_in_another_form_with_one_meaning_is_read(text: str, key: str) -> None:
    """PAG-02, TRP-03: a `+` that is not encoded arrives as a space"""
    assert PageQuery.read(_request(date_from=text)).date_from == key


def test_date_to_before_date_from_is_refused() -> None:
    with pytest.raises(InvalidParameters) as caught:
        PageQuery.read(_request(date_from="2026-01-02T00:00:00Z", date_to="2026-01-01T00:00:00Z"))

    assert caught.value.field == "date_to"


def test_a_module_can_require_date_from() -> None:
    """SES-03"""
    with pytest.raises(InvalidParameters) as caught:
        PageQuery.read(_request(), require_date_from=True)

    assert caught.value.field == "date_from"


def test_link_has_the_filters_the_next_offset_and_the_effective_limit() -> None:
    """PAG-06, PAG-07"""
    request = _request(
        date_from="2026-01-01T00:00:00Z", date_to="2026-02-01T00:00:00Z", limit="500", offset="7"
    )
    reply = page_reply(request, PageQuery.read(request), Page([JsonText("{}")], 9, 8, "c/+="))

    url, rel = reply.headers["Link"].split("; ")
    asked = parse_qs(urlsplit(url.strip("<>")).query)
    assert rel == 'rel="next"'
    assert url.startswith("<https://node.example/ocpi/2.2.1/sender/tariffs?")
    assert asked == {
        "date_from": ["2026-01-01T00:00:00Z"],
        "date_to": ["2026-02-01T00:00:00Z"],
        "offset": ["8"],
        "limit": ["100"],
        "cursor": ["c/+="],
    }


def test_the_last_page_has_no_link_and_an_empty_page_has_all_counts() -> None:
    """PAG-06, PAG-09, PAG-10"""
    request = _request()
    reply = page_reply(request, PageQuery.read(request), Page([], 0))

    assert dict(reply.headers) == {"X-Total-Count": "0", "X-Limit": str(MAX_LIMIT)}
    assert reply.data == "[]"


def test_an_empty_span_of_dates_is_no_error() -> None:
    """Equal dates: date_from is inclusive and date_to exclusive, so the span is empty."""
    query = PageQuery.read(_request(date_from="2026-01-01T00:00:00Z", date_to="2026-01-01T00:00:00.0Z"))

    assert query.date_from == query.date_to


@pytest.mark.parametrize(
    ("name", "text", "read"),
    [
        ("limit", "1", 1),
        ("limit", "100", 100),
        ("limit", "101", 100),
        ("limit", "", DEFAULT_LIMIT),
        ("offset", "0", 0),
        ("offset", "", 0),
        ("offset", "2147483647", 2**31 - 1),
        ("offset", "00000000007", 7),
        ("offset", "-0", 0),
        ("date_from", "", None),
        ("date_to", "", None),
        ("cursor", "", None),
        ("cursor", "abc", "abc"),
    ],
)
def test_offset_and_limit_are_read_at_their_bounds(name: str, text: str, read: object) -> None:
    """PAG-05, PAG-14"""
    assert getattr(PageQuery.read(_request(**{name: text})), name) == read


@pytest.mark.parametrize("text", ["2147483648", "000000000007", "--1", "1-", "-", "+1", " 1"])
def test_an_offset_past_the_bounds_is_refused(text: str) -> None:
    """PAG-14"""
    with pytest.raises(InvalidParameters, match="whole number of at least 0"):
        PageQuery.read(_request(offset=text))


def test_each_date_can_be_given_alone() -> None:
    """SES-03"""
    until = PageQuery.read(_request(date_to="2026-01-01T00:00:00Z"))
    since = PageQuery.read(_request(date_from="2026-01-01T00:00:00Z"), require_date_from=True)

    assert (until.date_from, until.date_to) == (None, "2026-01-01T00:00:00.000000")
    assert (since.date_from, since.date_to) == ("2026-01-01T00:00:00.000000", None)


def test_a_next_page_without_a_cursor_has_a_link_without_one() -> None:
    request = _request(cursor="old", offset="3")
    reply = page_reply(request, PageQuery.read(request), Page([JsonText("{}")], 9, 4, None, (("k", 5),)))

    asked = parse_qs(urlsplit(reply.headers["Link"].split("; ")[0].strip("<>")).query)
    assert asked == {"offset": ["4"], "limit": [str(DEFAULT_LIMIT)]}
    assert (reply.data, reply.too_large) == ("[{}]", (("k", 5),))
