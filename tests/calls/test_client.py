"""Tests of the client against a real server on loopback, with good and bad answers.

Source: OCPI 2.2.1 transport_and_format, status_codes; TRN, PAG-12, PAG-13, STA-13, STA-15, TRP-21
"""

from __future__ import annotations

import base64
import datetime
import ipaddress
import itertools
import json
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from chalicelib.calls.client import (
    OcpiClient,
    PartnerError,
    PartnerFault,
    PartnerRefusal,
    VersionEntry,
    belongs_to,
    join_url,
)
from chalicelib.calls.urls import UrlPolicy
from chalicelib.errors import InvalidParameters
from chalicelib.partners.directory import Endpoint, Partner
from chalicelib.protocol.json_text import JsonText
from chalicelib.protocol.message import Party, Routing
from tests.calls.answering import AnsweringPartner, Received, answering_partner, envelope, reply

TOKEN = "example-token"
TOKEN_HEADER = "Token ZXhhbXBsZS10b2tlbg=="

Answering = Callable[[BaseHTTPRequestHandler, Received], None]


class Tokens:
    """A directory with one token, which records the noted oddities of partners."""

    def __init__(self) -> None:
        self.noted: list[tuple[str, str]] = []

    def token_for(self, partner: Partner) -> str:
        return TOKEN

    def note_odd_answer(self, partner_id: str, oddity: str) -> bool:
        self.noted.append((partner_id, oddity))
        return True


def make_client(policy: UrlPolicy | None = None, **options: Any) -> OcpiClient:
    ids = itertools.count(1)
    directory: Any = Tokens()
    return OcpiClient(
        policy or UrlPolicy(allow_loopback=True), directory, lambda: f"id-{next(ids)}", **options
    )


def make_partner(*endpoints: Endpoint, **values: Any) -> Partner:
    known = {"id": "p1", "name": "Partner", "status": "REGISTERED", "last_updated": "2026-11-24T10:00:00Z"}
    return Partner.model_validate({**known, "endpoints": endpoints, **values})


def make_endpoint(url: str, identifier: str = "tariffs", role: str = "RECEIVER") -> Endpoint:
    return Endpoint(identifier=identifier, role=role, url=url)


@pytest.fixture
def server() -> Iterator[AnsweringPartner]:
    with answering_partner() as partner:
        yield partner


@pytest.fixture
def partner(server: AnsweringPartner) -> Partner:
    return make_partner(
        make_endpoint(server.url("/odd/receiver/tariffs/")),
        make_endpoint(server.url("/odd/sender/tariffs"), role="SENDER"),
        versions_url=server.url("/odd/versions"),
    )


def put(client: OcpiClient, partner: Partner, **options: Any) -> Any:
    return client.send(partner, "PUT", "tariffs", "RECEIVER", ("PT", "ABC", "T1"), **options)


# Requests


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

    make_client().send(
        hub, "PUT", "hubclientinfo", "RECEIVER", document={}, routing=Routing(Party("PT", "MOB"), None)
    )

    assert not [name for name in server.received[0].headers if name.startswith("ocpi-")]


def test_a_request_without_a_body_has_no_content_type(server: AnsweringPartner, partner: Partner) -> None:
    make_client().send(partner, "DELETE", "tariffs", "RECEIVER", ("PT", "ABC", "T1"))

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
    make_client().send(partner, "GET", "tariffs", "RECEIVER", ("PT", "ABC", "a/b*c d%"))

    assert server.received[0].path == "/odd/receiver/tariffs/PT/ABC/a%2Fb%2Ac%20d%25"


# Answers


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
        lambda: list(client.crawl(partner, "tariffs")),
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


# Misbehaving servers


def play_dead(server: AnsweringPartner) -> Answering:
    def answer(handler: BaseHTTPRequestHandler, request: Received) -> None:
        server.stopped.wait(10)

    return answer


