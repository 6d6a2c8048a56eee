"""A partner that begins anew under its id: an invitation or a registration that names `partner_id`.

Source: CRD-14; docs/decisions.md
"""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.modules.credentials import calling_side
from chalicelib.partners.directory import Partner
from tests.operator_api.caller import OperatorApi
from tests.operator_api.test_partners import connect

VERSIONS = "/ocpi/versions"


@pytest.fixture
def at_cpo(cpo: OperatorApi, hub: OperatorApi) -> str:
    """The CPO's id of the hub, with settings of its own and an odd answer."""
    partner_id: str = connect(cpo, hub)["id"]
    cpo.ask("PATCH", f"/partners/{partner_id}", {"name": "MOBI.E", "profiles": ["ptmob"]})
    cpo.node.directory.note_odd_answer(partner_id, "EMPTY_BODY")
    return partner_id


def only(api: OperatorApi) -> Partner:
    (partner,) = api.node.directory.all()
    return partner


def token_of(api: OperatorApi) -> str:
    """The token that a node uses toward its only partner."""
    return api.node.directory.token_for(only(api))


def status_with(api: OperatorApi, token: str) -> int:
    assert api.host is not None
    return api.host.call("GET", VERSIONS, token).status


def test_a_partner_that_left_and_is_invited_again_keeps_its_settings(
    cpo: OperatorApi, hub: OperatorApi, at_cpo: str
) -> None:
    old = token_of(hub)
    calling_side.unregister(hub.node, only(hub))
    assert cpo.ask("GET", f"/partners/{at_cpo}")["status"] == "UNREGISTERED"
    assert status_with(cpo, old) == 401

    invited = cpo.ask("POST", "/partners/invitations", {"partner_id": at_cpo, "strict": True})
    wanted = {"name": "CPO", "versions_url": invited["versions_url"], "token": invited["token"]}
    hub.ask("POST", "/partners/registrations", wanted)

    shown = cpo.ask("GET", f"/partners/{at_cpo}")
    assert (invited["id"], shown["status"], shown["name"]) == (at_cpo, "REGISTERED", "MOBI.E")
    assert (shown["profiles"], shown["strict"], shown["odd_answers"]) == (["ptmob"], True, ["EMPTY_BODY"])
    assert ([role["role"] for role in shown["roles"]], shown["reserved_roles"]) == (["HUB"], [])
    assert (status_with(cpo, old), status_with(cpo, token_of(hub))) == (401, 200)


def anew(cpo: OperatorApi, hub: OperatorApi, at_cpo: str) -> dict[str, Any]:
    """The body of a registration of the CPO at the hub, which has forgotten it."""
    hub.node.directory.remove(only(hub))
    token = hub.ask("POST", "/partners/invitations", {"name": "CPO"})["token"]
    return {"versions_url": "https://hub.example/ocpi/versions", "token": token, "partner_id": at_cpo}


@pytest.mark.parametrize("has_left", [True, False])
def test_a_registration_of_ours_can_name_a_known_partner(
    cpo: OperatorApi, hub: OperatorApi, at_cpo: str, has_left: bool
) -> None:
    """The same for a partner that sent DELETE and for one that lost its data without a word."""
    old = token_of(hub)
    if has_left:
        calling_side.unregister(hub.node, only(hub))
        hub.ask("POST", "/partners/invitations", {"name": "placeholder"})
    wanted = anew(cpo, hub, at_cpo)

    shown = cpo.ask("POST", "/partners/registrations", wanted)

    assert (shown["id"], shown["status"], shown["name"]) == (at_cpo, "REGISTERED", "MOBI.E")
    assert (shown["profiles"], shown["odd_answers"]) == (["ptmob"], ["EMPTY_BODY"])
    assert [role["role"] for role in shown["roles"]] == ["HUB"]
    assert (status_with(cpo, old), status_with(cpo, token_of(hub))) == (401, 200)
    assert status_with(hub, token_of(cpo)) == 200


@pytest.mark.parametrize("has_left", [True, False])
@pytest.mark.parametrize("broken", ["/versions", "/credentials"])
def test_a_registration_that_fails_leaves_a_known_partner_as_it_was(
    cpo: OperatorApi, hub: OperatorApi, at_cpo: str, has_left: bool, broken: str
) -> None:
    if has_left:
        calling_side.unregister(hub.node, only(hub))
        hub.ask("POST", "/partners/invitations", {"name": "placeholder"})
    wanted = anew(cpo, hub, at_cpo)
    before = only(cpo)
    assert hub.host is not None
    hub.host.broken = broken

    assert cpo.call("POST", "/partners/registrations", wanted | {"name": "Other"}).status == 502

    assert only(cpo).model_copy(update={"revision": before.revision}) == before


def test_a_registered_partner_that_lost_its_tokens_is_invited_again(
    cpo: OperatorApi, hub: OperatorApi, at_cpo: str
) -> None:
    """Its old token is valid until it has registered anew, and token A is good for that only."""
    old = token_of(hub)

    token_a = cpo.ask("POST", "/partners/invitations", {"partner_id": at_cpo})["token"]

    assert cpo.ask("GET", f"/partners/{at_cpo}")["status"] == "REGISTERED"
    assert (status_with(cpo, old), status_with(cpo, token_a)) == (200, 200)
    assert cpo.host is not None
    refused = [
        cpo.host.call(method, "/ocpi/2.2.1/credentials", token_a).status for method in ("PUT", "DELETE")
    ]
    assert refused == [405, 405]
    hub.node.directory.remove(only(hub))
    wanted = {"name": "CPO", "versions_url": "https://cpo.example/ocpi/versions", "token": token_a}
    hub.ask("POST", "/partners/registrations", wanted)
    assert [status_with(cpo, token) for token in (old, token_a, token_of(hub))] == [401, 401, 200]
    assert only(cpo).id == at_cpo


def test_an_invitation_that_is_lost_is_made_anew(cpo: OperatorApi) -> None:
    first = cpo.ask("POST", "/partners/invitations", {"name": "Hub"})

    second = cpo.ask("POST", "/partners/invitations", {"partner_id": first["id"]})

    assert second["id"] == first["id"]
    assert [status_with(cpo, each["token"]) for each in (first, second)] == [401, 200]


def test_another_partner_cannot_use_the_id_or_the_party_of_one_that_left(
    cpo: OperatorApi, hub: OperatorApi, at_cpo: str
) -> None:
    calling_side.unregister(hub.node, only(hub))

    invited = cpo.ask("POST", "/partners/invitations", {"name": "Somebody", "hub": True})
    wanted = {"name": "CPO", "versions_url": invited["versions_url"], "token": invited["token"]}
    hub.ask("POST", "/partners/registrations", wanted)

    shown = cpo.ask("GET", f"/partners/{invited['id']}")
    assert invited["id"] != at_cpo
    assert (shown["roles"], [role["party_id"] for role in shown["pending_roles"]]) == ([], ["MOB"])


def test_a_new_partner_needs_a_name(cpo: OperatorApi) -> None:
    answer = cpo.call("POST", "/partners/invitations", {"strict": True})

    assert (answer.status, [error["field"] for error in answer.json["errors"]]) == (422, ["name"])
