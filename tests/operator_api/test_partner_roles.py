"""The operator's decisions about a partner's roles. Source: OCPI 2.2.1 credentials; CRD-25"""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.modules.credentials import calling_side
from chalicelib.modules.credentials.handshake import credentials_document
from chalicelib.partners.directory import PartnerRole, claim_of
from tests.operator_api.caller import OperatorApi
from tests.operator_api.test_partners import connect

EXPECTED = {"country_code": "PT", "party_id": "ABC", "role": "CPO"}
ADDED = {"country_code": "PT", "party_id": "ADD", "role": "EMSP"}
HUB = {"country_code": "PT", "party_id": "MOB", "role": "HUB"}
CREDENTIALS = "/ocpi/2.2.1/credentials"


def names(roles: list[dict[str, Any]]) -> list[str]:
    return [f"{role['role']} {role['party_id']}" for role in roles]


def claim(partner: OperatorApi, node: OperatorApi, *roles: dict[str, str]) -> Any:
    """Have a connected partner PUT its credentials with these roles; returns the answer."""
    (known,) = partner.node.directory.all()
    (other,) = node.node.directory.all()
    token = node.node.directory.token_for(other)
    base_url = f"{partner.node.settings.public_url}/ocpi"
    document = credentials_document(partner.node, token, base_url)
    document["roles"] = [{**role, "business_details": {"name": "Somebody"}} for role in roles]
    return node.host.call("PUT", CREDENTIALS, partner.node.directory.token_for(known), document)


@pytest.fixture
def partner_id(cpo: OperatorApi, hub: OperatorApi) -> str:
    """The id of the CPO as a partner of the hub. It has claimed a role EMSP after its registration."""
    connect(cpo, hub)
    answer = claim(cpo, hub, EXPECTED, ADDED)
    assert answer.json["status_code"] == 1000
    assert "EMSP PT*ADD" in answer.json["status_message"]
    (partner,) = hub.node.directory.all()
    return partner.id


def show(hub: OperatorApi, partner_id: str) -> dict[str, Any]:
    shown: dict[str, Any] = hub.ask("GET", f"/partners/{partner_id}")
    return shown


def test_a_pending_role_is_shown_with_a_hint_how_to_approve_it(hub: OperatorApi, partner_id: str) -> None:
    shown = show(hub, partner_id)

    assert (names(shown["roles"]), names(shown["pending_roles"])) == (["CPO ABC"], ["EMSP ADD"])
    assert f"/operator/partners/{partner_id}/roles/approve" in shown["hint"]


@pytest.mark.parametrize("body", [None, {}, {"roles": [ADDED]}])
def test_an_approved_role_is_active(hub: OperatorApi, partner_id: str, body: object) -> None:
    shown = hub.ask("POST", f"/partners/{partner_id}/roles/approve", body)

    assert (names(shown["roles"]), shown["pending_roles"]) == (["CPO ABC", "EMSP ADD"], [])
    assert "hint" not in shown
    partner = hub.node.directory.get(partner_id)
    assert partner and hub.node.directory.owner_of(partner.roles) == {
        claim_of(role): partner_id for role in partner.roles
    }


def test_a_rejected_role_can_be_approved_later(cpo: OperatorApi, hub: OperatorApi, partner_id: str) -> None:
    shown = hub.ask("POST", f"/partners/{partner_id}/roles/reject")
    assert (shown["pending_roles"], names(shown["refused_roles"])) == ([], ["EMSP ADD"])

    hub.ask("POST", f"/partners/{partner_id}/roles/approve", {"roles": [ADDED]})
    assert names(show(hub, partner_id)["roles"]) == ["CPO ABC", "EMSP ADD"]


@pytest.mark.parametrize("what", ["roles/approve", "roles/reject", "release"])
def test_a_decision_about_a_role_that_was_not_claimed_is_refused(
    hub: OperatorApi, partner_id: str, what: str
) -> None:
    answer = hub.call("POST", f"/partners/{partner_id}/{what}", {"roles": [HUB]})

    assert answer.status == 409
    assert "HUB PT*MOB" in answer.json["detail"]
    assert hub.call("POST", f"/partners/unknown/{what}").status == 404
    assert hub.call("POST", f"/partners/{partner_id}/{what}", {"role": []}).status == 422


def test_a_dropped_role_is_reserved_until_it_is_released(
    cpo: OperatorApi, hub: OperatorApi, partner_id: str
) -> None:
    hub.ask("POST", f"/partners/{partner_id}/roles/approve")
    partner = hub.node.directory.get(partner_id)
    assert partner
    hub.node.directory.update(
        partner_id,
        lambda known: known.model_copy(
            update={"roles": known.roles[:1], "reserved_claims": (claim_of(known.roles[1]),)}
        ),
    )
    invitation = {"name": "Another", "expected_roles": [ADDED]}

    refused = hub.call("POST", "/partners/invitations", invitation)
    assert refused.status == 409
    assert partner_id in refused.json["detail"] and "release" in refused.json["detail"]

    assert names(show(hub, partner_id)["reserved_roles"]) == ["EMSP ADD"]
    shown = hub.ask("POST", f"/partners/{partner_id}/release")
    assert shown["reserved_roles"] == []
    assert hub.call("POST", "/partners/invitations", invitation).status == 201


