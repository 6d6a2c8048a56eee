"""Registration, rotation and unregistration between two nodes.

Source: OCPI 2.2.1 credentials; CRD-01 … CRD-28
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.calls.answers import PartnerFault, PartnerRefusal
from chalicelib.calls.client import VersionEntry
from chalicelib.modules.credentials import handshake
from chalicelib.modules.credentials import routes as credentials_routes
from chalicelib.modules.credentials.handshake import HandshakeFailed
from chalicelib.partners.breaker import Breaker
from chalicelib.partners.directory import PartnerRole
from tests.account import aws
from tests.nodes import Host, make_network

CREDENTIALS = "/ocpi/2.2.1/credentials"
VERSIONS = "/ocpi/versions"


@pytest.fixture
def network() -> Iterator[dict[str, Host]]:
    with aws() as account:
        yield make_network(account, cpo="CPO", hub="HUB", emsp="EMSP")


@pytest.fixture
def hub(network: dict[str, Host]) -> Host:
    return network["hub"]


@pytest.fixture
def cpo(network: dict[str, Host]) -> Host:
    return network["cpo"]


def _invite(host: Host, name: str = "partner") -> str:
    return handshake.invite(host.node, name)[1]


def _register(caller: Host, called: Host) -> Any:
    """Register `caller` at `called`. Returns the partner that the caller stored."""
    return handshake.register(
        caller.node,
        "other side",
        f"{called.node.settings.public_url}{VERSIONS}",
        _invite(called),
        f"{caller.node.settings.public_url}/ocpi",
    )


def _token_of(host: Host) -> str:
    """The token that this node uses toward its only partner."""
    (partner,) = host.node.directory.all()
    return host.node.directory.token_for(partner)


def _document(host: Host, token: str = "own-token") -> dict[str, Any]:
    return handshake.credentials_document(host.node, token, f"{host.node.settings.public_url}/ocpi")


def test_two_nodes_register_and_each_can_call_the_other(cpo: Host, hub: Host) -> None:
    """CRD-02 … CRD-07: the hub calls the CPO back before it answers."""
    at_cpo = _register(cpo, hub)

    (at_hub,) = hub.node.directory.all()
    assert (at_cpo.status, at_hub.status) == ("REGISTERED", "REGISTERED")
    assert cpo.call("GET", VERSIONS, _token_of(hub)).status == 200
    assert hub.call("GET", VERSIONS, _token_of(cpo)).status == 200
    assert [method for method, _ in getattr(cpo.node.client, "calls")] == ["GET", "GET", "POST"]  # noqa: B009
    assert {(e.identifier, e.role) for e in at_hub.endpoints} >= {
        ("credentials", "SENDER"),
        ("tariffs", "SENDER"),
    }
    assert [(r.role, r.party_id) for r in at_hub.roles] == [("CPO", "ABC")]


def test_token_a_is_invalid_after_the_registration(cpo: Host, hub: Host) -> None:
    """CRD-06"""
    token_a = _invite(hub)
    handshake.register(
        cpo.node, "hub", "https://hub.example/ocpi/versions", token_a, "https://cpo.example/ocpi"
    )

    assert hub.call("GET", VERSIONS, token_a).status == 401
    assert hub.call("POST", CREDENTIALS, token_a, _document(cpo)).status == 401
    repeated = _document(cpo, _token_of(hub))
    assert hub.call("PUT", CREDENTIALS, token_a, repeated).status == 401
    assert hub.call("DELETE", CREDENTIALS, token_a).status == 401


def test_two_invitations_have_different_tokens(hub: Host) -> None:
    """CRD-01"""
    assert _invite(hub, "one") != _invite(hub, "two")
    assert [partner.status for partner in hub.node.directory.all()] == ["INVITED", "INVITED"]


def test_methods_that_the_state_does_not_allow_are_405(cpo: Host, hub: Host) -> None:
    """CRD-08, CRD-09, CRD-10, CRD-16"""
    token_a = _invite(hub)
    before = [
        hub.call(method, CREDENTIALS, token_a, _document(cpo)).status for method in ("PUT", "DELETE", "PATCH")
    ]
    _register(cpo, hub)
    after = [
        hub.call(method, CREDENTIALS, _token_of(cpo), _document(cpo)).status for method in ("POST", "PATCH")
    ]

    assert before == [405, 405, 405]
    assert after == [405, 405]


def test_the_caller_sees_its_own_token_in_our_credentials(cpo: Host, hub: Host) -> None:
    """CRD-15, CRD-26"""
    _register(cpo, hub)
    seen = hub.call("GET", CREDENTIALS, _token_of(cpo)).json["data"]

    assert seen["token"] == _token_of(cpo)
    assert seen["url"] == "https://hub.example/ocpi/versions"
    assert [role["role"] for role in seen["roles"]] == ["HUB"]


def test_a_rotation_replaces_both_tokens_and_makes_the_old_ones_invalid(cpo: Host, hub: Host) -> None:
    """CRD-11, CRD-12, CRD-27"""
    partner = _register(cpo, hub)
    old_c, old_b = _token_of(cpo), _token_of(hub)

    handshake.rotate(cpo.node, partner, "https://cpo.example/ocpi")

    new_c, new_b = _token_of(cpo), _token_of(hub)
    assert new_c != old_c and new_b != old_b
    assert [hub.call("GET", VERSIONS, token).status for token in (old_c, new_c)] == [401, 200]
    assert [cpo.call("GET", VERSIONS, token).status for token in (old_b, new_b)] == [401, 200]


def test_a_rotation_whose_answer_got_lost_can_be_sent_again_with_the_old_token(cpo: Host, hub: Host) -> None:
    """CRD-12, CRD-22: until the new token is used, the old one is valid only to repeat its PUT."""
    _register(cpo, hub)
    old = _token_of(cpo)
    document = _document(cpo, _token_of(hub))

    lost = hub.call("PUT", CREDENTIALS, old, document).json["data"]["token"]
    assert hub.call("GET", CREDENTIALS, old).status == 401
    again = hub.call("PUT", CREDENTIALS, old, document).json["data"]["token"]
    assert hub.call("GET", VERSIONS, lost).status == 401
    assert hub.call("GET", VERSIONS, again).status == 200
    assert hub.call("PUT", CREDENTIALS, old, document).status == 401


def test_a_failed_rotation_leaves_the_old_tokens_valid(cpo: Host, hub: Host) -> None:
    """CRD-19, CRD-22"""
    partner = _register(cpo, hub)
    old_c, old_b = _token_of(cpo), _token_of(hub)
    cpo.broken = VERSIONS

    with pytest.raises(HandshakeFailed) as caught:
        handshake.rotate(cpo.node, partner, "https://cpo.example/ocpi")

    assert caught.value.status_code == 3001
    assert (_token_of(cpo), _token_of(hub)) == (old_c, old_b)
    assert hub.call("GET", VERSIONS, old_c).status == 200
    assert cpo.call("GET", VERSIONS, old_b).status == 200
    (stored,) = cpo.node.directory.all()
    assert len(stored.held_tokens) == 1


@pytest.mark.parametrize(
    ("error", "is_kept"),
    [
        (PartnerRefusal("answered 2001 with HTTP 200", http_status=200, status_code=2001), False),
        (PartnerFault("our token is not accepted", http_status=401), False),
        (PartnerFault("answered HTTP 404 without an OCPI envelope", http_status=404), False),
        (PartnerFault("answered HTTP 413 without an OCPI envelope", http_status=413), False),
        (PartnerFault("answered 3001 with HTTP 200", http_status=200, status_code=3001), False),
        (PartnerFault("does not accept connections", never_sent=True), False),
        (PartnerFault("answered HTTP 502 without an OCPI envelope", http_status=502), True),
        (PartnerFault("did not answer in time", timed_out=True), True),
    ],
)
def test_a_new_token_stays_valid_only_if_the_partner_may_have_it(
    cpo: Host, hub: Host, monkeypatch: pytest.MonkeyPatch, error: Exception, is_kept: bool
) -> None:
    """CRD-22: the new token stays valid only if the PUT may have had an effect."""
    partner = _register(cpo, hub)

    def fail(*arguments: Any) -> Any:
        raise error

    monkeypatch.setattr(handshake, "_send_credentials", fail)
    with pytest.raises(HandshakeFailed):
        handshake.rotate(cpo.node, partner, "https://cpo.example/ocpi")

    (stored,) = cpo.node.directory.all()
    assert len(stored.held_tokens) == (2 if is_kept else 1)


def test_our_own_rotation_recovers_when_the_answer_got_lost(
    cpo: Host, hub: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CRD-22: between two nodes of ours. The second try uses the replaced token."""
    partner = _register(cpo, hub)
    exchange = handshake._send_credentials

    def lose_the_answer(*arguments: Any) -> Any:
        exchange(*arguments)
        raise PartnerFault("did not answer in time", timed_out=True)

    monkeypatch.setattr(handshake, "_send_credentials", lose_the_answer)
    with pytest.raises(HandshakeFailed):
        handshake.rotate(cpo.node, partner, "https://cpo.example/ocpi")
    monkeypatch.undo()
    (stored,) = cpo.node.directory.all()

    handshake.rotate(cpo.node, stored, "https://cpo.example/ocpi")

    assert hub.call("GET", VERSIONS, _token_of(cpo)).status == 200
    assert cpo.call("GET", VERSIONS, _token_of(hub)).status == 200


