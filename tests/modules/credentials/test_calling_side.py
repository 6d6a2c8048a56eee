"""Registration, rotation and unregistration that a node starts, between two nodes.

Source: OCPI 2.2.1 credentials; CRD-01 … CRD-28
"""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.calls.answers import PartnerFault, PartnerRefusal
from chalicelib.modules.credentials import called_side, calling_side
from chalicelib.modules.credentials import routes as credentials_routes
from chalicelib.modules.credentials.calling_side import HandshakeFailed
from chalicelib.modules.credentials.handshake import credentials_document
from chalicelib.partners.directory import PartnerRole
from chalicelib.partners.settings import PartnerSettings
from tests.harness.nodes import Host
from tests.modules.credentials.handshakes import CREDENTIALS, VERSIONS, invite, register, role_of, token_of


def test_two_nodes_register_and_each_can_call_the_other(cpo: Host, hub: Host) -> None:
    """CRD-02 … CRD-07: the hub calls the CPO back before it answers."""
    at_cpo = register(cpo, hub)

    (at_hub,) = hub.node.directory.all()
    assert (at_cpo.status, at_hub.status) == ("REGISTERED", "REGISTERED")
    assert cpo.call("GET", VERSIONS, token_of(hub)).status == 200
    assert hub.call("GET", VERSIONS, token_of(cpo)).status == 200
    assert [method for method, _ in getattr(cpo.node.client, "calls")] == ["GET", "GET", "POST"]  # noqa: B009
    assert {(e.identifier, e.role) for e in at_hub.endpoints} >= {
        ("credentials", "SENDER"),
        ("tariffs", "SENDER"),
    }
    assert [(r.role, r.party_id) for r in at_hub.roles] == [("CPO", "ABC")]


def test_a_rotation_replaces_both_tokens_and_makes_the_old_ones_invalid(cpo: Host, hub: Host) -> None:
    """CRD-11, CRD-12, CRD-27"""
    partner = register(cpo, hub)
    old_c, old_b = token_of(cpo), token_of(hub)

    calling_side.rotate(cpo.node, partner, "https://cpo.example/ocpi")

    new_c, new_b = token_of(cpo), token_of(hub)
    assert new_c != old_c and new_b != old_b
    assert [hub.call("GET", VERSIONS, token).status for token in (old_c, new_c)] == [401, 200]
    assert [cpo.call("GET", VERSIONS, token).status for token in (old_b, new_b)] == [401, 200]


def test_a_failed_rotation_leaves_the_old_tokens_valid(cpo: Host, hub: Host) -> None:
    """CRD-19, CRD-22"""
    partner = register(cpo, hub)
    old_c, old_b = token_of(cpo), token_of(hub)
    cpo.broken = VERSIONS

    with pytest.raises(HandshakeFailed) as caught:
        calling_side.rotate(cpo.node, partner, "https://cpo.example/ocpi")

    assert caught.value.status_code == 3001
    assert (token_of(cpo), token_of(hub)) == (old_c, old_b)
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
    partner = register(cpo, hub)

    def fail(*arguments: Any) -> Any:
        raise error

    monkeypatch.setattr(calling_side, "_send_credentials", fail)
    with pytest.raises(HandshakeFailed):
        calling_side.rotate(cpo.node, partner, "https://cpo.example/ocpi")

    (stored,) = cpo.node.directory.all()
    assert len(stored.held_tokens) == (2 if is_kept else 1)


