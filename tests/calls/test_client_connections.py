"""Tests of the client's reuse of connections."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler

import pytest

from chalicelib.calls.client import Exchange, PartnerFault
from chalicelib.partners.directory import Partner
from tests.calls.answering import AnsweringPartner, Received, envelope, reply
from tests.calls.calling import drip, make_client, put


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
            answer = client.send(partner, "tariffs", "RECEIVER", (str(name), str(number)), Exchange("GET"))
            if answer.data != path:
                wrong.append(answer.data)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []
    assert len(server.received) == 16 * 20