def test_a_replaced_token_cannot_change_the_versions_url(network: dict[str, Host]) -> None:
    """The token may have been replaced because it leaked."""
    cpo, hub, emsp = network["cpo"], network["hub"], network["emsp"]
    _register(cpo, hub)
    old = _token_of(cpo)
    hub.call("PUT", CREDENTIALS, old, _document(cpo, _token_of(hub)))

    attack = _document(cpo, _invite(emsp)) | {"url": "https://emsp.example/ocpi/versions"}
    answer = hub.call("PUT", CREDENTIALS, old, attack)

    assert answer.status == 401
    (stored,) = hub.node.directory.all()
    assert stored.versions_url == "https://cpo.example/ocpi/versions"


@pytest.mark.parametrize("claimed", [[], ["XYZ"], ["ABC", "XYZ"]])
def test_a_replaced_token_cannot_claim_other_roles(cpo: Host, hub: Host, claimed: list[str]) -> None:
    """CRD-12: it is valid only to send the same PUT again."""
    _register(cpo, hub)
    old = _token_of(cpo)
    token = hub.call("PUT", CREDENTIALS, old, _document(cpo, _token_of(hub))).json["data"]["token"]
    (before,) = hub.node.directory.all()

    roles = [_role("CPO", party_id) for party_id in claimed] or [_role("EMSP", "ABC")]
    answer = hub.call("PUT", CREDENTIALS, old, _document(cpo, _token_of(hub)) | {"roles": roles})

    assert answer.status == 401
    assert hub.node.directory.all() == [before]
    assert hub.call("GET", VERSIONS, token).status == 200


