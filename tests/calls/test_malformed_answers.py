"""Tests of malformed HTTP answers: each kind gives a PartnerFault and uses no memory.

Source: OCPI 2.2.1 transport_and_format; TRN-13
"""

from __future__ import annotations

import tracemalloc

import pytest

from chalicelib.calls.answers import PartnerFault
from chalicelib.calls.client import OcpiClient
from chalicelib.calls.pages import next_link
from chalicelib.partners.directory import Partner
from tests.calls.answering import AnsweringPartner, Received, envelope, reply
from tests.calls.calling import crawl, make_client, make_endpoint, make_partner, put

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
BODY = b'{"status_code": 1000}'

MALFORMED = {
    "length of 2^70": OK + b"Content-Length: %d\r\n\r\n" % 2**70 + BODY,
    "length of 10^12": OK + b"Content-Length: 1000000000000\r\n\r\n" + BODY,
    "length one above the limit": OK + b"Content-Length: 10485761\r\n\r\n" + BODY,
    "negative length": OK + b"Content-Length: -1\r\n\r\n" + BODY,
    "length that is no number": OK + b"Content-Length: many\r\n\r\n" + BODY,
    "gzip that is none": OK + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
    "two lengths": OK + b"Content-Length: 5, 70\r\n\r\n" + BODY,
    "negative chunk": CHUNKED + b"-5\r\nabc\r\n0\r\n\r\n",
    "chunk of 2^80": CHUNKED + b"100000000000000000000\r\nabc\r\n0\r\n\r\n",
    "chunk of 2^40": CHUNKED + b"10000000000\r\nabc\r\n0\r\n\r\n",
    "chunk size of 5,000 digits": CHUNKED + b"1" * 5000 + b"\r\nabc\r\n0\r\n\r\n",
    "chunk size that is no number": CHUNKED + b"zz\r\nabc\r\n0\r\n\r\n",
    "status of three zeros": b"HTTP/1.1 000 X\r\nContent-Length: 21\r\n\r\n" + BODY,
    "500 headers": OK + b"".join(b"X-%d: 1\r\n" % number for number in range(500)) + b"\r\n" + BODY,
    "a header of 100,000 bytes": OK + b"X: " + b"a" * 100_000 + b"\r\n\r\n" + BODY,
}
LINKS = ["//[::1", "//]x", "//a\u2100b/", "http://[", "https://user@127.0.0.1/"]


@pytest.fixture
def partner(server: AnsweringPartner) -> Partner:
    endpoints = [make_endpoint(server.url("/tariffs"), role=role) for role in ("SENDER", "RECEIVER")]
    return make_partner(*endpoints, versions_url=server.url("/versions"))


@pytest.fixture
def client() -> OcpiClient:
    return make_client()


def answer_bytes(server: AnsweringPartner, content: bytes) -> None:
    def answer(handler: object, request: Received) -> None:
        handler.wfile.write(content)  # type: ignore[attr-defined]
        handler.close_connection = True  # type: ignore[attr-defined]

    server.answer = answer


@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED.keys())
def test_every_kind_of_call_ends_in_a_fault(
    server: AnsweringPartner, partner: Partner, client: OcpiClient, content: bytes
) -> None:
    answer_bytes(server, content)

    with pytest.raises(PartnerFault):
        put(client, partner)
    with pytest.raises(PartnerFault):
        list(crawl(client, partner))
    with pytest.raises(PartnerFault):
        client.probe(partner)
    with pytest.raises(PartnerFault):
        client.get_versions(server.url("/versions"), "a-token")


@pytest.mark.parametrize("declared", [b"Content-Length: 1000000000000", b"Transfer-Encoding: chunked"])
def test_a_false_declared_length_allocates_no_memory(
    server: AnsweringPartner, partner: Partner, client: OcpiClient, declared: bytes
) -> None:
    answer_bytes(server, OK + declared + b"\r\n\r\n" + b"900000\r\n" + BODY)
    with pytest.raises(PartnerFault):
        put(client, partner)

    tracemalloc.start()
    try:
        with pytest.raises(PartnerFault):
            put(client, partner)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 2_000_000


def test_a_declared_length_above_the_limit_is_refused_before_reading(
    server: AnsweringPartner, partner: Partner, client: OcpiClient
) -> None:
    answer_bytes(server, OK + b"Content-Length: 10485761\r\n\r\n" + BODY)

    with pytest.raises(PartnerFault, match="more than 10485760 bytes"):
        put(client, partner)


def test_a_connection_with_a_malformed_answer_is_not_used_again(
    server: AnsweringPartner, partner: Partner, client: OcpiClient
) -> None:
    answer_bytes(server, MALFORMED["negative chunk"])
    with pytest.raises(PartnerFault):
        put(client, partner)

    server.answer = lambda handler, request: reply(handler)

    assert put(client, partner).status_code == 1000
    assert server.connections == 2


@pytest.mark.parametrize("target", LINKS)
def test_a_link_that_cannot_be_read_is_a_fault_and_is_not_followed(
    server: AnsweringPartner, partner: Partner, client: OcpiClient, target: str
) -> None:
    content = b'[{"id": 1}]'
    body = b'{"status_code": 1000, "data": ' + content + b"}"
    lines = [OK[:-2], f'Link: <{target}>; rel="next"'.encode(), b"Content-Length: %d" % len(body), b"", body]
    answer_bytes(server, b"\r\n".join(lines))
    objects = crawl(client, partner)

    assert next(objects) == {"id": 1}
    with pytest.raises(PartnerFault):
        next(objects)

    assert len(server.received) == 1


def test_an_unreadable_location_header_is_ignored(
    server: AnsweringPartner, partner: Partner, client: OcpiClient
) -> None:
    server.answer = lambda handler, request: reply(
        handler, envelope(None), http_status=201, headers={"Location": "//["}
    )

    assert put(client, partner).status_code == 1000


def test_a_relative_link_that_cannot_be_joined_is_returned_unchanged() -> None:
    assert next_link('<//[::1>; rel="next"', "https://example.com/tokens") == "//[::1"
