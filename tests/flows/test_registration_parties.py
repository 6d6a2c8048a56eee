"""Parties and roles of a platform: each belongs to one partner, and no other partner can take it.

Chapter: OCPI 2.2.1 credentials_credentials_object; CRD-25, CRD-26, RTE-32.
"""

from __future__ import annotations

import pytest

from tests.flows.conftest import Guests, name_of
from tests.third_party.objects import Party, role, tariff
from tests.third_party.operator_door import Node


def test_three_parties_of_one_platform_are_accepted(hub: Node, guests: Guests) -> None:
    """Source: CRD-25"""
    partners = [guests.partner("CPO") for _ in range(3)]
    white_label = partners[0]
    white_label.roles = [role("CPO", partner.party) for partner in partners]

    line = guests.connect(white_label, hub)

    for owner in (partner.party for partner in partners):
        assert line.put("tariffs", tariff(owner, "WL"), headers=from_party(owner)).codes == (201, 1000)
        assert line.look("tariffs", *owner, "WL", headers=from_party(owner)).codes == (200, 1000)


def from_party(party: Party) -> dict[str, str | None]:
    return {"OCPI-from-country-code": party.country_code, "OCPI-from-party-id": party.party_id}


def test_a_hub_reports_itself_only(hub: Node, guests: Guests) -> None:
    """The parties connected to the hub are left out. Source: CRD-26"""
    guests.join("CPO", hub)
    line = guests.join("EMSP", hub)

    roles = line.credentials("GET").data["roles"]

    assert [(entry["role"], entry["party_id"]) for entry in roles] == [("HUB", hub.party.party_id)]


def test_a_party_belongs_to_one_partner(hub: Node, guests: Guests) -> None:
    """A second platform that claims it is refused, in whatever case it writes the ids.

    Source: CRD-25, TYP-01
    """
    line = guests.join("CPO", hub)
    owner = line.partner.party
    for claimed in (owner, Party(owner.country_code.lower(), owner.party_id.lower())):
        intruder = guests.partner("CPO")
        attempt = guests.discover(intruder, hub)
        intruder.roles = [role("CPO", claimed)]

        answer = attempt.register()

        assert answer.http_status < 500
        assert 2000 <= answer.status_code < 4000
        assert hub.status_of(name_of(intruder)) == "INVITED"
    assert line.credentials("GET").codes == (200, 1000)


def test_a_party_belongs_to_one_partner_also_when_the_node_registers(hub: Node, guests: Guests) -> None:
    """After the answer to its POST, the node unregisters at a partner whose party is taken.

    Source: CRD-22, CRD-25
    """
    line = guests.join("CPO", hub)
    intruder = guests.partner("CPO")
    intruder.roles = line.partner.roles
    guests.expect(intruder, hub)

    answer = hub.register_with(name_of(intruder), intruder.versions_url, intruder.invite())

    assert 400 <= answer.http_status < 600
    assert answer.headers["content-type"] == "application/problem+json"
    assert hub.status_of(name_of(intruder)) != "REGISTERED"
    assert intruder.connections == []
    assert line.credentials("GET").codes == (200, 1000)


def test_one_party_can_have_two_roles_at_two_partners(hub: Node, guests: Guests) -> None:
    """The combination of country code, party id and role is unique. Source: CRD-25"""
    line = guests.join("CPO", hub)

    assert guests.join("EMSP", hub, party=line.partner.party).credentials("GET").codes == (200, 1000)


def test_a_put_cannot_take_over_the_party_of_another_partner(hub: Node, guests: Guests) -> None:
    """Source: CRD-22, CRD-25"""
    line, other = guests.join("CPO", hub), guests.join("CPO", hub)
    other.partner.roles = [*other.partner.roles, *line.partner.roles]

    answer = other.rotate()

    assert answer.http_status < 500
    assert 2000 <= answer.status_code < 4000
    assert other.credentials("GET").codes == (200, 1000)
    assert other.put("tariffs", tariff(line.partner.party, "STOLEN")).status_code != 1000


@pytest.mark.parametrize("at", ["hub", "emsp"])
def test_no_partner_can_send_in_the_name_of_another_party(
    nodes: dict[str, Node], guests: Guests, at: str
) -> None:
    """FROM must be one of the caller's own parties. Source: RTE-32"""
    line, victim = guests.join("CPO", nodes[at]), guests.join("CPO", nodes[at])
    stolen = tariff(victim.partner.party, "SPOOFED")

    answer = line.put("tariffs", stolen, headers=from_party(victim.partner.party))

    assert answer.codes == (200, 2001)
    assert victim.look("tariffs", *victim.partner.party, "SPOOFED").http_status == 404
