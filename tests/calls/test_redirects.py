"""Redirects: followed for a GET on the same scheme, host and port, and nowhere else."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler

import pytest

from chalicelib.calls.answers import PartnerFault
from chalicelib.calls.client import Exchange
from chalicelib.partners.directory import Partner
from tests.calls.answering import AnsweringPartner, Received, answering_partner, envelope, reply
from tests.calls.calling import TOKEN_HEADER, make_client, put


def redirect_to(server: AnsweringPartner, *places: str, http_status: int = 307) -> None:
    """Answer one redirect after the other, then a success."""

    def answer(handler: BaseHTTPRequestHandler, request: Received) -> None:
        number = len(server.received) - 1
        if number < len(places):
            reply(handler, b"", http_status=http_status, headers={"Location": places[number]})
        else:
            reply(handler, envelope([{"id": "T1"}]))

    server.answer = answer


def get(partner: Partner) -> object:
    return make_client().send(partner, "tariffs", "SENDER", (), Exchange("GET"), {"limit": 5}).data


@pytest.mark.parametrize("http_status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("is_relative", [True, False])
def test_a_redirect_of_a_get_on_the_same_host_is_followed_with_the_token(
    server: AnsweringPartner, partner: Partner, http_status: int, is_relative: bool
) -> None:
    place = "/moved/tariffs?limit=5"
    redirect_to(server, place if is_relative else server.url(place), http_status=http_status)

    assert get(partner) == [{"id": "T1"}]
    assert [request.path for request in server.received] == ["/odd/sender/tariffs?limit=5", place]
    assert {request.headers["authorization"] for request in server.received} == {TOKEN_HEADER}


def test_three_redirects_are_followed_and_a_fourth_is_a_fault(
    server: AnsweringPartner, partner: Partner
) -> None:
    redirect_to(server, "/a", "/b", "/c")
    assert get(partner) == [{"id": "T1"}]

    server.received.clear()
    redirect_to(server, "/a", "/b", "/c", "/d")
    with pytest.raises(PartnerFault, match="redirect"):
        get(partner)
    assert [request.path for request in server.received][1:] == ["/a", "/b", "/c"]


@pytest.mark.parametrize(
    "place", ["http://localhost:{port}/x", "https://127.0.0.1:{port}/x", "//[::1", "a\\b"]
)
def test_a_redirect_to_another_scheme_host_or_port_is_a_fault(
    server: AnsweringPartner, partner: Partner, place: str
) -> None:
    redirect_to(server, place.format(port=server.port))

    with pytest.raises(PartnerFault, match="redirects") as caught:
        get(partner)

    assert caught.value.http_status == 307
    assert len(server.received) == 1


def test_our_token_never_goes_to_another_server(server: AnsweringPartner, partner: Partner) -> None:
    with answering_partner() as other:
        redirect_to(server, other.url("/sender/tariffs"))

        with pytest.raises(PartnerFault, match="another host"):
            get(partner)

    assert other.received == []


def test_a_redirect_of_another_method_is_a_fault(server: AnsweringPartner, partner: Partner) -> None:
    redirect_to(server, "/moved")

    with pytest.raises(PartnerFault, match="redirect"):
        put(make_client(), partner)

    assert len(server.received) == 1


def test_a_redirect_without_a_place_is_a_fault(server: AnsweringPartner, partner: Partner) -> None:
    server.answer = lambda handler, request: reply(handler, b"", http_status=302)

    with pytest.raises(PartnerFault, match="redirect"):
        get(partner)
