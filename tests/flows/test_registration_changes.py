"""Changes of a registration: new tokens, new endpoints, new roles, and its end, from both sides.

Chapter: OCPI 2.2.1 credentials_updating_to_a_newer_version and after; CRD-11 .. CRD-14, CRD-17, CRD-27.
"""

from __future__ import annotations

import pytest

from tests.flows.conftest import MEETINGS, Guests, name_of
from tests.third_party.objects import role
from tests.third_party.operator_door import Node
from tests.third_party.wire import authorization

at_every_role = pytest.mark.parametrize(("at", "as_role"), MEETINGS)


@at_every_role
def test_put_changes_both_tokens(nodes: dict[str, Node], guests: Guests, at: str, as_role: str) -> None:
    """Source: CRD-11, CRD-12, CRD-13"""
    line = guests.join(as_role, nodes[at])
    partner = line.partner
    (old_b,), old_c = line.inbound_tokens, line.outbound_token
    seen = len(partner.received)

    answer = line.rotate()

    assert answer.codes == (200, 1000)
    called_back = partner.received[seen:]
    (new_b,) = line.inbound_tokens
    assert [(got.module, got.credentials_token) for got in called_back[:2]] == [
        ("versions", new_b),
        ("details", new_b),
    ]
    assert line.outbound_token not in (old_b, old_c, new_b)
    assert line.credentials("GET", headers={"Authorization": authorization(old_c)}).http_status == 401
    assert line.credentials("GET").data["token"] == line.outbound_token


def test_put_replaces_endpoints_and_details_and_a_new_role_is_pending(cpo: Node, guests: Guests) -> None:
    """The next push goes to the new address, with the new token. Source: CRD-13"""
    line = guests.join("EMSP", cpo)
    partner = line.partner
    partner.paths["tariffs", "RECEIVER"] = "/moved/tariffs"
    del partner.paths["locations", "RECEIVER"]
    partner.roles = [role("EMSP", partner.party, trade_name="Renamed"), role("NSP", partner.party)]

    assert line.rotate().codes == (200, 1000)

    known = cpo.partner(name_of(partner))
    assert known
    assert [entry["role"] for entry in known["roles"]] == ["EMSP"]
    assert [entry["role"] for entry in known["pending_roles"]] == ["NSP"]
    assert known["roles"][0]["business_details"]["name"] == "Renamed"
    assert "locations" not in {entry["identifier"] for entry in known["endpoints"]}
    tariff_id = f"MOVED-{partner.party.party_id}"
    cpo.offer(tariff_id)
    push = partner.wait_for_push("tariffs", *cpo.party, tariff_id)
    assert push.target.startswith("/moved/tariffs/")
    assert {push.credentials_token} == line.inbound_tokens


@at_every_role
def test_a_partner_unregisters(nodes: dict[str, Node], guests: Guests, at: str, as_role: str) -> None:
    """Source: CRD-14"""
    node, line = nodes[at], guests.join(as_role, nodes[at])

    answer = line.unregister()

    assert answer.codes == (200, 1000)
    assert line.call("GET", node.versions_url).http_status == 401
    assert line.credentials("GET").http_status == 401
    assert line.credentials("DELETE").http_status in (401, 405)
    assert node.status_of(name_of(line.partner)) in ("UNREGISTERED", None)


def test_nothing_is_pushed_to_a_partner_that_left(cpo: Node, guests: Guests) -> None:
    """Waits until a second partner has the change: by then the first one would have it too. Source: CRD-14"""
    left, stayed = guests.join("EMSP", cpo), guests.join("EMSP", cpo)
    left.unregister()
    tariff_id = f"LEFT-{left.partner.party.party_id}"

    cpo.offer(tariff_id)

    stayed.partner.wait_for_push("tariffs", *cpo.party, tariff_id)
    assert tariff_id not in [got.segments[-1] for got in left.partner.pushes("tariffs")]


def test_a_partner_that_left_registers_again_with_a_new_invitation(hub: Node, guests: Guests) -> None:
    """Source: CRD-14, CRD-25"""
    line = guests.join("EMSP", hub)
    line.unregister()

    again = guests.connect(line.partner, hub)

    assert again.credentials("GET").codes == (200, 1000)


@at_every_role
def test_a_node_unregisters_at_a_partner(
    nodes: dict[str, Node], guests: Guests, at: str, as_role: str
) -> None:
    """The node sends DELETE with the partner's token, then both tokens are invalid. Source: CRD-14, CRD-17"""
    node, line = nodes[at], guests.join(as_role, nodes[at])
    partner = line.partner
    known = node.partner(name_of(partner))
    assert known

    node.ask("DELETE", "partners", known["id"])

    delete = partner.server.wait_for(lambda got: (got.module, got.method) == ("credentials", "DELETE"))
    assert delete.credentials_token
    assert partner.connections == []
    assert line.credentials("GET").http_status == 401
    assert node.status_of(name_of(partner)) in ("UNREGISTERED", None)


@at_every_role
def test_a_node_rotates_its_tokens(nodes: dict[str, Node], guests: Guests, at: str, as_role: str) -> None:
    """Source: CRD-11, CRD-12, CRD-17, CRD-27"""
    node, line = nodes[at], guests.join(as_role, nodes[at])
    partner = line.partner
    (old_b,), old_c = line.inbound_tokens, line.outbound_token
    known = node.partner(name_of(partner))
    assert known

    node.ask("PUT", "partners", known["id"], "credentials", document={})

    put = partner.server.wait_for(lambda got: (got.module, got.method) == ("credentials", "PUT"))
    assert put.credentials_token == old_b
    assert line.outbound_token == put.document["token"] != old_c
    assert line.credentials("GET").data["token"] == line.outbound_token
    assert line.credentials("GET", headers={"Authorization": authorization(old_c)}).http_status == 401
    assert not line.inbound_tokens & {old_b}


def test_a_node_that_rotated_uses_the_token_it_was_given(cpo: Node, guests: Guests) -> None:
    """Source: CRD-07, CRD-12"""
    line = guests.join("EMSP", cpo)
    known = cpo.partner(name_of(line.partner))
    assert known
    cpo.ask("PUT", "partners", known["id"], "credentials", document={})
    tariff_id = f"ROT-{line.partner.party.party_id}"

    cpo.offer(tariff_id)

    push = line.partner.wait_for_push("tariffs", *cpo.party, tariff_id)
    assert {push.credentials_token} == line.inbound_tokens
