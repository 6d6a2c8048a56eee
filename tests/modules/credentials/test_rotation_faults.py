"""Rotations that fail: the tokens that stay valid afterwards, and repeated requests.

Source: OCPI 2.2.1 credentials, PUT Method; CRD-12, CRD-18, CRD-22
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.calls.answers import PartnerFault, PartnerRefusal
from chalicelib.modules.credentials import called_side, calling_side
from chalicelib.modules.credentials.calling_side import HandshakeFailed
from chalicelib.modules.credentials.handshake import credentials_document
from chalicelib.partners.directory import Partner
from chalicelib.partners.settings import PartnerSettings
from tests.harness.nodes import Host

CREDENTIALS = "/ocpi/2.2.1/credentials"
VERSIONS = "/ocpi/versions"
BASE = "https://cpo.example/ocpi"


@pytest.fixture
def at_cpo(cpo: Host, hub: Host) -> Partner:
    """Register the CPO at the hub. Returns the hub as the CPO's partner."""
    token_a = called_side.invite(hub.node, PartnerSettings(name="cpo"))[1]
    return calling_side.register(
        cpo.node, PartnerSettings(name="hub"), f"https://hub.example{VERSIONS}", token_a, BASE
    )


def token_toward_hub(cpo: Host) -> str:
    (partner,) = cpo.node.directory.all()
    return cpo.node.directory.token_for(partner)


