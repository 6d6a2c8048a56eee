"""Registrations that fail half-way are undone on both sides; a node cannot register at itself.

Source: OCPI 2.2.1 credentials, Errors during registration; CRD-14, CRD-18 … CRD-22
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.calls.answers import PartnerFault
from chalicelib.modules.credentials import called_side, calling_side
from chalicelib.modules.credentials.calling_side import HandshakeFailed
from chalicelib.modules.credentials.handshake import credentials_document
from chalicelib.partners.settings import PartnerSettings
from tests.harness.nodes import Host

CREDENTIALS = "/ocpi/2.2.1/credentials"
VERSIONS = "https://hub.example/ocpi/versions"
BASE = "https://cpo.example/ocpi"

UNUSABLE: dict[str, Callable[[dict[str, Any]], Any]] = {
    "roles missing": lambda data: {key: data[key] for key in ("token", "url")},
    "role of an unknown kind": lambda data: {**data, "roles": [{**data["roles"][0], "role": "PIRATE"}]},
    "url that is no URL": lambda data: {**data, "url": "here"},
    "no data": lambda data: None,
    "a list": lambda data: [data, data],
    "a token that is none": lambda data: {**data, "token": "two words"},
}


def mangle_answers(
    host: Host, method: str, mangle: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Change the data that this node reads in the answers to a method."""
    call = host.node.client.call_url

    def call_and_mangle(url: str, used: str, *arguments: Any, **options: Any) -> Any:
        answer = call(url, used, *arguments, **options)
        return replace(answer, data=mangle(answer.data)) if used == method else answer

    monkeypatch.setattr(host.node.client, "call_url", call_and_mangle)


def register(cpo: Host, token: str) -> Any:
    return calling_side.register(cpo.node, PartnerSettings(name="hub"), VERSIONS, token, BASE)


