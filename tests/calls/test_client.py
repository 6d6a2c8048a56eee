"""Tests of what the client sends.

Source: OCPI 2.2.1 transport_and_format; TRN, TRP-21
"""

from __future__ import annotations

import base64
import json
import logging
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.calls.client import Exchange, PartnerRefusal, join_url
from chalicelib.errors import InvalidParameters
from chalicelib.partners.directory import Partner
from chalicelib.protocol.json_text import JsonText
from chalicelib.protocol.message import Party, Routing
from chalicelib.pulling.lists import LIMIT, first_url
from tests.calls.answering import AnsweringPartner, envelope, reply
from tests.calls.calling import TOKEN, TOKEN_HEADER, make_client, make_endpoint, make_partner, put


def test_a_request_goes_to_the_endpoint_with_its_ids_and_headers(
    server: AnsweringPartner, partner: Partner
) -> None:
    routing = Routing(Party("PT", "ABC"), Party("PT", "MOB"))

    put(make_client(), partner, document={"id": "T1"}, routing=routing, correlation_id="corr-1")

    (request,) = server.received
    assert (request.method, request.path) == ("PUT", "/odd/receiver/tariffs/PT/ABC/T1")
    assert request.headers["authorization"] == TOKEN_HEADER
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-request-id"] == "id-1"
    assert request.headers["x-correlation-id"] == "corr-1"
    assert request.headers["ocpi-from-country-code"] == "PT"
    assert request.headers["ocpi-from-party-id"] == "ABC"
    assert request.headers["ocpi-to-party-id"] == "MOB"
    assert request.headers["host"] == f"127.0.0.1:{server.port}"
    assert json.loads(request.body) == {"id": "T1"}


def test_every_request_has_new_ids_and_no_routing_by_default(
    server: AnsweringPartner, partner: Partner
) -> None:
    client = make_client()

    put(client, partner, document={})
    put(client, partner, document={})

    ids = [
        request.headers[name] for request in server.received for name in ("x-request-id", "x-correlation-id")
    ]
    assert len(set(ids)) == 4
    assert not [name for request in server.received for name in request.headers if name.startswith("ocpi-")]


def test_a_partner_of_2_2_gets_the_raw_token(server: AnsweringPartner, partner: Partner) -> None:
    put(make_client(), partner.model_copy(update={"token_encoding": "raw"}))

    assert server.received[0].headers["authorization"] == f"Token {TOKEN}"


def test_configuration_modules_carry_no_routing_headers(server: AnsweringPartner) -> None:
    """Source: OCPI 2.2.1 transport_and_format, Message Routing Headers; RTE-03"""
    hub = make_partner(make_endpoint(server.url("/info"), "hubclientinfo"))

    exchange = Exchange("PUT", {}, routing=Routing(Party("PT", "MOB"), None))
    make_client().send(hub, "hubclientinfo", "RECEIVER", (), exchange)

    assert not [name for name in server.received[0].headers if name.startswith("ocpi-")]


@pytest.mark.parametrize(
    ("setting", "put_path", "list_path"),
    [
        ("keep", "/odd/receiver/tariffs/PT/ABC/T1", "/odd/sender/tariffs"),
        ("add", "/odd/receiver/tariffs/PT/ABC/T1/", "/odd/sender/tariffs/"),
        ("remove", "/odd/receiver/tariffs/PT/ABC/T1", "/odd/sender/tariffs"),
    ],
)
def test_the_partner_s_setting_decides_about_a_slash_at_the_end_of_urls(
    server: AnsweringPartner, partner: Partner, setting: str, put_path: str, list_path: str
) -> None:
    """TRP-21"""
    partner = partner.model_copy(update={"trailing_slash": setting})

    put(make_client(), partner)
    make_client().send(partner, "tariffs", "SENDER", (), Exchange("GET"), {"limit": 5})

    assert [request.path for request in server.received] == [put_path, f"{list_path}?limit=5"]
    assert first_url(partner, "tariffs", None) == server.url(f"{list_path}?limit={LIMIT}")


def test_a_request_without_a_body_has_no_content_type(server: AnsweringPartner, partner: Partner) -> None:
    make_client().send(partner, "tariffs", "RECEIVER", ("PT", "ABC", "T1"), Exchange("DELETE"))

    assert "content-type" not in server.received[0].headers