def test_an_invitation_cannot_expect_a_role_of_another_partner_or_of_this_node(
    hub: OperatorApi, partner_id: str
) -> None:
    for role in (EXPECTED, HUB):
        answer = hub.call("POST", "/partners/invitations", {"name": "X", "expected_roles": [role]})
        assert answer.status == 409
        assert answer.json["errors"][0]["field"] == "expected_roles.0"


def test_a_role_that_the_invitation_does_not_expect_stays_pending(cpo: OperatorApi, hub: OperatorApi) -> None:
    invited = hub.ask("POST", "/partners/invitations", {"name": "CPO", "expected_roles": [ADDED]})
    wanted = {"name": "Hub", "versions_url": invited["versions_url"], "token": invited["token"]}

    at_cpo = cpo.ask("POST", "/partners/registrations", wanted)

    at_hub = show(hub, invited["id"])
    assert (at_hub["roles"], names(at_hub["pending_roles"])) == ([], ["CPO ABC"])
    assert (at_cpo["roles"], names(at_cpo["pending_roles"])) == ([], ["HUB MOB"])
    cpo.ask("POST", f"/partners/{at_cpo['id']}/roles/approve")
    assert names(show(cpo, at_cpo["id"])["roles"]) == ["HUB MOB"]


def test_a_partner_that_left_is_invited_again_by_its_own_id_only(cpo: OperatorApi, hub: OperatorApi) -> None:
    connect(cpo, hub)
    (at_cpo,), (at_hub,) = cpo.node.directory.all(), hub.node.directory.all()
    unknown = hub.call("POST", "/partners/invitations", {"name": "CPO", "partner_id": "nobody"})
    assert unknown.status == 409
    calling_side.unregister(cpo.node, at_cpo)

    invited = hub.ask("POST", "/partners/invitations", {"name": "CPO", "partner_id": at_hub.id})
    wanted = {"name": "Hub", "versions_url": invited["versions_url"], "token": invited["token"], "hub": True}
    cpo.ask("POST", "/partners/registrations", wanted)

    shown = show(hub, at_hub.id)
    assert (names(shown["roles"]), shown["reserved_roles"]) == (["CPO ABC"], [])


def test_an_approval_takes_the_role_from_the_partner_that_left(cpo: OperatorApi, hub: OperatorApi) -> None:
    """The objects of the partner that left go to the new holder of the role, which can change them."""
    connect(cpo, hub)
    (at_cpo,), (left,) = cpo.node.directory.all(), hub.node.directory.all()
    calling_side.unregister(cpo.node, at_cpo)
    invited = hub.ask("POST", "/partners/invitations", {"name": "CPO anew"})
    wanted = {"name": "Hub", "versions_url": invited["versions_url"], "token": invited["token"], "hub": True}
    cpo.ask("POST", "/partners/registrations", wanted)
    assert names(show(hub, invited["id"])["pending_roles"]) == ["CPO ABC"]

    unnamed = hub.call("POST", f"/partners/{invited['id']}/roles/approve")
    assert unnamed.status == 409
    assert "CPO PT*ABC" in unnamed.json["detail"]
    assert names(show(hub, invited["id"])["roles"]) == []
    named = {"roles": [{"country_code": "PT", "party_id": "ABC", "role": "CPO"}]}
    hub.ask("POST", f"/partners/{invited['id']}/roles/approve", named)

    assert names(show(hub, invited["id"])["roles"]) == ["CPO ABC"]
    assert show(hub, left.id)["reserved_roles"] == []
    former = hub.node.directory.get(left.id)
    role = PartnerRole(role="CPO", country_code="PT", party_id="ABC")
    assert former and former.has_released(role.party, "CPO")


def test_a_hub_s_objects_are_released_for_a_party_that_moves(cpo: OperatorApi, hub: OperatorApi) -> None:
    connect(cpo, hub)
    (at_cpo,) = cpo.node.directory.all()

    assert cpo.call("POST", f"/partners/{at_cpo.id}/release", {"roles": [HUB]}).status == 409
    cpo.ask("POST", f"/partners/{at_cpo.id}/release", {"roles": [ADDED]})

    changed = cpo.node.directory.get(at_cpo.id)
    assert changed and changed.released == ("claim#PT*ADD#EMSP",)
    assert names(show(cpo, at_cpo.id)["roles"]) == ["HUB MOB"]