@pytest.mark.parametrize(
    "name", ["roles missing", "role of an unknown kind", "url that is no URL"], ids=lambda name: str(name)
)
def test_a_registration_with_an_unusable_answer_is_deleted_with_the_token_in_the_answer(
    network: dict[str, Host], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """CRD-14, CRD-22"""
    cpo, hub = network["cpo"], network["hub"]
    invited, token = called_side.invite(hub.node, PartnerSettings(name="cpo"))
    mangle_answers(cpo, "POST", UNUSABLE[name], monkeypatch)

    with pytest.raises(HandshakeFailed, match=r"taken back there.*new token"):
        register(cpo, token)

    assert cpo.node.directory.all() == []
    there = hub.node.directory.get(invited.id)
    assert there is not None
    assert (there.status, there.held_tokens, there.outbound_token) == ("UNREGISTERED", (), None)


@pytest.mark.parametrize("name", ["no data", "a list", "a token that is none"], ids=lambda name: str(name))
def test_a_registration_without_a_usable_token_is_deleted_with_token_a_and_a_failure_is_reported(
    network: dict[str, Host], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    cpo, hub = network["cpo"], network["hub"]
    token = called_side.invite(hub.node, PartnerSettings(name="cpo"))[1]
    mangle_answers(cpo, "POST", UNUSABLE[name], monkeypatch)

    with pytest.raises(HandshakeFailed, match="did not take it back: ask the partner to remove"):
        register(cpo, token)

    calls = getattr(cpo.node.client, "calls")  # noqa: B009
    assert calls[-1] == ("DELETE", f"https://hub.example{CREDENTIALS}")
    assert cpo.node.directory.all() == []


def test_a_registration_without_an_answer_is_not_deleted_at_the_partner(
    network: dict[str, Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Token A may still be valid at the partner."""
    cpo, hub = network["cpo"], network["hub"]
    token = called_side.invite(hub.node, PartnerSettings(name="cpo"))[1]

    def break_off(data: object) -> object:
        raise PartnerFault("broke the connection off", not_connected=True)

    with monkeypatch.context() as patch:
        mangle_answers(cpo, "POST", break_off, patch)
        with pytest.raises(HandshakeFailed, match="broke the connection off"):
            register(cpo, token)

    calls = getattr(cpo.node.client, "calls")  # noqa: B009
    assert "DELETE" not in {method for method, _ in calls}
    assert cpo.node.directory.all() == []


# Registration of a node at itself


@pytest.mark.parametrize("versions_url", [f"{BASE}/versions", "https://CPO.example:443/ocpi/versions"])
def test_a_node_does_not_register_with_itself(network: dict[str, Host], versions_url: str) -> None:
    cpo = network["cpo"]
    token = called_side.invite(cpo.node, PartnerSettings(name="myself"))[1]

    with pytest.raises(HandshakeFailed, match="this node's own"):
        calling_side.register(cpo.node, PartnerSettings(name="myself"), versions_url, token, BASE)

    assert [partner.status for partner in cpo.node.directory.all()] == ["INVITED"]


def test_a_node_recognises_its_own_token_under_another_host_name(network: dict[str, Host]) -> None:
    cpo = network["cpo"]
    token = called_side.invite(cpo.node, PartnerSettings(name="myself"))[1]

    with pytest.raises(HandshakeFailed, match="made by this node"):
        calling_side.register(
            cpo.node, PartnerSettings(name="myself"), "https://alias.example/ocpi/versions", token, BASE
        )


def test_a_node_recognises_its_own_token_in_base64(network: dict[str, Host]) -> None:
    """A partner with raw tokens gets it unchanged, and this node would accept it as its own token."""
    cpo = network["cpo"]
    token = b64encode(called_side.invite(cpo.node, PartnerSettings(name="myself"))[1].encode()).decode()

    with pytest.raises(HandshakeFailed, match="made by this node"):
        calling_side.register(
            cpo.node,
            PartnerSettings(name="myself", token_encoding="raw"),
            "https://alias.example/ocpi/versions",
            token,
            BASE,
        )


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://hub.example/ocpi/versions", "this node's own"),
        ("https://alias.example/ocpi/versions", "made by this node"),
    ],
)
def test_a_partner_cannot_give_a_node_its_own_url_or_token(
    network: dict[str, Host], url: str, reason: str
) -> None:
    """The attack: the partner gives the node's own URL, together with a token of the node itself."""
    cpo, hub = network["cpo"], network["hub"]
    register(cpo, called_side.invite(hub.node, PartnerSettings(name="cpo"))[1])
    (at_cpo,) = cpo.node.directory.all()
    token = cpo.node.directory.token_for(at_cpo)
    before = hub.node.directory.all()
    document = {**credentials_document(cpo.node, token, BASE), "url": url}

    answer = hub.call("PUT", CREDENTIALS, token, document)

    assert (answer.status, answer.json["status_code"]) == (200, 2001)
    assert reason in answer.json["status_message"]
    # Using the token removes the one that it replaced. Nothing else changes.
    assert [one.endpoints for one in hub.node.directory.all()] == [one.endpoints for one in before]
    assert [one.versions_url for one in hub.node.directory.all()] == [f"{BASE}/versions"]


def test_an_endpoint_at_this_nodes_own_url_is_refused(
    network: dict[str, Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    cpo, hub = network["cpo"], network["hub"]
    token = called_side.invite(hub.node, PartnerSettings(name="cpo"))[1]

    def point_here(data: Any) -> Any:
        if isinstance(data, dict):
            here = {"identifier": "tokens", "role": "SENDER", "url": f"{BASE}/2.2.1/sender/tokens"}
            return {**data, "endpoints": [*data["endpoints"], here]}
        return data

    mangle_answers(cpo, "GET", point_here, monkeypatch)

    with pytest.raises(HandshakeFailed, match="tokens SENDER is this node's own URL"):
        register(cpo, token)
    assert cpo.node.directory.all() == []
