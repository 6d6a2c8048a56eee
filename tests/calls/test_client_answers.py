"""Tests of how the client judges an answer.

Source: OCPI 2.2.1 transport_and_format, status_codes; STA-13, STA-15
"""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from chalicelib.calls.client import OcpiClient, PartnerError, PartnerFault, PartnerRefusal
from chalicelib.calls.urls import UrlPolicy
from chalicelib.partners.directory import Partner
from tests.calls.answering import AnsweringPartner, envelope, reply
from tests.calls.calling import TOKEN, Tokens, crawl, make_client, put


@pytest.mark.parametrize("data", [None, "", {}, [], {"echo": True}, 0])
def test_any_data_is_accepted_if_none_is_needed(
    server: AnsweringPartner, partner: Partner, data: Any
) -> None:
    """Source: OCPI 2.2.1 transport_and_format, Response format; TRN-15"""
    server.answer = lambda handler, request: reply(handler, envelope(data))

    assert put(make_client(), partner).data == data


def test_an_answer_has_the_partner_s_data_with_exact_numbers(
    server: AnsweringPartner, partner: Partner
) -> None:
    body = b'{"status_code": 1999, "status_message": "fine", "data": {"price": 0.10}}'
    server.answer = lambda handler, request: reply(
        handler, body, http_status=201, headers={"X-Total-Count": "7"}
    )

    answer = put(make_client(), partner)

    assert (answer.http_status, answer.status_code, answer.status_message) == (201, 1999, "fine")
    assert str(answer.data["price"]) == "0.10"
    assert answer.headers["x-total-count"] == "7"
    assert datetime.timedelta() < answer.elapsed < datetime.timedelta(seconds=5)


@pytest.mark.parametrize(
    ("http_status", "body", "kind", "code", "not_connected"),
    [
        (200, envelope(None, 2001, status_message="id is missing"), PartnerRefusal, 2001, False),
        (200, envelope(None, 2999), PartnerRefusal, 2999, False),
        (404, envelope(None, 2003), PartnerRefusal, 2003, False),
        (404, envelope(None, 1000), PartnerFault, 1000, False),
        (404, b"<html>not here</html>", PartnerFault, None, False),
        (405, envelope(None, 2000), PartnerRefusal, 2000, False),
        (200, envelope(None, 4001), PartnerRefusal, 4001, False),
        (200, envelope(None, 3000), PartnerFault, 3000, False),
        (200, envelope(None, 3999), PartnerFault, 3999, False),
        (200, envelope(None, 4002), PartnerFault, 4002, False),
        (200, envelope(None, 4999), PartnerFault, 4999, False),
        (500, envelope(None, 1000), PartnerFault, 1000, False),
        (502, b"<html>bad gateway</html>", PartnerFault, None, False),
        (503, b"", PartnerFault, None, False),
        (429, b"", PartnerFault, None, False),
        (401, envelope(None, 2001), PartnerFault, 2001, True),
        (403, b"", PartnerFault, None, True),
        (200, b"<html>hello</html>", PartnerFault, None, False),
        (200, b'{"status_code": 1000', PartnerFault, None, False),
        (200, b"\xff\xfe", PartnerFault, None, False),
        (200, b"[" * 100_000, PartnerFault, None, False),
        (200, {"status_code": 5000}, PartnerFault, None, False),
    ],
)
def test_an_answer_is_judged_by_its_status_code(
    server: AnsweringPartner,
    partner: Partner,
    http_status: int,
    body: Any,
    kind: type[PartnerError],
    code: int | None,
    not_connected: bool,
) -> None:
    """Source: OCPI 2.2.1 status_codes; STA-13, STA-15"""
    server.answer = lambda handler, request: reply(handler, body, http_status=http_status)

    with pytest.raises(PartnerError) as caught:
        put(make_client(), partner)

    error = caught.value
    assert type(error) is kind
    assert (error.http_status, error.status_code) == (http_status, code)
    assert getattr(error, "not_connected", False) is not_connected
    assert not getattr(error, "timed_out", False)


@pytest.mark.parametrize(
    ("http_status", "body", "oddity"),
    [(204, b"", "EMPTY_BODY"), (200, b"OK", "PLAIN_TEXT"), (200, {}, "NO_STATUS_CODE")],
)
def test_an_odd_success_is_recorded_once_for_each_kind(
    server: AnsweringPartner, partner: Partner, http_status: int, body: Any, oddity: str
) -> None:
    """The partner's record has the known kinds, so a known kind costs no call."""
    server.answer = lambda handler, request: reply(handler, body, http_status=http_status)
    directory: Any = Tokens()
    client = OcpiClient(UrlPolicy(allow_loopback=True), directory, lambda: "id")

    put(client, partner)
    put(client, partner.model_copy(update={"odd_answers": (oddity,)}))

    assert directory.noted == [("p1", oddity)]


@pytest.mark.parametrize("body", [b"", b"OK", b"{}", b"[]", b'{"data": null}'])
def test_a_call_that_needs_data_ends_in_a_fault_without_it(
    server: AnsweringPartner, partner: Partner, body: bytes
) -> None:
    server.answer = lambda handler, request: reply(handler, body)
    client, url = make_client(), server.url("/odd/versions")

    for ask in (
        lambda: client.get_versions(url, TOKEN),
        lambda: client.get_version_details(url, TOKEN),
        lambda: client.probe(partner),
        lambda: list(crawl(client, partner)),
    ):
        with pytest.raises(PartnerFault):
            ask()


def test_a_refusal_has_the_partner_s_message_and_data(server: AnsweringPartner, partner: Partner) -> None:
    answer = envelope({"why": "id"}, 2001, status_message="id is missing")
    server.answer = lambda handler, request: reply(handler, answer)

    with pytest.raises(PartnerRefusal, match="answered 2001 with HTTP 200: id is missing") as caught:
        put(make_client(), partner)

    assert caught.value.status_message == "id is missing"
    assert caught.value.data == {"why": "id"}


def test_an_answer_without_timestamp_and_message_is_accepted(
    server: AnsweringPartner, partner: Partner
) -> None:
    server.answer = lambda handler, request: reply(handler, {"status_code": 1000, "status_message": None})

    assert put(make_client(), partner).status_message is None


@pytest.mark.parametrize("http_status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_is_in_the_error(
    server: AnsweringPartner, partner: Partner, http_status: int
) -> None:
    server.answer = lambda handler, request: reply(
        handler, http_status=http_status, headers={"Location": server.url("/elsewhere")}
    )

    with pytest.raises(PartnerFault, match="redirect"):
        put(make_client(), partner)

    assert len(server.received) == 1