def test_json_text_and_decimals_are_sent_digit_for_digit(server: AnsweringPartner, partner: Partner) -> None:
    client = make_client()

    put(client, partner, document=JsonText('{"price":0.10, "x":1.000}'))
    put(client, partner, document={"price": Decimal("0.10")})

    assert [request.body for request in server.received] == [b'{"price":0.10, "x":1.000}', b'{"price":0.10}']


def test_a_request_can_be_repeated_under_its_own_id(server: AnsweringPartner, partner: Partner) -> None:
    put(make_client(), partner, request_id="again-1")

    assert server.received[0].headers["x-request-id"] == "again-1"


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "é", "a\tb"])
def test_a_value_that_cannot_be_a_header_is_refused(
    server: AnsweringPartner, partner: Partner, value: str
) -> None:
    with pytest.raises(InvalidParameters):
        put(make_client(), partner, correlation_id=value)

    assert server.received == []


@pytest.mark.parametrize(
    ("base", "segments", "query", "url"),
    [
        ("https://x.example/t", ("A",), None, "https://x.example/t/A"),
        ("https://x.example/t/", ("A",), None, "https://x.example/t/A"),
        ("https://x.example/t//", ("A",), None, "https://x.example/t/A"),
        ("https://x.example", ("A",), None, "https://x.example/A"),
        ("https://x.example/t/", (), None, "https://x.example/t/"),
        ("https://x.example/t", ("PT*ABC*E1/2 é?#%",), None, "https://x.example/t/PT%2AABC%2AE1%2F2%20%C3%A9%3F%23%25"),
        ("https://x.example/t/", ("U", "authorize"), {"type": "APP_USER"}, "https://x.example/t/U/authorize?type=APP_USER"),
        ("https://x.example/t", (), {"date_from": "2026-11-24T10:00:00Z", "limit": 5, "date_to": None},
         "https://x.example/t?date_from=2026-11-24T10%3A00%3A00Z&limit=5"),
        ("https://x.example/t?key=1", ("A",), {"limit": 5}, "https://x.example/t/A?key=1&limit=5"),
    ],
)  # fmt: skip
def test_ids_are_joined_with_one_slash_and_encoded(base: str, segments: Any, query: Any, url: str) -> None:
    """Source: OCPI 2.2.1 mod_tokens, mod_commands; TRP-21"""
    assert join_url(base, segments, query) == url


@pytest.mark.parametrize("segment", ["", ".", ".."])
def test_an_id_that_would_change_the_path_is_refused(segment: str) -> None:
    with pytest.raises(PartnerRefusal):
        join_url("https://x.example/t", ("PT", "ABC", segment))


def test_encoded_ids_are_sent_unchanged(server: AnsweringPartner, partner: Partner) -> None:
    make_client().send(partner, "tariffs", "RECEIVER", ("PT", "ABC", "a/b*c d%"), Exchange("GET"))

    assert server.received[0].path == "/odd/receiver/tariffs/PT/ABC/a%2Fb%2Ac%20d%25"


def test_neither_token_nor_body_nor_ids_are_logged(
    server: AnsweringPartner, partner: Partner, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    tokens = make_partner(make_endpoint(server.url("/tokens"), "tokens", "SENDER"))
    server.answer = lambda handler, request: reply(
        handler, envelope({"secret": "in-answer"}, 2001), headers={"Bad Header": "x"}
    )
    client = make_client()

    with pytest.raises(PartnerRefusal):
        exchange = Exchange("POST", {"secret": "in-body"})
        client.send(tokens, "tokens", "SENDER", ("SECRET-UID", "authorize"), exchange)
    with pytest.raises(PartnerRefusal):
        client.call_url(server.url("/v?secret=query"), "GET", TOKEN)

    written = "\n".join(str(record.__dict__) for record in caplog.records)
    assert "call POST tokens SENDER" in written
    for secret in (
        TOKEN,
        base64.b64encode(TOKEN.encode()).decode(),
        "SECRET-UID",
        "in-body",
        "in-answer",
        "secret",
    ):
        assert secret not in written
