"""Tests of judging a partner's answer. Source: OCPI 2.2.1 status_codes; TRN-15, STA-13, STA-15"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.calls.answers import Answer, Oddity, PartnerFault, PartnerRefusal, RawAnswer, judge
from chalicelib.protocol.json_text import write_json
from chalicelib.protocol.kinds import Kind

HTML = b"<html><body>404 page not found</body></html>"


def answer(http_status: int = 200, body: Any = b"", **headers: str) -> Answer:
    content = body if isinstance(body, bytes) else write_json(body).encode()
    return judge(RawAnswer(http_status, headers, content, timedelta()))


@pytest.mark.parametrize("http_status", [200, 201, 400, 404, 405, 409, 413, 422])
@pytest.mark.parametrize("code", [2000, 2001, 2003, 2999, 4001, "2001"])
def test_only_an_envelope_with_2xxx_or_a_hubs_4001_is_a_refusal(http_status: int, code: Any) -> None:
    with pytest.raises(PartnerRefusal) as caught:
        answer(http_status, {"status_code": code, "status_message": "no"})

    assert (caught.value.http_status, caught.value.status_code) == (http_status, int(code))
    assert caught.value.status_message == "no"


@pytest.mark.parametrize(
    "http_status", [400, 404, 405, 409, 410, 411, 413, 414, 415, 422, 426, 431, 451, 498]
)
@pytest.mark.parametrize("body", [HTML, b"", b"Not Found", b"{}", b"[]", b'{"message":"Forbidden"}', b"\xff"])
def test_http_4xx_without_an_envelope_is_a_fault(http_status: int, body: bytes) -> None:
    with pytest.raises(PartnerFault) as caught:
        answer(http_status, body)

    assert (caught.value.http_status, caught.value.status_code) == (http_status, None)
    assert not caught.value.not_connected and not caught.value.timed_out


@pytest.mark.parametrize("code", [1000, 1999, 3000, 3999, 4000, 4002, 4003, 4999])
def test_http_4xx_with_another_envelope_than_a_refusal_is_a_fault(code: int) -> None:
    with pytest.raises(PartnerFault) as caught:
        answer(404, {"status_code": code})

    assert caught.value.status_code == code


@pytest.mark.parametrize("body", [HTML, b"", {"status_code": 2001}, {"status_code": 1000}])
@pytest.mark.parametrize("http_status", [401, 403])
def test_http_401_and_403_are_faults_with_any_body(http_status: int, body: Any) -> None:
    with pytest.raises(PartnerFault, match="our token is not accepted") as caught:
        answer(http_status, body)

    assert caught.value.not_connected and not caught.value.never_sent


@pytest.mark.parametrize("body", [HTML, {"status_code": 2001}, {"status_code": 1000}])
@pytest.mark.parametrize("http_status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_http_408_425_429_and_5xx_are_faults_with_any_body(http_status: int, body: Any) -> None:
    with pytest.raises(PartnerFault):
        answer(http_status, body)


@pytest.mark.parametrize(
    ("http_status", "body", "oddity"),
    [
        (204, b"", Oddity.EMPTY_BODY),
        (200, b"", Oddity.EMPTY_BODY),
        (202, b" \r\n", Oddity.EMPTY_BODY),
        (200, b"OK", Oddity.PLAIN_TEXT),
        (200, b"Request accepted", Oddity.PLAIN_TEXT),
        (200, b'"OK"', Oddity.NO_ENVELOPE),
        (200, b"true", Oddity.NO_ENVELOPE),
        (200, b"null", Oddity.NO_ENVELOPE),
        (200, b"{}", Oddity.NO_STATUS_CODE),
        (200, {"id": "T1"}, Oddity.NO_STATUS_CODE),
        (200, {"status_code": None}, Oddity.NO_STATUS_CODE),
        (200, {"status_code": True}, Oddity.NO_STATUS_CODE),
        (200, {"status_code": "SUCCESS"}, Oddity.NO_STATUS_CODE),
        (200, {"status_code": 200}, Oddity.NO_STATUS_CODE),
        (200, {"status_code": "1000"}, Oddity.STATUS_CODE_MISWRITTEN),
        (200, {"status_code": " 1001 "}, Oddity.STATUS_CODE_MISWRITTEN),
        (200, b'{"status_code": 1000.0}', Oddity.STATUS_CODE_MISWRITTEN),
        (200, {"statusCode": 1000}, Oddity.STATUS_CODE_MISWRITTEN),
        (200, b'\xef\xbb\xbf{"status_code": 1000}', Oddity.TEXT_AROUND_JSON),
        (200, b'{"status_code": 1000}\n\0\0', Oddity.TEXT_AROUND_JSON),
        (200, b'{"status_code": 1000}\n<!-- 0.31 s --> <!-- cache 2 -->', Oddity.TEXT_AROUND_JSON),
        (200, b'\xef\xbb\xbf{"status_code": "1000"}', Oddity.STATUS_CODE_MISWRITTEN),
        (200, b'{"status_code": 1000}\r\n', None),
        (200, {"status_code": 1000}, None),
        (201, {"status_code": 1999, "data": None}, None),
    ],
)
def test_any_2xx_without_an_error_is_a_success(http_status: int, body: Any, oddity: Oddity | None) -> None:
    found = answer(http_status, body)

    assert (found.http_status, found.oddity, found.data) == (http_status, oddity, None)
    assert 1000 <= found.status_code < 2000
    in_envelope = (None, Oddity.STATUS_CODE_MISWRITTEN, Oddity.TEXT_AROUND_JSON)
    assert found.is_empty is (oddity not in in_envelope)


@pytest.mark.parametrize(
    "body",
    [
        b'{"status_code": 1000}{"status_code": 3000}',
        b'{"status_code": 1000} and more',
        b'{"status_code": 1000, "data": "<!--"} -->',
        b'{"status_code": 1000}<!-- cut off',
        b'<!-- {} -->{"status_code": 1000}',
    ],
)
def test_json_with_other_text_around_it_is_a_fault(body: bytes) -> None:
    with pytest.raises(PartnerFault):
        answer(200, body)


@pytest.mark.parametrize(
    "body",
    [
        {"error": "no such token"},
        {"errors": [{"detail": "unknown"}]},
        {"errorMessage": "Task timed out after 3.00 seconds", "errorType": "Sandbox.Timedout"},
        {"error_message": "failed"},
        {"Exception": "NullReference"},
        {"status": 500, "title": "Internal"},
        {"status": "503"},
        {"success": False},
        {"status_code": "ERROR"},
        {"status_code": False},
        b"Internal Server Error",
        b'"Error: not stored"',
        b"Service unavailable",
        b"false",
    ],
)
def test_a_2xx_that_names_an_error_and_has_no_status_code_is_a_fault(body: Any) -> None:
    with pytest.raises(PartnerFault, match="with an error and without a status_code"):
        answer(200, body)


@pytest.mark.parametrize(
    "body", [{"status": "ACCEPTED"}, {"status": 201}, {"error": None, "id": "T1"}, {"errors": []}]
)
def test_a_2xx_with_an_empty_error_is_a_success(body: Any) -> None:
    assert answer(200, body).oddity is Oddity.NO_STATUS_CODE


def test_a_long_body_of_comments_is_read_in_linear_time() -> None:
    with pytest.raises(PartnerFault):
        answer(200, b'{"status_code": 1000' + b"<!-- -->" * 500_000)


def test_a_strict_partner_s_answer_is_read_by_the_letter() -> None:
    raw = RawAnswer(200, {}, b'\xef\xbb\xbf{"status_code": 1000}', timedelta())

    with pytest.raises(PartnerFault):
        judge(raw, strict=True)


ALLOWED = {"allowed": "ALLOWED"}


@pytest.mark.parametrize(
    ("gives", "data", "found", "oddity"),
    [
        (Kind.AUTHORIZATION_INFO, [ALLOWED], ALLOWED, Oddity.OBJECT_IN_LIST),
        (Kind.CREDENTIALS, [{"token": "t"}], {"token": "t"}, Oddity.OBJECT_IN_LIST),
        (Kind.COMMAND_RESPONSE, [{"result": "ACCEPTED"}], {"result": "ACCEPTED"}, Oddity.OBJECT_IN_LIST),
        (Kind.AUTHORIZATION_INFO, ALLOWED, ALLOWED, None),
        (Kind.AUTHORIZATION_INFO, [ALLOWED, ALLOWED], [ALLOWED, ALLOWED], None),
        (Kind.AUTHORIZATION_INFO, [], [], None),
        (Kind.AUTHORIZATION_INFO, ["ALLOWED"], ["ALLOWED"], None),
        (Kind.TARIFF, [{"id": "T1"}], [{"id": "T1"}], None),
        (None, [{"id": "T1"}], [{"id": "T1"}], None),
    ],
)
def test_an_object_in_a_list_of_one_is_read_where_one_object_is_meant(
    gives: Kind | None, data: Any, found: Any, oddity: Oddity | None
) -> None:
    raw = RawAnswer(200, {}, write_json({"status_code": 1000, "data": data}).encode(), timedelta())

    assert (judge(raw, gives=gives).data, judge(raw, gives=gives).oddity) == (found, oddity)
    assert judge(raw, gives=gives, strict=True).data == data


@pytest.mark.parametrize("code", ["3000", 3001, "4002", b"3000.0"])
def test_an_ocpi_error_with_http_200_is_an_error_in_any_spelling(code: Any) -> None:
    body = b'{"status_code": %s}' % code if isinstance(code, bytes) else {"status_code": code}
    with pytest.raises(PartnerFault) as caught:
        answer(200, body)

    assert caught.value.status_code == int(float(code))


@pytest.mark.parametrize(
    "body",
    [
        b"<html>Please log in</html>",
        b"  <!DOCTYPE html><title>Maintenance</title>",
        b'<?xml version="1.0"?><Error/>',
        b'{"status_code": 2001, "status_mess',
        b"[" * 100_000,
        b"[]",
        b'[{"id": "T1"}]',
        b"\xff\xfe",
        {"status_code": 500},
        {"status_code": 404},
        {"status_code": 5000},
        {"status_code": 0},
        {"status_code": -1000},
        b'{"status_code": 1e999999999}',
    ],
)
def test_a_body_that_may_be_a_gateway_page_or_an_error_is_a_fault_with_http_200(body: Any) -> None:
    with pytest.raises(PartnerFault) as caught:
        answer(200, body)

    assert (caught.value.http_status, caught.value.status_code) == (200, None)


def test_the_data_of_an_answer_without_a_code_is_read() -> None:
    found = answer(200, {"data": [{"id": 1}]})

    assert (found.data, found.is_empty) == ([{"id": 1}], False)


@pytest.mark.parametrize("http_status", [300, 302, 399])
def test_a_redirect_is_a_fault_with_any_body(http_status: int) -> None:
    with pytest.raises(PartnerFault, match="redirect"):
        answer(http_status, {"status_code": 1000})


@pytest.mark.parametrize(
    ("body", "oddity"),
    [
        ({"status_code": 299}, Oddity.NO_STATUS_CODE),
        ({"status_code": "299"}, Oddity.NO_STATUS_CODE),
        ({"status_code": "³"}, Oddity.NO_STATUS_CODE),
        (b'{"status_code": 1000.5}', Oddity.NO_STATUS_CODE),
        ({"statusCode": "1000"}, Oddity.STATUS_CODE_MISWRITTEN),
        ({"status_code": 1000, "statusCode": 3000}, None),
        (b"\xef\xbb\xbf OK", Oddity.PLAIN_TEXT),
    ],
)
def test_an_unusual_body_without_an_ocpi_error_is_a_success(body: Any, oddity: Oddity | None) -> None:
    assert answer(200, body).oddity == oddity


@pytest.mark.parametrize(
    "body",
    [
        {"status_code": 199},
        {"status_code": 300},
        {"status_code": 999},
        {"status_code": "1000000000000"},
        b"\xef\xbb\xbf <html>",
        b"\xef\xbb\xbf [x",
    ],
)
def test_a_code_outside_ocpi_s_ranges_or_a_cut_off_body_is_a_fault(body: Any) -> None:
    with pytest.raises(PartnerFault):
        answer(200, body)


def test_a_status_message_is_cut_to_500_characters_and_must_be_text() -> None:
    assert answer(200, {"status_code": 1000, "status_message": "x" * 501}).status_message == "x" * 500
    assert answer(200, {"status_code": 1000, "status_message": ["x"]}).status_message is None


def test_a_fault_records_how_far_the_request_came() -> None:
    never, broken, late = (
        PartnerFault("reason", never_sent=True),
        PartnerFault("reason", not_connected=True),
        PartnerFault("reason", timed_out=True),
    )

    flags = [(fault.never_sent, fault.not_connected, fault.timed_out) for fault in (never, broken, late)]
    assert flags == [(True, True, False), (False, True, False), (False, False, True)]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{}", "answered HTTP 404 without an OCPI envelope"),
        ({"status_code": 3000}, "answered 3000 with HTTP 404"),
        (HTML, "answered HTTP 404 with a page of markup"),
        (b"[]", "answered HTTP 404 with a list"),
        (b"{", "answered HTTP 404 with JSON that cannot be read"),
        (b"\xff", "answered HTTP 404 with a body that is no text"),
        ({"status_code": 7}, "answered HTTP 404 with a status_code of 7"),
    ],
)
def test_the_text_of_a_fault_describes_the_answer(body: Any, reason: str) -> None:
    with pytest.raises(PartnerFault) as caught:
        answer(404, body)

    assert str(caught.value).startswith(reason)


def test_the_text_of_an_error_ends_with_the_partner_s_message() -> None:
    with pytest.raises(PartnerRefusal) as caught:
        answer(200, {"status_code": 2001, "status_message": "no such field"})

    assert str(caught.value) == "answered 2001 with HTTP 200: no such field"
    assert caught.value.reason == "answered 2001 with HTTP 200"
