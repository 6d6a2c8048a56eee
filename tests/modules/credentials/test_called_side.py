"""Registrations, updates and unregistrations that a node accepts, between two nodes.

Source: OCPI 2.2.1 credentials; CRD-01 … CRD-28
"""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from chalicelib.calls.client import VersionEntry
from chalicelib.modules.credentials import called_side, calling_side
from chalicelib.partners.breaker import Breaker
from chalicelib.partners.directory import EndpointNote, PartnerRole
from chalicelib.partners.roles import Expectation
from chalicelib.partners.settings import PartnerSettings
from tests.harness.account import aws
from tests.harness.nodes import Host, make_network
from tests.modules.credentials.handshakes import (
    CREDENTIALS,
    VERSIONS,
    document_of,
    invite,
    register,
    role_of,
    token_of,
)


def test_token_a_is_invalid_after_the_registration(cpo: Host, hub: Host) -> None:
    """CRD-06"""
    token_a = invite(hub)
    calling_side.register(
        cpo.node,
        PartnerSettings(name="hub"),
        "https://hub.example/ocpi/versions",
        token_a,
        "https://cpo.example/ocpi",
    )

    assert hub.call("GET", VERSIONS, token_a).status == 401
    assert hub.call("POST", CREDENTIALS, token_a, document_of(cpo)).status == 401
    repeated = document_of(cpo, token_of(hub))
    assert hub.call("PUT", CREDENTIALS, token_a, repeated).status == 401
    assert hub.call("DELETE", CREDENTIALS, token_a).status == 401


def test_two_invitations_have_different_tokens(hub: Host) -> None:
    """CRD-01"""
    assert invite(hub, "one") != invite(hub, "two")
    assert [partner.status for partner in hub.node.directory.all()] == ["INVITED", "INVITED"]


def test_methods_that_the_state_does_not_allow_are_405(cpo: Host, hub: Host) -> None:
    """CRD-08, CRD-09, CRD-10, CRD-16"""
    token_a = invite(hub)
    before = [
        hub.call(method, CREDENTIALS, token_a, document_of(cpo)).status
        for method in ("PUT", "DELETE", "PATCH")
    ]
    register(cpo, hub)
    after = [
        hub.call(method, CREDENTIALS, token_of(cpo), document_of(cpo)).status for method in ("POST", "PATCH")
    ]

    assert before == [405, 405, 405]
    assert after == [405, 405]


def test_the_caller_sees_its_own_token_in_our_credentials(cpo: Host, hub: Host) -> None:
    """CRD-15, CRD-26"""
    register(cpo, hub)
    seen = hub.call("GET", CREDENTIALS, token_of(cpo)).json["data"]

    assert seen["token"] == token_of(cpo)
    assert seen["url"] == "https://hub.example/ocpi/versions"
    assert [role["role"] for role in seen["roles"]] == ["HUB"]


def test_a_rotation_whose_answer_got_lost_can_be_sent_again_with_the_old_token(cpo: Host, hub: Host) -> None:
    """CRD-12, CRD-22: until the new token is used, the old one is valid only to repeat its PUT."""
    register(cpo, hub)
    old = token_of(cpo)
    document = document_of(cpo, token_of(hub))

    lost = hub.call("PUT", CREDENTIALS, old, document).json["data"]["token"]
    assert hub.call("GET", CREDENTIALS, old).status == 401
    again = hub.call("PUT", CREDENTIALS, old, document).json["data"]["token"]
    assert hub.call("GET", VERSIONS, lost).status == 401
    assert hub.call("GET", VERSIONS, again).status == 200
    assert hub.call("PUT", CREDENTIALS, old, document).status == 401


def test_a_replaced_token_cannot_change_the_versions_url(network: dict[str, Host]) -> None:
    """The token may have been replaced because it leaked."""
    cpo, hub, emsp = network["cpo"], network["hub"], network["emsp"]
    register(cpo, hub)
    old = token_of(cpo)
    hub.call("PUT", CREDENTIALS, old, document_of(cpo, token_of(hub)))

    attack = document_of(cpo, invite(emsp)) | {"url": "https://emsp.example/ocpi/versions"}
    answer = hub.call("PUT", CREDENTIALS, old, attack)

    assert answer.status == 401
    (stored,) = hub.node.directory.all()
    assert stored.versions_url == "https://cpo.example/ocpi/versions"