def test_a_replaced_token_repeats_its_put_with_a_role_that_is_pending(cpo: Host, hub: Host) -> None:
    """CRD-12: the first answer, with the text about the pending role, was lost."""
    _register(cpo, hub)
    old = _token_of(cpo)
    document = _document(cpo, _token_of(hub))
    document["roles"] = [*document["roles"], _role("EMSP", "XYZ")]
    assert hub.call("PUT", CREDENTIALS, old, document).json["status_code"] == 1000

    again = hub.call("PUT", CREDENTIALS, old, document)

    assert (again.status, again.json["status_code"]) == (200, 1000)
    assert "EMSP PT*XYZ" in again.json["status_message"]
    (stored,) = hub.node.directory.all()
    assert [role.party_id for role in stored.pending_roles] == ["XYZ"]


def test_our_rotation_does_not_give_the_partner_a_party_of_another_partner(
    cpo: Host, hub: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CRD-25: a role that the answer adds is pending; a role that another partner plays is left out."""
    partner = _register(cpo, hub)
    taken = handshake.invite(cpo.node, "owner")[0]
    role = PartnerRole(role="CPO", country_code="PT", party_id="XYZ")
    cpo.node.directory.save(taken.model_copy(update={"roles": (role,)}), taken)
    truth = handshake.credentials_document

    def more(*arguments: Any) -> dict[str, Any]:
        document = truth(*arguments)
        if arguments[0] is hub.node:
            document["roles"] = [_role("CPO", "XYZ"), _role("CPO", "NEW")]
        return document

    monkeypatch.setattr(credentials_routes, "credentials_document", more)
    rotated = handshake.rotate(cpo.node, partner, "https://cpo.example/ocpi")

    assert ([r.party_id for r in rotated.roles], [r.party_id for r in rotated.pending_roles]) == ([], ["NEW"])
    assert cpo.node.directory.owner_of([role]) == {"claim#PT*XYZ#CPO": taken.id}
    assert rotated.reserved_claims == partner.reserved_claims


def test_our_rotation_does_not_give_the_partner_a_party_of_this_node(
    cpo: Host, hub: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A partner may send the objects of its parties, so it must not get a party of this node."""
    partner = _register(cpo, hub)
    own = cpo.node.settings.roles[0]
    truth = handshake.credentials_document

    def more(*arguments: Any) -> dict[str, Any]:
        document = truth(*arguments)
        if arguments[0] is hub.node:
            document["roles"] = [_role("EMSP", own.party.party_id), _role("EMSP", "NEW")]
        return document

    monkeypatch.setattr(credentials_routes, "credentials_document", more)
    rotated = handshake.rotate(cpo.node, partner, "https://cpo.example/ocpi")

    assert [role.party_id for role in (*rotated.roles, *rotated.pending_roles)] == ["NEW"]


def test_a_partner_removed_during_a_handshake_leaves_no_token(cpo: Host, hub: Host) -> None:
    _register(cpo, hub)
    (seen,) = hub.node.directory.all()
    token = hub.call("PUT", CREDENTIALS, _token_of(cpo), _document(cpo, _token_of(hub))).json["data"]["token"]

    hub.node.directory.remove(seen)

    assert hub.node.directory.all() == []
    assert hub.call("GET", VERSIONS, token).status == 401


def test_too_many_roles_are_refused(cpo: Host, hub: Host) -> None:
    roles = [_role("CPO", f"{number:03}") for number in range(41)]

    answer = hub.call("POST", CREDENTIALS, _invite(hub), _document(cpo) | {"roles": roles})

    assert answer.json["status_code"] == 2001


def test_both_sides_may_rotate_one_after_the_other(cpo: Host, hub: Host) -> None:
    """CRD-27: the second rotation starts before the token of the first one is used."""
    _register(cpo, hub)
    (at_hub,) = hub.node.directory.all()
    handshake.rotate(hub.node, at_hub, "https://hub.example/ocpi")
    (at_cpo,) = cpo.node.directory.all()

    handshake.rotate(cpo.node, at_cpo, "https://cpo.example/ocpi")

    assert hub.call("GET", VERSIONS, _token_of(cpo)).status == 200
    assert cpo.call("GET", VERSIONS, _token_of(hub)).status == 200


def test_a_change_of_the_partner_during_a_rotation_keeps_the_new_tokens_valid(
    cpo: Host, hub: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CRD-22"""
    partner = _register(cpo, hub)
    exchange = handshake._send_credentials

    def exchange_while_it_changes(*arguments: Any) -> Any:
        answer = exchange(*arguments)
        cpo.node.directory.update(partner.id, lambda current: current.model_copy(update={"name": "renamed"}))
        return answer

    monkeypatch.setattr(handshake, "_send_credentials", exchange_while_it_changes)
    handshake.rotate(cpo.node, partner, "https://cpo.example/ocpi")

    (stored,) = cpo.node.directory.all()
    assert stored.name == "renamed"
    assert hub.call("GET", VERSIONS, _token_of(cpo)).status == 200
    assert cpo.call("GET", VERSIONS, _token_of(hub)).status == 200


def test_a_handshake_succeeds_while_pushes_to_the_partner_fail(
    cpo: Host, hub: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pushes fail at a broken partner, and just this partner may renew its credentials."""
    _register(cpo, hub)
    (before,) = hub.node.directory.all()
    look, number = handshake._look_at_caller, itertools.count(1)

    def look_while_pushes_fail(*arguments: Any) -> Any:
        other = look(*arguments)
        failing = Breaker(failing_since="2026-03-01T12:00:00Z", reason=f"failure {next(number)}")
        hub.node.directory.update(before.id, lambda now: now.model_copy(update={"breaker": failing}))
        return other

    monkeypatch.setattr(handshake, "_look_at_caller", look_while_pushes_fail)
    answer = hub.call("PUT", CREDENTIALS, _token_of(cpo), _document(cpo, _token_of(hub)))

    assert answer.json["status_code"] == 1000
    (after,) = hub.node.directory.all()
    assert after.held_tokens != before.held_tokens


def test_a_handshake_fails_when_another_one_ends_meanwhile(
    cpo: Host, hub: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    _register(cpo, hub)
    (before,) = hub.node.directory.all()
    look = handshake._look_at_caller

    def look_while_another_one_ends(*arguments: Any) -> Any:
        other = look(*arguments)
        hub.node.directory.update(before.id, lambda now: now.model_copy(update={"outbound_token": "other"}))
        return other

    monkeypatch.setattr(handshake, "_look_at_caller", look_while_another_one_ends)
    answer = hub.call("PUT", CREDENTIALS, _token_of(cpo), _document(cpo, _token_of(hub)))

    assert answer.json["status_code"] == 2000
    (after,) = hub.node.directory.all()
    assert (after.outbound_token, after.held_tokens) == ("other", before.held_tokens)


def test_a_registration_that_fails_here_is_deleted_at_the_other_side(cpo: Host, hub: Host) -> None:
    """CRD-14, CRD-25: the hub's party is taken by another partner here."""
    taken = handshake.invite(cpo.node, "squatter")[0]
    role = PartnerRole(role="HUB", country_code="PT", party_id="MOB")
    cpo.node.directory.save(taken.model_copy(update={"roles": (role,)}), taken)

    with pytest.raises(HandshakeFailed, match="PT/MOB"):
        _register(cpo, hub)

    assert [partner.name for partner in cpo.node.directory.all()] == ["squatter"]
    assert [partner.status for partner in hub.node.directory.all()] == ["UNREGISTERED"]


def test_a_failed_registration_leaves_no_partner_and_token_a_valid(cpo: Host, hub: Host) -> None:
    """CRD-19, CRD-22"""
    token_a = _invite(hub)
    cpo.broken = VERSIONS

    with pytest.raises(HandshakeFailed) as caught:
        handshake.register(
            cpo.node, "hub", "https://hub.example/ocpi/versions", token_a, "https://cpo.example/ocpi"
        )
    cpo.broken = None

    assert caught.value.status_code == 3001
    assert cpo.node.directory.all() == []
    assert [partner.status for partner in hub.node.directory.all()] == ["INVITED"]
    partner = handshake.register(
        cpo.node, "hub", "https://hub.example/ocpi/versions", token_a, "https://cpo.example/ocpi"
    )
    assert partner.status == "REGISTERED"


def test_a_party_of_another_partner_is_refused(network: dict[str, Host]) -> None:
    """CRD-25; ocpi#284"""
    cpo, hub, emsp = network["cpo"], network["hub"], network["emsp"]
    _register(cpo, hub)
    token_a = _invite(hub, "impostor")
    document = _document(emsp) | {"roles": _document(cpo)["roles"]}

    answer = hub.call("POST", CREDENTIALS, token_a, document)

    assert (answer.status, answer.json["status_code"]) == (200, 2001)
    assert "PT/ABC" in answer.json["status_message"]
    assert hub.call("GET", VERSIONS, token_a).status == 200


@pytest.mark.parametrize("calls", [True, False])
def test_a_role_that_is_expected_of_another_partner_is_pending(network: dict[str, Host], calls: bool) -> None:
    """Another partner claims it first, by an invitation without expected roles or by our registration."""
    cpo, hub = network["cpo"], network["hub"]
    abc = PartnerRole(role="CPO", country_code="PT", party_id="ABC")
    _, expected = handshake.invite(hub.node, "the CPO", expected_roles=[abc])

    impostor = _register(hub, cpo) if calls else _register(cpo, hub)

    if not calls:
        (impostor,) = (each for each in hub.node.directory.all() if each.name == "partner")
    assert (impostor.roles, [role.party_id for role in impostor.pending_roles]) == ((), ["ABC"])
    hub.call("POST", CREDENTIALS, expected, _document(cpo, _invite(cpo)))
    (right,) = (each for each in hub.node.directory.all() if each.name == "the CPO")
    assert [role.party_id for role in right.roles] == ["ABC"]


def test_a_role_that_is_expected_twice_belongs_to_the_first_that_registers(cpo: Host, hub: Host) -> None:
    """The operator may invite a partner again whose token A was lost."""
    abc = PartnerRole(role="CPO", country_code="PT", party_id="ABC")
    handshake.invite(hub.node, "lost", expected_roles=[abc])
    _, token = handshake.invite(hub.node, "again", expected_roles=[abc])

    hub.call("POST", CREDENTIALS, token, _document(cpo, _invite(cpo)))

    (again,) = (each for each in hub.node.directory.all() if each.name == "again")
    assert [role.party_id for role in again.roles] == ["ABC"]


def test_a_platform_without_our_version_is_3002(
    cpo: Host, hub: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CRD-21, STA-12"""
    known_to_cpo = _invite(cpo)
    monkeypatch.setattr(
        hub.node.client, "get_versions", lambda *_, **__: (VersionEntry("2.9", "https://cpo.example/2.9"),)
    )

    answer = hub.call("POST", CREDENTIALS, _invite(hub), _document(cpo, known_to_cpo))

    assert (answer.status, answer.json["status_code"]) == (200, 3002)


def test_a_platform_without_a_useful_interface_is_3003() -> None:
    """CRD-20: two eMSPs have no interfaces for each other."""
    with aws() as account:
        network = make_network(account, emsp="EMSP", other="EMSP")
        emsp, other = network["emsp"], network["other"]
        document = _document(other, _invite(other)) | {"roles": [_role("EMSP", "XYZ")]}

        answer = emsp.call("POST", CREDENTIALS, _invite(emsp), document)

    assert (answer.status, answer.json["status_code"]) == (200, 3003)


def _role(role: str, party_id: str, country_code: str = "PT") -> dict[str, Any]:
    return {
        "role": role,
        "party_id": party_id,
        "country_code": country_code,
        "business_details": {"name": "x"},
    }


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"token": None}, "token"),
        ({"token": "a b"}, "token"),
        ({"token": "x" * 65}, "token"),
        ({"token": 5}, "token"),
        ({"url": None}, "url"),
        ({"url": "not a url"}, "url"),
        ({"url": "http://169.254.169.254/latest"}, "url"),
        ({"roles": None}, "roles"),
        ({"roles": []}, "roles"),
        ({"roles": {}}, "roles"),
        ({"roles": [_role("CPO", "ABC"), _role("CPO", "abc")]}, "roles"),
        ({"roles": [_role("HUB", "ABC"), _role("CPO", "ABD")]}, "roles"),
        ({"roles": [_role("cpo", "ABC")]}, "roles.0.role"),
        ({"roles": [_role("CPO", "ABCD")]}, "roles.0.party_id"),
        ({"roles": [_role("CPO", "ABC", "PRT")]}, "roles.0.country_code"),
        ({"roles": [{"role": "CPO", "party_id": "ABC", "country_code": "PT"}]}, "roles.0.business_details"),
        ({"roles": [_role("CPO", "MOB")]}, "roles"),
    ],
)
def test_wrong_credentials_are_2001_and_change_nothing(
    cpo: Host, hub: Host, change: dict[str, Any], field: str
) -> None:
    """CRD-23, CRD-24, CRD-25"""
    token_a = _invite(hub)
    document = {name: value for name, value in (_document(cpo) | change).items() if value is not None}

    answer = hub.call("POST", CREDENTIALS, token_a, document)

    assert (answer.status, answer.json["status_code"]) == (200, 2001)
    assert answer.json["status_message"].startswith(f"{field}:")
    assert hub.call("GET", VERSIONS, token_a).status == 200


def test_unregistering_makes_both_tokens_invalid(cpo: Host, hub: Host) -> None:
    """CRD-14"""
    partner = _register(cpo, hub)
    c, b = _token_of(cpo), _token_of(hub)

    assert handshake.unregister(cpo.node, partner) is None

    assert cpo.node.directory.all() == []
    assert [partner.status for partner in hub.node.directory.all()] == ["UNREGISTERED"]
    assert hub.call("GET", VERSIONS, c).status == 401
    assert cpo.call("GET", VERSIONS, b).status == 401
    assert hub.call("DELETE", CREDENTIALS, c).status == 401


def test_the_role_of_a_partner_that_left_is_pending_for_a_new_partner(cpo: Host, hub: Host) -> None:
    """CRD-14: a new partner with the roles would see the objects of the one that left."""
    handshake.unregister(cpo.node, _register(cpo, hub))

    assert _register(cpo, hub).status == "REGISTERED"

    left, again = sorted(hub.node.directory.all(), key=lambda partner: partner.status, reverse=True)
    assert (left.status, left.reserved_claims) == ("UNREGISTERED", ("claim#PT*ABC#CPO",))
    assert (again.roles, [role.party_id for role in again.pending_roles]) == ((), ["ABC"])


def test_a_returning_partner_gets_its_reserved_roles(cpo: Host, hub: Host) -> None:
    handshake.unregister(cpo.node, _register(cpo, hub))
    (left,) = hub.node.directory.all()

    _, token = handshake.invite(hub.node, "again", returning=left)
    hub.call("POST", CREDENTIALS, token, _document(cpo, _invite(cpo)))

    (again,) = hub.node.directory.all()
    assert (again.id, again.status) == (left.id, "REGISTERED")
    assert ([role.party_id for role in again.roles], again.pending_roles) == (["ABC"], ())


def test_a_partner_that_cannot_be_reached_is_removed_all_the_same(cpo: Host, hub: Host) -> None:
    partner = _register(cpo, hub)
    hub.broken = CREDENTIALS

    problem = handshake.unregister(cpo.node, partner)

    assert problem is not None and "reached" in problem
    assert cpo.node.directory.all() == []


def test_the_table_has_no_token_in_plain_text(cpo: Host, hub: Host) -> None:
    """Tokens toward us are hashed, tokens toward partners encrypted."""
    _register(cpo, hub)
    secrets = [_token_of(cpo), _token_of(hub)]

    for host in (cpo, hub):
        items = str(host.node.table._client.scan(TableName=host.node.table.name)["Items"])
        assert not [secret for secret in secrets if secret in items]
