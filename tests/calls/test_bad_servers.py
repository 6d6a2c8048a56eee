"""Tests of the client against servers that are slow, break off, or send too much.

Source: OCPI 2.2.1 transport_and_format; TRN
"""

from __future__ import annotations

import socket
import time
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from chalicelib.calls.client import PartnerFault
from chalicelib.calls.urls import UrlPolicy
from chalicelib.partners.directory import Partner
from tests.calls.answering import AnsweringPartner, Received
from tests.calls.calling import TOKEN, Answering, drip, make_client, make_endpoint, make_partner, put


def play_dead(server: AnsweringPartner) -> Answering:
    def answer(handler: BaseHTTPRequestHandler, request: Received) -> None:
        server.stopped.wait(10)

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