def drip(server: AnsweringPartner, start: bytes, drop: bytes) -> Answering:
    """Send `start`, then `drop` again and again, each well within any read timeout."""

    def answer(handler: BaseHTTPRequestHandler, request: Received) -> None:
        handler.wfile.write(start)
        while not server.stopped.wait(0.02):
            handler.wfile.write(drop)

    return answer


@pytest.mark.parametrize(
    ("start", "drop"),
    [
        (b"", b"H"),
        (b"HTTP/1.1 200 OK\r\n", b"X"),
        (b"HTTP/1.1 200 OK\r\n", b"X: 1\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", b"x"),
    ],
    ids=["status", "header", "headers", "continue", "body", "chunks", "chunk-size", "endless"],
)
def test_an_answer_sent_byte_by_byte_ends_at_the_deadline(
    server: AnsweringPartner, partner: Partner, start: bytes, drop: bytes
) -> None:
    server.answer = drip(server, start, drop)
    started = time.monotonic()

    with pytest.raises(PartnerFault) as caught:
        put(make_client(), partner, total_s=0.6)

    assert time.monotonic() - started < 3
    assert caught.value.timed_out


def test_no_answer_ends_at_the_deadline(server: AnsweringPartner, partner: Partner) -> None:
    server.answer = play_dead(server)

    with pytest.raises(PartnerFault, match="did not answer in time") as caught:
        put(make_client(total_s=0.3), partner)

    assert caught.value.timed_out
    assert not caught.value.not_connected
    assert not caught.value.never_sent


@pytest.mark.parametrize(
    ("start", "block"),
    [
        (b"Content-Length: 99999999\r\n\r\n", b"0" * 65536),
        (b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"0" * 65536 + b"\r\n"),
        (b"Connection: close\r\n\r\n", b"0" * 65536),
        (b"Content-Length: 99999999\r\nContent-Encoding: gzip\r\n\r\n", b"0" * 65536),
    ],
    ids=["length", "chunks", "endless", "gzip"],
)
def test_reading_a_huge_answer_stops_at_the_limit(
    server: AnsweringPartner, partner: Partner, start: bytes, block: bytes
) -> None:
    def answer(handler: BaseHTTPRequestHandler, request: Received) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + start)
        for _ in range(2000):
            handler.wfile.write(block)

    server.answer = answer

    with pytest.raises(PartnerFault, match="more than 10485760 bytes"):
        put(make_client(), partner)


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
    ],
    ids=["nothing", "half a body", "bad chunk", "another protocol", "bad status"],
)
def test_an_answer_that_breaks_off_is_a_fault(
    server: AnsweringPartner, partner: Partner, start: bytes
) -> None:
    def answer(handler: BaseHTTPRequestHandler, request: Received) -> None:
        handler.wfile.write(start)
        handler.close_connection = True

    server.answer = answer

    with pytest.raises(PartnerFault) as caught:
        put(make_client(), partner)

    assert caught.value.not_connected
    assert not caught.value.never_sent


def test_a_closed_port_is_a_fault_with_that_reason() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]

        with pytest.raises(PartnerFault) as caught:
            put(make_client(), make_partner(make_endpoint(f"http://127.0.0.1:{port}/t")))

    assert caught.value.not_connected
    assert caught.value.never_sent
    assert not caught.value.timed_out


def test_a_name_that_does_not_resolve_is_a_fault_with_that_reason() -> None:
    def resolve(host: str, port: int, type: int = 0) -> list[tuple[Any, ...]]:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    client = make_client(UrlPolicy(resolve=resolve))

    for call in (
        lambda: put(client, make_partner(make_endpoint("https://partner.example/t"))),
        lambda: client.get_versions("https://partner.example/v", TOKEN),
    ):
        with pytest.raises(PartnerFault, match="does not resolve") as caught:
            call()
        assert caught.value.never_sent


# Hosts that get tokens