@pytest.mark.parametrize("claimed", [[], ["XYZ"], ["ABC", "XYZ"]])
def test_a_replaced_token_cannot_claim_other_roles(cpo: Host, hub: Host, claimed: list[str]) -> None:
    """CRD-12: it is valid only to send the same PUT again."""
    register(cpo, hub)
    old = token_of(cpo)
    token = hub.call("PUT", CREDENTIALS, old, document_of(cpo, token_of(hub))).json["data"]["token"]
    (before,) = hub.node.directory.all()

    roles = [role_of("CPO", party_id) for party_id in claimed] or [role_of("EMSP", "ABC")]
    answer = hub.call("PUT", CREDENTIALS, old, document_of(cpo, token_of(hub)) | {"roles": roles})

    assert answer.status == 401
    assert hub.node.directory.all() == [before]
    assert hub.call("GET", VERSIONS, token).status == 200


def test_a_replaced_token_repeats_its_put_with_a_role_that_is_pending(cpo: Host, hub: Host) -> None:
    """CRD-12: the first answer, with the text about the pending role, was lost."""
    register(cpo, hub)
    old = token_of(cpo)
    document = document_of(cpo, token_of(hub))
    document["roles"] = [*document["roles"], role_of("EMSP", "XYZ")]
    assert hub.call("PUT", CREDENTIALS, old, document).json["status_code"] == 1000

    again = hub.call("PUT", CREDENTIALS, old, document)

    assert (again.status, again.json["status_code"]) == (200, 1000)
    assert "EMSP PT*XYZ" in again.json["status_message"]
    (stored,) = hub.node.directory.all()
    assert [role.party_id for role in stored.pending_roles] == ["XYZ"]


def test_a_partner_removed_during_a_handshake_leaves_no_token(cpo: Host, hub: Host) -> None:
    register(cpo, hub)
    (seen,) = hub.node.directory.all()
    token = hub.call("PUT", CREDENTIALS, token_of(cpo), document_of(cpo, token_of(hub))).json["data"]["token"]

    hub.node.directory.remove(seen)

    assert hub.node.directory.all() == []
    assert hub.call("GET", VERSIONS, token).status == 401


def test_too_many_roles_are_refused(cpo: Host, hub: Host) -> None:
    roles = [role_of("CPO", f"{number:03}") for number in range(41)]

    answer = hub.call("POST", CREDENTIALS, invite(hub), document_of(cpo) | {"roles": roles})

    assert answer.json["status_code"] == 2001


