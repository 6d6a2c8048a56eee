"""Tests of the hosts that the client calls, and of those that get a token.

Source: OCPI 2.2.1 mod_commands response_url; TRP-23
"""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from chalicelib.calls.client import Exchange, PartnerFault, PartnerRefusal, belongs_to
from chalicelib.calls.urls import UrlPolicy
from chalicelib.partners.directory import Partner
from tests.calls.answering import AnsweringPartner, answering_partner
from tests.calls.calling import TOKEN_HEADER, make_client, make_endpoint, make_partner, put


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
        make_client().send(partner, "cdrs", "RECEIVER", (), Exchange("POST", {}))

    assert server.received == []


def test_a_post_to_the_partner_s_own_host_carries_its_token(
    server: AnsweringPartner, partner: Partner
) -> None:
    exchange = Exchange("POST", {"result": "ACCEPTED"}, correlation_id="c")
    make_client().post_to(partner, server.url("/commands/START/1?x=2"), exchange)

    (request,) = server.received
    assert (request.method, request.path) == ("POST", "/commands/START/1?x=2")
    assert request.headers["authorization"] == TOKEN_HEADER
    assert request.headers["x-correlation-id"] == "c"
    assert json.loads(request.body) == {"result": "ACCEPTED"}


def test_a_url_on_another_host_gets_neither_the_token_nor_a_call(partner: Partner) -> None:
    """Source: OCPI 2.2.1 mod_commands response_url; TRP-23"""
    with answering_partner() as stranger:
        with pytest.raises(PartnerRefusal, match="none of the partner's own hosts"):
            make_client().post_to(partner, stranger.url("/steal"), Exchange("POST", {}))

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
