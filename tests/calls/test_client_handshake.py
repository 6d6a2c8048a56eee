"""Tests of the client's calls of a handshake.

Source: OCPI 2.2.1 version_information_endpoint, version_details_endpoint; VER-05, VER-10
"""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.calls.client import PartnerFault, VersionEntry
from chalicelib.calls.urls import UrlPolicy
from chalicelib.errors import InvalidParameters
from chalicelib.partners.directory import Partner
from tests.calls.answering import AnsweringPartner, envelope, reply
from tests.calls.calling import TOKEN, TOKEN_HEADER, make_client, make_endpoint


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