def test_a_handshake_succeeds_while_pushes_to_the_partner_fail(
    cpo: Host, hub: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pushes fail at a broken partner, and just this partner may renew its credentials."""
    register(cpo, hub)
    (before,) = hub.node.directory.all()
    look, number = called_side._look_at_caller, itertools.count(1)

    def look_while_pushes_fail(*arguments: Any) -> Any:
        other = look(*arguments)
        failing = Breaker(failing_since="2026-03-01T12:00:00Z", reason=f"failure {next(number)}")
        hub.node.directory.update(before.id, lambda now: now.model_copy(update={"breaker": failing}))
        return other

    monkeypatch.setattr(called_side, "_look_at_caller", look_while_pushes_fail)
    answer = hub.call("PUT", CREDENTIALS, token_of(cpo), document_of(cpo, token_of(hub)))

    assert answer.json["status_code"] == 1000
    (after,) = hub.node.directory.all()
    assert after.held_tokens != before.held_tokens


def test_a_handshake_fails_when_another_one_ends_meanwhile(
    cpo: Host, hub: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(cpo, hub)
    (before,) = hub.node.directory.all()
    look = called_side._look_at_caller

    def look_while_another_one_ends(*arguments: Any) -> Any:
        other = look(*arguments)
        hub.node.directory.update(before.id, lambda now: now.model_copy(update={"outbound_token": "other"}))
        return other

    monkeypatch.setattr(called_side, "_look_at_caller", look_while_another_one_ends)
    answer = hub.call("PUT", CREDENTIALS, token_of(cpo), document_of(cpo, token_of(hub)))

    assert answer.json["status_code"] == 2000
    (after,) = hub.node.directory.all()
    assert (after.outbound_token, after.held_tokens) == ("other", before.held_tokens)


def test_a_replaced_token_cannot_undo_the_new_one_that_was_used_meanwhile(
    cpo: Host, hub: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A PUT with the replaced token ends with it when the new token is used while the PUT is checked."""
    register(cpo, hub)
    old = token_of(cpo)
    document = document_of(cpo, token_of(hub))
    new = hub.call("PUT", CREDENTIALS, old, document).json["data"]["token"]
    look = called_side._look_at_caller

    def look_while_the_new_token_is_used(*arguments: Any) -> Any:
        other = look(*arguments)
        assert hub.call("GET", CREDENTIALS, new).status == 200
        return other

    monkeypatch.setattr(called_side, "_look_at_caller", look_while_the_new_token_is_used)
    answer = hub.call("PUT", CREDENTIALS, old, document)

    assert answer.json["status_code"] == 2000
    assert (hub.call("GET", CREDENTIALS, new).status, hub.call("GET", CREDENTIALS, old).status) == (200, 401)


def test_a_partner_is_answered_what_its_endpoints_lack(
    cpo: Host, hub: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Source: VER-05"""
    look = called_side._look_at_caller
    note = EndpointNote(identifier="tariffs", role="", url="https://x", is_used=False, note="has no role")

    def look_with_notes(*arguments: Any) -> Any:
        other = look(*arguments)
        kept = tuple(each for each in other.endpoints if each.identifier != "tariffs")
        return other._replace(endpoints=kept, notes=(note,))

    monkeypatch.setattr(called_side, "_look_at_caller", look_with_notes)
    answer = hub.call("POST", CREDENTIALS, invite(hub), document_of(cpo, invite(cpo)))

    message = answer.json["status_message"]
    assert "endpoints left out: tariffs  has no role" in message
    assert "endpoints missing: " in message and "tariffs SENDER" in message


def test_a_party_of_another_partner_is_refused(network: dict[str, Host]) -> None:
    """CRD-25; ocpi#284"""
    cpo, hub, emsp = network["cpo"], network["hub"], network["emsp"]
    register(cpo, hub)
    token_a = invite(hub, "impostor")
    document = document_of(emsp) | {"roles": document_of(cpo)["roles"]}

    answer = hub.call("POST", CREDENTIALS, token_a, document)

    assert (answer.status, answer.json["status_code"]) == (200, 2001)
    assert "PT/ABC" in answer.json["status_message"]
    assert hub.call("GET", VERSIONS, token_a).status == 200


@pytest.mark.parametrize("calls", [True, False])
def test_a_role_that_is_expected_of_another_partner_is_pending(network: dict[str, Host], calls: bool) -> None:
    """Another partner claims it first, by an invitation without expected roles or by our registration."""
    cpo, hub = network["cpo"], network["hub"]
    abc = PartnerRole(role="CPO", country_code="PT", party_id="ABC")
    _, expected = called_side.invite(hub.node, PartnerSettings(name="the CPO"), Expectation((abc,)))

    impostor = register(hub, cpo) if calls else register(cpo, hub)

    if not calls:
        (impostor,) = (each for each in hub.node.directory.all() if each.name == "partner")
    assert (impostor.roles, [role.party_id for role in impostor.pending_roles]) == ((), ["ABC"])
    hub.call("POST", CREDENTIALS, expected, document_of(cpo, invite(cpo)))
    (right,) = (each for each in hub.node.directory.all() if each.name == "the CPO")
    assert [role.party_id for role in right.roles] == ["ABC"]


def test_a_role_that_is_expected_twice_belongs_to_the_first_that_registers(cpo: Host, hub: Host) -> None:
    """The operator may invite a partner again whose token A was lost."""
    abc = PartnerRole(role="CPO", country_code="PT", party_id="ABC")
    called_side.invite(hub.node, PartnerSettings(name="lost"), Expectation((abc,)))
    _, token = called_side.invite(hub.node, PartnerSettings(name="again"), Expectation((abc,)))

    hub.call("POST", CREDENTIALS, token, document_of(cpo, invite(cpo)))

    (again,) = (each for each in hub.node.directory.all() if each.name == "again")
    assert [role.party_id for role in again.roles] == ["ABC"]


def test_a_platform_without_our_version_is_3002(
    cpo: Host, hub: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CRD-21, STA-12"""
    known_to_cpo = invite(cpo)
    monkeypatch.setattr(
        hub.node.client, "get_versions", lambda *_, **__: (VersionEntry("2.9", "https://cpo.example/2.9"),)
    )

    answer = hub.call("POST", CREDENTIALS, invite(hub), document_of(cpo, known_to_cpo))

    assert (answer.status, answer.json["status_code"]) == (200, 3002)


def test_a_platform_without_a_useful_interface_is_3003() -> None:
    """CRD-20: two eMSPs have no interfaces for each other."""
    with aws() as account:
        network = make_network(account, emsp="EMSP", other="EMSP")
        emsp, other = network["emsp"], network["other"]
        document = document_of(other, invite(other)) | {"roles": [role_of("EMSP", "XYZ")]}

        answer = emsp.call("POST", CREDENTIALS, invite(emsp), document)

    assert (answer.status, answer.json["status_code"]) == (200, 3003)


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
        ({"roles": [role_of("CPO", "ABC"), role_of("CPO", "abc")]}, "roles"),
        ({"roles": [role_of("HUB", "ABC"), role_of("CPO", "ABD")]}, "roles"),
        ({"roles": [role_of("CPO", "ABCD")]}, "roles.0.party_id"),
        ({"roles": [role_of("CPO", "ABC", "XYZ")]}, "roles.0.country_code"),
        ({"roles": [role_of("PIRATE", "ABC")]}, "roles"),
        ({"roles": [role_of("CPO", "MOB")]}, "roles"),
    ],
)
def test_wrong_credentials_are_2001_and_change_nothing(
    cpo: Host, hub: Host, change: dict[str, Any], field: str
) -> None:
    """CRD-23, CRD-24, CRD-25"""
    token_a = invite(hub)
    document = {name: value for name, value in (document_of(cpo) | change).items() if value is not None}

    answer = hub.call("POST", CREDENTIALS, token_a, document)

    assert (answer.status, answer.json["status_code"]) == (200, 2001)
    assert answer.json["status_message"].startswith(f"{field}:")
    assert hub.call("GET", VERSIONS, token_a).status == 200


def test_the_role_of_a_partner_that_left_is_pending_for_a_new_partner(cpo: Host, hub: Host) -> None:
    """CRD-14: a new partner with the roles would see the objects of the one that left."""
    calling_side.unregister(cpo.node, register(cpo, hub))

    assert register(cpo, hub).status == "REGISTERED"

    left, again = sorted(hub.node.directory.all(), key=lambda partner: partner.status, reverse=True)
    assert (left.status, left.reserved_claims) == ("UNREGISTERED", ("claim#PT*ABC#CPO",))
    assert (again.roles, [role.party_id for role in again.pending_roles]) == ((), ["ABC"])


def test_a_returning_partner_gets_its_reserved_roles(cpo: Host, hub: Host) -> None:
    calling_side.unregister(cpo.node, register(cpo, hub))
    (left,) = hub.node.directory.all()

    _, token = called_side.invite(hub.node, PartnerSettings(name="again"), returning=left)
    hub.call("POST", CREDENTIALS, token, document_of(cpo, invite(cpo)))

    (again,) = hub.node.directory.all()
    assert (again.id, again.status) == (left.id, "REGISTERED")
    assert ([role.party_id for role in again.roles], again.pending_roles) == (["ABC"], ())
