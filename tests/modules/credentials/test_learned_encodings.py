"""The encoding of our tokens is learned in the handshake, unless the operator set it. Source: TRN-05"""

from __future__ import annotations

import base64
from typing import Any

import pytest

from chalicelib.modules.credentials import called_side, calling_side
from chalicelib.modules.credentials.calling_side import HandshakeFailed
from chalicelib.modules.credentials.handshake import encodings_to_try
from chalicelib.partners.directory import Partner
from chalicelib.partners.settings import PartnerSettings
from chalicelib.protocol.auth import write_authorization
from chalicelib.protocol.json_text import write_json
from tests.harness.nodes import Host
from tests.modules.credentials.handshakes import CREDENTIALS, VERSIONS, document_of


def refuse(host: Host, encoding: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Make a node answer 401 to tokens in an encoding. Returns the encodings of all its callers' tokens."""
    receive, received = host.receive, []

    def strict(method: str, path: str, headers: dict[str, str], body: str | None) -> Any:
        text = headers["authorization"].removeprefix("Token ")
        received.append("base64" if is_base64(text) else "raw")
        if received[-1] == encoding:
            headers = {**headers, "authorization": "Token refused"}
        return receive(method, path, headers, body)

    monkeypatch.setattr(host, "receive", strict)
    return received


def is_base64(text: str) -> bool:
    """Tell whether a text is one of our tokens in Base64; a token alone is never 60 characters long."""
    try:
        return len(base64.b64decode(text, validate=True).decode()) > 20
    except ValueError:
        return False


def post_with_raw_token(hub: Host, cpo: Host, **settings: Any) -> tuple[Any, Partner]:
    """Register the CPO at the hub, whose CPO sends its tokens raw. Returns the answer and the partner."""
    partner, token = called_side.invite(hub.node, PartnerSettings(name="cpo", **settings))
    ours = cpo.node.directory.new_token()
    called_side.invite(cpo.node, PartnerSettings(name="hub"))
    (at_cpo,) = cpo.node.directory.all()
    held = at_cpo.held_tokens[0].model_copy(update={"fingerprint": cpo.node.directory.fingerprint(ours)})
    cpo.node.directory.save(at_cpo.model_copy(update={"held_tokens": (held,)}), at_cpo)
    headers = {"authorization": write_authorization(token, "raw"), "content-type": "application/json"}

    answer = hub.receive("POST", CREDENTIALS, headers, write_json(document_of(cpo, ours)))

    stored = hub.node.directory.get(partner.id)
    assert stored is not None
    return answer.json["status_code"], stored


def test_a_partner_that_registers_with_a_raw_token_gets_raw_ones(
    cpo: Host, hub: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    received = refuse(cpo, "base64", monkeypatch)

    code, partner = post_with_raw_token(hub, cpo)

    assert code == 1000
    assert (partner.token_encoding, partner.encoding_origin) == ("raw", "LEARNED")
    assert received == ["raw", "raw"]


def test_a_partner_that_sends_raw_and_accepts_base64_only_gets_base64(
    cpo: Host, hub: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    received = refuse(cpo, "raw", monkeypatch)

    code, partner = post_with_raw_token(hub, cpo)

    assert code == 1000
    assert (partner.token_encoding, partner.encoding_origin) == ("base64", "DEFAULT")
    assert received == ["raw", "base64", "base64"]


@pytest.mark.parametrize("settings", [{"token_encoding": "base64"}, {"token_encoding": "raw"}])
def test_the_operator_s_setting_is_the_only_encoding(
    cpo: Host, hub: Host, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    received = refuse(cpo, settings["token_encoding"], monkeypatch)

    code, partner = post_with_raw_token(hub, cpo, **settings)

    assert code == 3001
    assert (partner.token_encoding, partner.encoding_origin) == (settings["token_encoding"], "OPERATOR")
    assert received == [settings["token_encoding"]]


def test_a_registration_of_ours_finds_the_encoding(
    cpo: Host, hub: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    received = refuse(hub, "base64", monkeypatch)
    _, token = called_side.invite(hub.node, PartnerSettings(name="cpo"))
    place = (f"https://hub.example{VERSIONS}", token, "https://cpo.example/ocpi")

    partner = calling_side.register(cpo.node, PartnerSettings(name="hub"), *place)

    assert (partner.token_encoding, partner.encoding_origin) == ("raw", "LEARNED")
    assert received == ["base64", "raw", "raw", "raw"]


def test_a_registration_in_the_operator_s_encoding_tries_no_other(
    cpo: Host, hub: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    received = refuse(hub, "base64", monkeypatch)
    _, token = called_side.invite(hub.node, PartnerSettings(name="cpo"))
    settings = PartnerSettings(name="hub", token_encoding="base64")

    with pytest.raises(HandshakeFailed, match="not accepted"):
        calling_side.register(
            cpo.node, settings, f"https://hub.example{VERSIONS}", token, "https://cpo.example/ocpi"
        )

    assert received == ["base64"]
    assert cpo.node.directory.all() == []


@pytest.mark.parametrize(
    ("only_version", "encoding"), [("", "base64"), ("2.2.1", "base64"), ("2.1.1", "raw")]
)
def test_a_strict_partner_gets_tokens_by_the_letter_of_its_version(
    hub: Host, only_version: str, encoding: str
) -> None:
    """Source: TRN-05, V211-04"""
    settings = PartnerSettings(name="x", strict=True, only_version=only_version)
    invited, _ = called_side.invite(hub.node, settings)

    assert encodings_to_try(invited) == (encoding,)