def test_the_next_address_is_tried_when_the_first_takes_no_connection(server: AnsweringPartner) -> None:
    def resolve(host: str, port: int, type: int = 0) -> list[tuple[Any, ...]]:
        return [(None, type, 6, "", (address, port)) for address in ("::1", "127.0.0.1")]

    client = make_client(UrlPolicy(allow_loopback=True, resolve=resolve))

    put(client, make_partner(make_endpoint(server.url("/t", host="partner.example"))))

    assert server.received[0].headers["host"] == f"partner.example:{server.port}"


def test_the_connection_goes_to_the_address_that_was_checked(
    server: AnsweringPartner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that changes its address between the check and the connection changes nothing."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def rebinding(host: str, *others: Any, **options: Any) -> Any:
        asked.append(host)
        address = "127.0.0.1" if asked.count(host) == 1 else "10.0.0.1"
        return real(address if host == "rebinding.example" else host, *others, **options)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    client = make_client(UrlPolicy(allow_loopback=True, resolve=rebinding))

    put(client, make_partner(make_endpoint(server.url("/t", host="rebinding.example"))))

    assert len(server.received) == 1
    assert asked.count("rebinding.example") == 1


def test_an_endpoint_that_moved_to_a_private_address_is_a_fault() -> None:
    def resolve(host: str, port: int, type: int = 0) -> list[tuple[Any, ...]]:
        return [(None, type, 6, "", ("10.0.0.1", port))]

    with pytest.raises(PartnerFault, match="a private address") as caught:
        put(make_client(UrlPolicy(resolve=resolve)), make_partner(make_endpoint("https://partner.example/t")))

    assert caught.value.not_connected


def test_a_partner_without_the_endpoint_is_not_called(server: AnsweringPartner, partner: Partner) -> None:
    with pytest.raises(PartnerRefusal, match="offers no RECEIVER interface of cdrs"):
        make_client().send(partner, "POST", "cdrs", "RECEIVER", document={})

    assert server.received == []


def test_a_post_to_the_partner_s_own_host_carries_its_token(
    server: AnsweringPartner, partner: Partner
) -> None:
    make_client().post_to(
        partner, server.url("/commands/START/1?x=2"), {"result": "ACCEPTED"}, correlation_id="c"
    )

    (request,) = server.received
    assert (request.method, request.path) == ("POST", "/commands/START/1?x=2")
    assert request.headers["authorization"] == TOKEN_HEADER
    assert request.headers["x-correlation-id"] == "c"
    assert json.loads(request.body) == {"result": "ACCEPTED"}


def test_a_url_on_another_host_gets_neither_the_token_nor_a_call(partner: Partner) -> None:
    """Source: OCPI 2.2.1 mod_commands response_url; TRP-23"""
    with answering_partner() as stranger:
        with pytest.raises(PartnerRefusal, match="none of the partner's own hosts"):
            make_client().post_to(partner, stranger.url("/steal"), {})

        assert stranger.received == []


def test_a_url_belongs_to_a_partner_by_scheme_host_and_port() -> None:
    partner = make_partner(make_endpoint("https://api.example:8443/t"), versions_url="https://example.com/v")

    own = ["https://example.com/cb", "https://EXAMPLE.com:443/cb", "https://api.example:8443/x"]
    foreign = [
        "http://example.com/cb",
        "https://api.example/x",
        "https://example.com.evil.example/",
        "nonsense",
    ]
    assert [belongs_to(partner, url) for url in own] == [True] * 3
    assert [belongs_to(partner, url) for url in foreign] == [False] * 4


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
        client.send(
            tokens, "POST", "tokens", "SENDER", ("SECRET-UID", "authorize"), document={"secret": "in-body"}
        )
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


# The handshake


def test_versions_are_read_without_malformed_entries(server: AnsweringPartner) -> None:
    """Source: OCPI 2.2.1 version_information_endpoint; VER-10"""
    entries = [
        {"version": "2.2.1", "url": "https://x.example/2.2.1"},
        {"version": "9.9", "url": "https://x.example/9.9", "extra": 1},
        {"version": "2.2"},
        {"version": 2.1, "url": "https://x.example/2.1"},
        "2.0",
    ]
    server.answer = lambda handler, request: reply(handler, envelope(entries))

    versions = make_client().get_versions(server.url("/odd/"), TOKEN, "raw")

    assert versions == (
        VersionEntry("2.2.1", "https://x.example/2.2.1"),
        VersionEntry("9.9", "https://x.example/9.9"),
    )
    assert server.received[0].path == "/odd/"
    assert server.received[0].headers["authorization"] == f"Token {TOKEN}"


def test_version_details_are_read_with_unknown_modules(server: AnsweringPartner) -> None:
    """Source: OCPI 2.2.1 version_details_endpoint; VER-05, VER-10"""
    endpoints = [
        {"identifier": "credentials", "url": "https://x.example/c"},
        {"identifier": "xxabc-foo", "role": "RECEIVER", "url": "https://x.example/f"},
        {"identifier": "locations", "role": "SENDER"},
        None,
    ]
    data = {"version": "2.2.1", "endpoints": endpoints}
    server.answer = lambda handler, request: reply(handler, envelope(data))

    details = make_client().get_version_details(server.url("/2.2.1"), TOKEN)

    assert details.version == "2.2.1"
    assert details.endpoints == (
        make_endpoint("https://x.example/c", "credentials", "SENDER"),
        make_endpoint("https://x.example/f", "xxabc-foo"),
    )


@pytest.mark.parametrize("data", [None, {}, "2.2.1", 5])
def test_versions_that_are_no_list_are_a_fault(server: AnsweringPartner, data: Any) -> None:
    server.answer = lambda handler, request: reply(handler, envelope(data))

    with pytest.raises(PartnerFault, match="no list of versions"):
        make_client().get_versions(server.url("/v"), TOKEN)


@pytest.mark.parametrize("data", [None, [], {"version": "2.2.1"}, {"version": "2.2.1", "endpoints": {}}])
def test_version_details_of_another_shape_are_a_fault(server: AnsweringPartner, data: Any) -> None:
    server.answer = lambda handler, request: reply(handler, envelope(data))

    with pytest.raises(PartnerFault, match="no version details"):
        make_client().get_version_details(server.url("/v"), TOKEN)


def test_a_handshake_can_post_credentials(server: AnsweringPartner) -> None:
    server.answer = lambda handler, request: reply(handler, envelope({"token": "C"}))

    answer = make_client().call_url(
        server.url("/cred"), "POST", TOKEN, document={"token": "B"}, correlation_id="c"
    )

    assert answer.data == {"token": "C"}
    assert server.received[0].headers["x-correlation-id"] == "c"


def test_a_handshake_with_a_forbidden_url_is_refused_with_the_reason(server: AnsweringPartner) -> None:
    with pytest.raises(InvalidParameters, match="must be https"):
        make_client(UrlPolicy()).get_versions(server.url("/v"), TOKEN)

    assert server.received == []


@pytest.mark.parametrize("token", ["", "with space", "line\nfeed", "é", "x" * 65])
def test_an_invalid_token_is_not_sent(server: AnsweringPartner, token: str) -> None:
    with pytest.raises(InvalidParameters) as caught:
        make_client().get_versions(server.url("/v"), token, "raw")

    assert caught.value.field == "token"
    assert not token or token not in str(caught.value)


def test_a_partner_is_probed_at_its_versions_url(server: AnsweringPartner, partner: Partner) -> None:
    make_client().probe(partner)

    assert server.received[0].path == "/odd/versions"
    assert server.received[0].headers["authorization"] == TOKEN_HEADER


# Crawling


def pages(*answers: tuple[Any, dict[str, str]]) -> Answering:
    """Answer one page after another, for any URL."""
    following = iter(answers)

    def answer(handler: BaseHTTPRequestHandler, request: Received) -> None:
        data, headers = next(following)
        reply(handler, envelope(data), headers=headers)

    return answer


def link(url: str) -> dict[str, str]:
    return {"Link": f'<{url}>; rel="next"'}


def ids(objects: Iterator[dict[str, Any]]) -> list[Any]:
    return [found["id"] for found in objects]


def test_a_crawl_follows_links_unchanged(server: AnsweringPartner, partner: Partner) -> None:
    """Source: OCPI 2.2.1 transport_and_format, Paginated Response; PAG-12"""
    server.answer = pages(
        ([{"id": 1}, {"id": 2}], link(server.url("/other/path?cursor=a%2Fb+c&x=~"))),
        ([{"id": 3}], {"link": f"</third?cursor=z>; title=x; rel=next, <{server.url('/first')}>; rel=first"}),
        ([{"id": 4}], {"Link": f'<{server.url("/first")}>; rel="first"'}),
    )

    found = ids(make_client().crawl(partner, "tariffs", date_from="2026-11-24T10:00:00Z", limit=2))

    assert found == [1, 2, 3, 4]
    assert [request.path for request in server.received] == [
        "/odd/sender/tariffs?date_from=2026-11-24T10%3A00%3A00Z&limit=2",
        "/other/path?cursor=a%2Fb+c&x=~",
        "/third?cursor=z",
    ]
    assert len({request.headers["x-correlation-id"] for request in server.received}) == 1
    assert len({request.headers["x-request-id"] for request in server.received}) == 3


def test_a_link_to_another_host_is_not_followed(server: AnsweringPartner, partner: Partner) -> None:
    with answering_partner() as stranger:
        server.answer = pages(([{"id": 1}], link(stranger.url("/steal"))))
        objects = make_client().crawl(partner, "tariffs")

        assert next(objects) == {"id": 1}
        with pytest.raises(PartnerFault, match="another host"):
            next(objects)

        assert stranger.received == []


@pytest.mark.parametrize("target", ["https://user@127.0.0.1/", "ftp://127.0.0.1/", "http://127.0.0.1:99999/"])
def test_a_link_that_is_no_plain_url_is_a_fault(
    server: AnsweringPartner, partner: Partner, target: str
) -> None:
    server.answer = pages(([{"id": 1}], link(target)))

    with pytest.raises(PartnerFault, match="gave a URL"):
        ids(make_client().crawl(partner, "tariffs"))


def test_a_dropped_total_makes_the_crawl_repeat_the_page_at_a_lower_offset(
    server: AnsweringPartner, partner: Partner
) -> None:
    """Source: OCPI 2.2.1 transport_and_format, Paginated Response NOTE; PAG-13"""
    stored = [{"id": number} for number in range(7)]

    def answer(handler: BaseHTTPRequestHandler, request: Received) -> None:
        offset = int(request.path.partition("offset=")[2] or 0)
        following = link(server.url(f"/list?limit=3&offset={offset + 3}")) if offset + 3 < len(stored) else {}
        reply(
            handler,
            envelope(stored[offset : offset + 3]),
            headers={"X-Total-Count": str(len(stored)), **following},
        )
        if offset == 0:
            # An object that was read already changes, so the date filter excludes it from now on.
            del stored[1]

    server.answer = answer

    found = ids(make_client().crawl(partner, "tariffs"))

    assert found == [0, 1, 2, 3, 4, 5, 6]
    assert [request.path.rpartition("=")[2] for request in server.received[1:]] == ["3", "2", "5"]


def test_a_dropped_total_with_an_opaque_link_does_not_stop_the_crawl(
    server: AnsweringPartner, partner: Partner
) -> None:
    server.answer = pages(
        ([{"id": 1}], {"X-Total-Count": "3", **link(server.url("/list?cursor=a"))}),
        ([{"id": 2}], {"X-Total-Count": "2"}),
    )

    assert ids(make_client().crawl(partner, "tariffs")) == [1, 2]


def test_bad_objects_are_skipped_and_the_crawl_continues(
    server: AnsweringPartner, partner: Partner, caplog: pytest.LogCaptureFixture
) -> None:
    """Source: OCPI 2.2.1 transport_and_format, GET; TRN-30"""

    def accept(document: dict[str, Any]) -> None:
        if "currency" not in document:
            raise InvalidParameters("required, not 'SECRET'", field="currency")

    server.answer = pages(
        ([{"id": 1, "currency": "EUR"}, {"id": 2}, "three", None, {"id": 5, "currency": "EUR"}], {})
    )

    found = ids(make_client().crawl(partner, "tariffs", accept=accept))

    assert found == [1, 5]
    assert "wrong in currency" in caplog.text
    assert "SECRET" not in caplog.text


@pytest.mark.parametrize("data", [None, "", {}, []])
def test_an_empty_list_in_any_shape_is_empty(server: AnsweringPartner, partner: Partner, data: Any) -> None:
    server.answer = pages((data, {}))

    assert ids(make_client().crawl(partner, "tariffs")) == []


def test_data_that_is_no_list_is_a_fault(server: AnsweringPartner, partner: Partner) -> None:
    server.answer = pages(({"id": 1}, {}))

    with pytest.raises(PartnerFault, match="no list"):
        ids(make_client().crawl(partner, "tariffs"))


def test_links_in_a_circle_end_the_crawl(server: AnsweringPartner, partner: Partner) -> None:
    server.answer = lambda handler, request: reply(
        handler, envelope([{"id": 1}]), headers=link(server.url("/b" if request.path == "/a" else "/a"))
    )

    with pytest.raises(PartnerFault, match="circle"):
        ids(make_client().crawl(partner, "tariffs"))

    assert len(server.received) == 3


def test_too_many_empty_pages_end_the_crawl(server: AnsweringPartner, partner: Partner) -> None:
    numbers = itertools.count()
    server.answer = lambda handler, request: reply(
        handler, envelope([]), headers=link(server.url(f"/list?cursor={next(numbers)}"))
    )

    with pytest.raises(PartnerFault, match="do not come to an end"):
        ids(make_client().crawl(partner, "tariffs"))


def test_a_total_that_keeps_dropping_ends_the_crawl(server: AnsweringPartner, partner: Partner) -> None:
    """Each answer has a lower total, so each page is requested again from a lower offset."""
    totals = itertools.count(1000, -1)
    server.answer = lambda handler, request: reply(
        handler,
        envelope([{"id": 1}]),
        headers={"X-Total-Count": str(next(totals)), **link(server.url("/list?offset=50"))},
    )

    with pytest.raises(PartnerFault):
        ids(make_client().crawl(partner, "tariffs"))

    assert len(server.received) < 100


# Connections


def test_connections_are_reused(server: AnsweringPartner, partner: Partner) -> None:
    client = make_client()

    for _ in range(5):
        put(client, partner)

    assert server.connections == 1


def test_a_connection_that_the_server_closed_is_replaced(server: AnsweringPartner, partner: Partner) -> None:
    client = make_client()

    def answer(handler: BaseHTTPRequestHandler, request: Received) -> None:
        reply(handler, headers={"Connection": "close"})

    server.answer = answer

    for _ in range(3):
        put(client, partner)

    assert server.connections == 3


def test_an_idle_connection_is_not_reused(
    server: AnsweringPartner, partner: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make_client()
    put(client, partner)

    monkeypatch.setattr("chalicelib.calls.connections._MAX_IDLE_S", 0.0)
    put(client, partner)

    assert server.connections == 2


def test_a_faulty_answer_does_not_spoil_the_next(server: AnsweringPartner, partner: Partner) -> None:
    client = make_client()
    server.answer = drip(server, b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"x")
    with pytest.raises(PartnerFault):
        put(client, partner, total_s=0.2)

    server.answer = lambda handler, request: reply(handler, envelope("good"))

    assert put(client, partner).data == "good"


def test_threads_share_a_client_without_mixing_answers(server: AnsweringPartner, partner: Partner) -> None:
    client = make_client()
    server.answer = lambda handler, request: reply(handler, envelope(request.path))
    wrong: list[object] = []

    def work(name: int) -> None:
        for number in range(20):
            path = f"/odd/receiver/tariffs/{name}/{number}"
            answer = client.send(partner, "GET", "tariffs", "RECEIVER", (str(name), str(number)))
            if answer.data != path:
                wrong.append(answer.data)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []
    assert len(server.received) == 16 * 20


# TLS


def make_certificate(folder: Path, name: str) -> Path:
    """A self-signed certificate with its key, for one name or address."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    try:
        alternative: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        alternative = x509.DNSName(name)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{name}.pem"
    encoding = serialization.Encoding.PEM
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(certificate.public_bytes(encoding) + private)
    return file


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return make_certificate(tmp_path, "partner.example")


@pytest.fixture
def tls_server(certificate: Path) -> Iterator[AnsweringPartner]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with answering_partner(context) as partner:
        yield partner


def to_loopback(host: str, port: int, type: int = 0) -> list[tuple[Any, ...]]:
    return [(None, type, 6, "", ("127.0.0.1", port))]


def tls_client(certificate: Path | None) -> OcpiClient:
    tls = ssl.create_default_context(cafile=certificate) if certificate else None
    return make_client(UrlPolicy(allow_loopback=True, resolve=to_loopback), tls=tls)


def test_tls_uses_the_host_of_the_url_at_the_checked_address(
    tls_server: AnsweringPartner, certificate: Path
) -> None:
    """Source: OCPI 2.2.1 transport_and_format, Security and authentication; TRN-01"""
    partner = make_partner(make_endpoint(f"https://partner.example:{tls_server.port}/t"))
    client = tls_client(certificate)

    put(client, partner)
    put(client, partner)

    assert tls_server.server_names == ["partner.example"]
    assert tls_server.received[0].headers["host"] == f"partner.example:{tls_server.port}"


@pytest.mark.parametrize("host", ["other.example", "127.0.0.1"])
def test_a_certificate_for_another_name_is_refused(
    tls_server: AnsweringPartner, certificate: Path, host: str
) -> None:
    with pytest.raises(PartnerFault, match="no usable TLS") as caught:
        put(tls_client(certificate), make_partner(make_endpoint(f"https://{host}:{tls_server.port}/t")))

    assert caught.value.never_sent
    assert tls_server.received == []


def test_a_certificate_without_a_trusted_root_is_refused(tls_server: AnsweringPartner) -> None:
    partner = make_partner(make_endpoint(f"https://partner.example:{tls_server.port}/t"))

    with pytest.raises(PartnerFault, match="self-signed certificate"):
        put(tls_client(None), partner)

    assert tls_server.received == []


def test_hosts_on_one_address_do_not_share_a_connection(
    tls_server: AnsweringPartner, certificate: Path
) -> None:
    client = tls_client(certificate)
    put(client, make_partner(make_endpoint(f"https://partner.example:{tls_server.port}/t")))

    with pytest.raises(PartnerFault, match="no usable TLS"):
        put(client, make_partner(make_endpoint(f"https://other.example:{tls_server.port}/t")))


def test_a_certificate_may_name_an_address(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path, "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with answering_partner(context) as server:
        put(tls_client(certificate), make_partner(make_endpoint(f"https://127.0.0.1:{server.port}/t")))

        assert len(server.received) == 1


def test_a_tls_handshake_that_hangs_ends_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        partner = make_partner(make_endpoint(f"https://127.0.0.1:{silent.getsockname()[1]}/t"))
        started = time.monotonic()

        with pytest.raises(PartnerFault):
            put(make_client(), partner, total_s=0.3)

    assert time.monotonic() - started < 2


def test_an_answer_sent_byte_by_byte_over_tls_ends_at_the_deadline(
    tls_server: AnsweringPartner, certificate: Path
) -> None:
    tls_server.answer = drip(tls_server, b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"x")
    partner = make_partner(make_endpoint(f"https://partner.example:{tls_server.port}/t"))
    started = time.monotonic()

    with pytest.raises(PartnerFault) as caught:
        put(tls_client(certificate), partner, total_s=0.5)

    assert caught.value.timed_out
    assert time.monotonic() - started < 2