def answer_put_with(host: Host, error: Exception, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Make each PUT of this node fail. Returns the list of the tokens that it sends in them."""
    sent: list[str] = []
    call = host.node.client.call_url

    def fail(url: str, method: str, *arguments: Any, **options: Any) -> Any:
        if method != "PUT":
            return call(url, method, *arguments, **options)
        sent.append(options["document"]["token"])
        raise error

    monkeypatch.setattr(host.node.client, "call_url", fail)
    return sent


@pytest.mark.parametrize(
    "error",
    [
        PartnerRefusal("refuses the credentials", http_status=200, status_code=2001),
        PartnerFault("refuses the token", http_status=401),
        PartnerFault("refuses the token", http_status=403),
        PartnerFault("answered with a page", http_status=400),
        PartnerFault("answered with a page", http_status=499),
        PartnerFault("cannot use our API", http_status=200, status_code=3001),
        PartnerFault("does not accept connections", never_sent=True),
    ],
    ids=["refused", "401", "403", "400", "499", "3001", "never sent"],
)
def test_a_new_token_that_was_refused_is_not_valid(
    cpo: Host, at_cpo: Partner, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CRD-22: only the old token stays valid, because a token that was sent and refused may have leaked."""
    sent = answer_put_with(cpo, error, monkeypatch)

    with pytest.raises(HandshakeFailed):
        calling_side.rotate(cpo.node, at_cpo, BASE)

    (token,) = sent
    assert cpo.call("GET", VERSIONS, token).status == 401
    (stored,) = cpo.node.directory.all()
    assert stored.held_tokens == at_cpo.held_tokens


@pytest.mark.parametrize(
    "error",
    [
        PartnerFault("did not answer in time", timed_out=True),
        PartnerFault("is broken", http_status=500),
        PartnerFault("is broken", http_status=502),
        PartnerFault("answered with a redirect", http_status=399),
    ],
    ids=["no answer", "500", "502", "399"],
)
def test_a_new_token_with_unknown_outcome_is_valid_beside_the_old_one(
    cpo: Host, at_cpo: Partner, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CRD-22: the partner may use either."""
    sent = answer_put_with(cpo, error, monkeypatch)

    with pytest.raises(HandshakeFailed):
        calling_side.rotate(cpo.node, at_cpo, BASE)

    assert cpo.call("GET", VERSIONS, sent[0]).status == 200
    (stored,) = cpo.node.directory.all()
    assert set(at_cpo.held_tokens) < set(stored.held_tokens)


def test_no_new_token_is_sent_to_a_partner_that_refuses_our_only_token(
    cpo: Host, hub: Host, at_cpo: Partner
) -> None:
    """CRD-18: a PUT with a refused old token is sent only after an earlier PUT got no answer."""
    (at_hub,) = hub.node.directory.all()
    hub.node.directory.remove(at_hub)
    calls = getattr(cpo.node.client, "calls")  # noqa: B009
    calls.clear()

    with pytest.raises(HandshakeFailed) as caught:
        calling_side.rotate(cpo.node, at_cpo, BASE)

    assert caught.value.http_status == 401
    assert [method for method, _ in calls] == ["GET"]


def test_no_new_token_is_sent_to_a_partner_whose_versions_fail(
    cpo: Host, hub: Host, at_cpo: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CRD-18: two tokens are valid since an answer got lost, and the partner is down now."""
    answer_put_with(cpo, PartnerFault("did not answer in time", timed_out=True), monkeypatch)
    with pytest.raises(HandshakeFailed):
        calling_side.rotate(cpo.node, at_cpo, BASE)
    monkeypatch.undo()
    (waiting,) = cpo.node.directory.all()
    hub.broken = VERSIONS
    calls = getattr(cpo.node.client, "calls")  # noqa: B009
    calls.clear()

    with pytest.raises(HandshakeFailed):
        calling_side.rotate(cpo.node, waiting, BASE)

    assert len(waiting.held_tokens) == 2
    assert [method for method, _ in calls] == ["GET"]


@pytest.mark.parametrize(
    "change",
    [
        lambda data: {**data, "url": f"{BASE}/versions"},
        lambda data: {**data, "url": "https://CPO.example:443/ocpi/versions"},
    ],
    ids=["our versions", "our versions, written otherwise"],
)
def test_a_partner_cannot_give_a_node_its_own_url_in_a_rotation(
    cpo: Host, hub: Host, at_cpo: Partner, change: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = cpo.node.client.call_url

    def answer_with_our_url(url: str, method: str, *arguments: Any, **options: Any) -> Any:
        answer = call(url, method, *arguments, **options)
        return replace(answer, data=change(answer.data)) if method == "PUT" else answer

    monkeypatch.setattr(cpo.node.client, "call_url", answer_with_our_url)

    with pytest.raises(HandshakeFailed, match="own"):
        calling_side.rotate(cpo.node, at_cpo, BASE)

    (stored,) = cpo.node.directory.all()
    assert stored.versions_url == f"https://hub.example{VERSIONS}"


def go_offline(host: Host) -> Partner:
    (partner,) = host.node.directory.all()
    changed = host.node.directory.update(
        partner.id,
        lambda current: current.model_copy(
            update={"connection": "OFFLINE", "offline_since": "2026-03-01T11:00:00Z"}
        ),
    )
    assert changed is not None
    return changed


def test_our_rotation_makes_an_offline_partner_connected(cpo: Host, at_cpo: Partner) -> None:
    offline = go_offline(cpo)

    calling_side.rotate(cpo.node, offline, BASE)

    (stored,) = cpo.node.directory.all()
    assert (stored.connection, stored.offline_since) == ("CONNECTED", None)


def test_a_rotation_by_an_offline_partner_makes_it_connected(cpo: Host, hub: Host, at_cpo: Partner) -> None:
    go_offline(hub)

    calling_side.rotate(cpo.node, at_cpo, BASE)

    (stored,) = hub.node.directory.all()
    assert (stored.connection, stored.offline_since) == ("CONNECTED", None)


@pytest.mark.parametrize(
    "change",
    [
        lambda document: {**document, "url": "https://hub.example/ocpi/versions"},
        lambda document: {**document, "roles": [{**document["roles"][0], "party_id": "EVX"}]},
        lambda document: {**document, "roles": [{**document["roles"][0], "country_code": "ES"}]},
        lambda document: {**document, "roles": [{**document["roles"][0], "role": "EMSP"}]},
        lambda document: {
            **document,
            "roles": [*document["roles"], {**document["roles"][0], "role": "EMSP"}],
        },
    ],
    ids=["another url", "another party", "another country", "another role", "a role more"],
)
def test_a_replaced_token_is_valid_only_for_the_same_put(
    cpo: Host, hub: Host, at_cpo: Partner, change: Any
) -> None:
    """CRD-12: it may have been replaced because it leaked."""
    old = token_toward_hub(cpo)
    (at_hub,) = hub.node.directory.all()
    document = credentials_document(cpo.node, hub.node.directory.token_for(at_hub), BASE)
    hub.call("PUT", CREDENTIALS, old, document)
    (before,) = hub.node.directory.all()

    refused = hub.call("PUT", CREDENTIALS, old, change(document))

    assert refused.status == 401
    (after,) = hub.node.directory.all()
    assert after == before
    assert hub.call("PUT", CREDENTIALS, old, document).status == 200


def test_the_text_of_a_failed_handshake_has_the_reason_without_the_codes() -> None:
    failed = HandshakeFailed("the partner refuses", 2001, 200)

    assert (str(failed), failed.status_code, failed.http_status) == ("the partner refuses", 2001, 200)