def test_our_own_rotation_recovers_when_the_answer_got_lost(
    cpo: Host, hub: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CRD-22: between two nodes of ours. The second try uses the replaced token."""
    partner = register(cpo, hub)
    exchange = calling_side._send_credentials

    def lose_the_answer(*arguments: Any) -> Any:
        exchange(*arguments)
        raise PartnerFault("did not answer in time", timed_out=True)

    monkeypatch.setattr(calling_side, "_send_credentials", lose_the_answer)
    with pytest.raises(HandshakeFailed):
        calling_side.rotate(cpo.node, partner, "https://cpo.example/ocpi")
    monkeypatch.undo()
    (stored,) = cpo.node.directory.all()

    calling_side.rotate(cpo.node, stored, "https://cpo.example/ocpi")

    assert hub.call("GET", VERSIONS, token_of(cpo)).status == 200
    assert cpo.call("GET", VERSIONS, token_of(hub)).status == 200


def test_our_rotation_does_not_give_the_partner_a_party_of_another_partner(
    cpo: Host, hub: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CRD-25: a role that the answer adds is pending; a role that another partner plays is left out."""
    partner = register(cpo, hub)
    taken = called_side.invite(cpo.node, PartnerSettings(name="owner"))[0]
    role = PartnerRole(role="CPO", country_code="PT", party_id="XYZ")
    cpo.node.directory.save(taken.model_copy(update={"roles": (role,)}), taken)
    truth = credentials_document

    def more(*arguments: Any) -> dict[str, Any]:
        document = truth(*arguments)
        if arguments[0] is hub.node:
            document["roles"] = [role_of("CPO", "XYZ"), role_of("CPO", "NEW")]
        return document

    monkeypatch.setattr(credentials_routes, "credentials_document", more)
    rotated = calling_side.rotate(cpo.node, partner, "https://cpo.example/ocpi")

    assert ([r.party_id for r in rotated.roles], [r.party_id for r in rotated.pending_roles]) == ([], ["NEW"])
    assert cpo.node.directory.owner_of([role]) == {"claim#PT*XYZ#CPO": taken.id}
    assert rotated.reserved_claims == partner.reserved_claims


def test_our_rotation_does_not_give_the_partner_a_party_of_this_node(
    cpo: Host, hub: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A partner may send the objects of its parties, so it must not get a party of this node."""
    partner = register(cpo, hub)
    own = cpo.node.settings.roles[0]
    truth = credentials_document

    def more(*arguments: Any) -> dict[str, Any]:
        document = truth(*arguments)
        if arguments[0] is hub.node:
            document["roles"] = [role_of("EMSP", own.party.party_id), role_of("EMSP", "NEW")]
        return document

    monkeypatch.setattr(credentials_routes, "credentials_document", more)
    rotated = calling_side.rotate(cpo.node, partner, "https://cpo.example/ocpi")

    assert [role.party_id for role in (*rotated.roles, *rotated.pending_roles)] == ["NEW"]


def test_both_sides_may_rotate_one_after_the_other(cpo: Host, hub: Host) -> None:
    """CRD-27: the second rotation starts before the token of the first one is used."""
    register(cpo, hub)
    (at_hub,) = hub.node.directory.all()
    calling_side.rotate(hub.node, at_hub, "https://hub.example/ocpi")
    (at_cpo,) = cpo.node.directory.all()

    calling_side.rotate(cpo.node, at_cpo, "https://cpo.example/ocpi")

    assert hub.call("GET", VERSIONS, token_of(cpo)).status == 200
    assert cpo.call("GET", VERSIONS, token_of(hub)).status == 200


def test_a_rotation_succeeds_while_the_partner_uses_its_new_token_for_the_first_time(
    cpo: Host, hub: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first use ends the replaced token, between reading the partner and storing our new token."""
    register(cpo, hub)
    (at_hub,) = hub.node.directory.all()
    calling_side.rotate(hub.node, at_hub, "https://hub.example/ocpi")
    (at_cpo,) = cpo.node.directory.all()
    assert [held.kind for held in at_cpo.held_tokens] == ["C", "RETRY"]
    look = calling_side._look_before_asking

    def look_while_the_new_token_is_used(*arguments: Any) -> Any:
        other = look(*arguments)
        assert cpo.call("GET", VERSIONS, token_of(hub)).status == 200
        return other

    monkeypatch.setattr(calling_side, "_look_before_asking", look_while_the_new_token_is_used)
    calling_side.rotate(cpo.node, at_cpo, "https://cpo.example/ocpi")

    (after,) = cpo.node.directory.all()
    assert [held.kind for held in after.held_tokens] == ["C"]
    assert hub.call("GET", VERSIONS, token_of(cpo)).status == 200
    assert cpo.call("GET", VERSIONS, token_of(hub)).status == 200


def test_a_change_of_the_partner_during_a_rotation_keeps_the_new_tokens_valid(
    cpo: Host, hub: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CRD-22"""
    partner = register(cpo, hub)
    exchange = calling_side._send_credentials

    def exchange_while_it_changes(*arguments: Any) -> Any:
        answer = exchange(*arguments)
        cpo.node.directory.update(partner.id, lambda current: current.model_copy(update={"name": "renamed"}))
        return answer

    monkeypatch.setattr(calling_side, "_send_credentials", exchange_while_it_changes)
    calling_side.rotate(cpo.node, partner, "https://cpo.example/ocpi")

    (stored,) = cpo.node.directory.all()
    assert stored.name == "renamed"
    assert hub.call("GET", VERSIONS, token_of(cpo)).status == 200
    assert cpo.call("GET", VERSIONS, token_of(hub)).status == 200


def test_a_registration_that_fails_here_is_deleted_at_the_other_side(cpo: Host, hub: Host) -> None:
    """CRD-14, CRD-25: the hub's party is taken by another partner here."""
    taken = called_side.invite(cpo.node, PartnerSettings(name="squatter"))[0]
    role = PartnerRole(role="HUB", country_code="PT", party_id="MOB")
    cpo.node.directory.save(taken.model_copy(update={"roles": (role,)}), taken)

    with pytest.raises(HandshakeFailed, match="PT/MOB"):
        register(cpo, hub)

    assert [partner.name for partner in cpo.node.directory.all()] == ["squatter"]
    assert [partner.status for partner in hub.node.directory.all()] == ["UNREGISTERED"]


def test_a_failed_registration_leaves_no_partner_and_token_a_valid(cpo: Host, hub: Host) -> None:
    """CRD-19, CRD-22"""
    token_a = invite(hub)
    cpo.broken = VERSIONS

    with pytest.raises(HandshakeFailed) as caught:
        calling_side.register(
            cpo.node,
            PartnerSettings(name="hub"),
            "https://hub.example/ocpi/versions",
            token_a,
            "https://cpo.example/ocpi",
        )
    cpo.broken = None

    assert caught.value.status_code == 3001
    assert cpo.node.directory.all() == []
    assert [partner.status for partner in hub.node.directory.all()] == ["INVITED"]
    partner = calling_side.register(
        cpo.node,
        PartnerSettings(name="hub"),
        "https://hub.example/ocpi/versions",
        token_a,
        "https://cpo.example/ocpi",
    )
    assert partner.status == "REGISTERED"


def test_unregistering_makes_both_tokens_invalid(cpo: Host, hub: Host) -> None:
    """CRD-14"""
    partner = register(cpo, hub)
    c, b = token_of(cpo), token_of(hub)

    assert calling_side.unregister(cpo.node, partner) is None

    assert cpo.node.directory.all() == []
    assert [partner.status for partner in hub.node.directory.all()] == ["UNREGISTERED"]
    assert hub.call("GET", VERSIONS, c).status == 401
    assert cpo.call("GET", VERSIONS, b).status == 401
    assert hub.call("DELETE", CREDENTIALS, c).status == 401


def test_a_partner_that_cannot_be_reached_is_removed_all_the_same(cpo: Host, hub: Host) -> None:
    partner = register(cpo, hub)
    hub.broken = CREDENTIALS

    problem = calling_side.unregister(cpo.node, partner)

    assert problem is not None and "reached" in problem
    assert cpo.node.directory.all() == []


def test_the_table_has_no_token_in_plain_text(cpo: Host, hub: Host) -> None:
    """Tokens toward us are hashed, tokens toward partners encrypted."""
    register(cpo, hub)
    secrets = [token_of(cpo), token_of(hub)]

    for host in (cpo, hub):
        items = str(host.node.table._client.scan(TableName=host.node.table.name)["Items"])
        assert not [secret for secret in secrets if secret in items]
