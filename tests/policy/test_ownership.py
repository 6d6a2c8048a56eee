"""Rights to change an object. Source: OCPI 2.2.1 Client Owned Object Push; TRN-28, OWN-01, RTE-15"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from chalicelib.modules.locations import receiver as locations
from chalicelib.modules.sessions import receiver as sessions
from chalicelib.modules.tariffs import receiver as tariffs
from chalicelib.modules.tokens import receiver as tokens
from chalicelib.node import Node
from chalicelib.partners import roles
from chalicelib.partners.directory import claim_key
from chalicelib.protocol.json_text import Document, read_json
from chalicelib.protocol.message import Party
from chalicelib.routes import Interface
from tests.harness.partner_api import EMSP, PartnerApi
from tests.harness.partners import register
from tests.modules.builders import T0, T1, evse, location, tariff, token
from tests.modules.conftest import NodeOf
from tests.modules.sessions.builders import session

OWNER = Party("NL", "TNM")


class Kind(NamedTuple):
    """A module whose objects a partner pushes. node_role: role of the node that stores them."""

    interface: Interface
    role: str
    node_role: str
    ids: tuple[str, ...]
    document: Document
    changed: Document


def named(**fields: Any) -> Document:
    return {**fields, "country_code": OWNER.country_code, "party_id": OWNER.party_id}


KINDS = {
    "locations": Kind(
        locations.INTERFACE, "CPO", "EMSP", (*OWNER, "L1"),
        named(**location(last_updated=T0)), {"name": "Mine"},
    ),
    "tariffs": Kind(
        tariffs.INTERFACE, "CPO", "EMSP", (*OWNER, "T1"),
        named(**tariff(last_updated=T0)), {"currency": "USD"},
    ),
    "sessions": Kind(
        sessions.INTERFACE, "CPO", "EMSP", (*OWNER, "S1"),
        named(**session(last_updated=T0, id="S1")), {"status": "INVALID"},
    ),
    "tokens": Kind(
        tokens.INTERFACE, "EMSP", "CPO", (*OWNER, "0102A"),
        named(**token(last_updated=T0)), {"valid": False},
    ),
}  # fmt: skip


class Place(NamedTuple):
    """A node with two hubs, which push objects of other owners."""

    kind: Kind
    node: Node
    first: PartnerApi
    second: PartnerApi

    def put(self, api: PartnerApi, *children: str, **fields: Any) -> tuple[int, int]:
        return api.call("PUT", *self.kind.ids, *children, document={**self.kind.document, **fields}).codes

    def stored(self) -> str:
        return str(self.first.call("GET", *self.kind.ids).data)


@pytest.fixture(params=list(KINDS))
def place(request: pytest.FixtureRequest, node_of: NodeOf) -> Place:
    kind = KINDS[request.param]
    node = node_of(kind.node_role)
    apis = [
        PartnerApi(node, kind.interface, register(node, name, ("HUB", Party("PT", name))))
        for name in ("ONE", "TWO")
    ]
    return Place(kind, node, *apis)


def release(node: Node, partner_id: str, kind: Kind) -> None:
    claim = claim_key(OWNER, kind.role).pk
    node.directory.update(
        partner_id, lambda partner: partner.model_copy(update=roles.release(partner, {claim}))
    )


def test_an_object_from_one_partner_cannot_be_changed_by_another(place: Place) -> None:
    assert place.put(place.first) == (201, 1000)
    before = place.stored()

    assert place.put(place.second, last_updated=T1, **place.kind.changed) == (404, 2001)
    patch = {"last_updated": T1, **place.kind.changed}
    assert place.second.call("PATCH", *place.kind.ids, document=patch).codes in ((404, 2001), (405, 2001))
    assert place.second.call("DELETE", *place.kind.ids).codes in ((404, 2001), (405, 2001))

    assert place.stored() == before
    assert place.put(place.first, last_updated=T1, **place.kind.changed) == (200, 1000)
    assert place.stored() != before


def test_a_partner_that_registers_directly_cannot_change_objects_from_a_hub_until_they_are_released(
    place: Place,
) -> None:
    place.put(place.first)
    owner = PartnerApi(
        place.node, place.kind.interface, register(place.node, "own", (place.kind.role, OWNER))
    )

    assert place.put(owner, last_updated=T1) == (404, 2001)

    release(place.node, "ONE", place.kind)
    assert place.put(owner, last_updated=T1) == (200, 1000)
    assert place.put(place.first, last_updated=T1) == (404, 2001)


def test_an_object_from_a_removed_partner_may_be_changed_by_another(place: Place) -> None:
    place.put(place.first)
    first = place.node.directory.get("ONE")
    assert first

    place.node.directory.remove(first)

    assert place.put(place.second, last_updated=T1) == (200, 1000)


def test_an_object_from_an_unregistered_partner_cannot_be_changed_until_it_is_released(place: Place) -> None:
    """The partner may register again. The operator decides to release its objects."""
    place.put(place.first)
    place.node.directory.update(
        "ONE",
        lambda one: one.model_copy(update={"status": "UNREGISTERED", **roles.without_claimed(one)}),
    )
    assert place.put(place.second, last_updated=T1) == (404, 2001)

    place.node.directory.update(
        "ONE", lambda one: one.model_copy(update=roles.release(one, one.reserved_claims, everything=True))
    )

    assert place.put(place.second, last_updated=T1) == (200, 1000)


def test_another_hub_can_read_locations_but_no_tariffs_sessions_or_tokens(place: Place) -> None:
    """Only the GET of a location is open to other hubs. Source: TRN-28"""
    place.put(place.first)

    is_public = place.kind.interface.module == "locations"
    assert (place.second.call("GET", *place.kind.ids).codes == (200, 1000)) is is_public


def test_an_evse_of_a_location_from_one_hub_cannot_be_changed_by_another(node_of: NodeOf) -> None:
    node = node_of("EMSP")
    one, two = (
        PartnerApi(node, locations.INTERFACE, register(node, name, ("HUB", Party("PT", name))))
        for name in ("ONE", "TWO")
    )
    one.call(
        "PUT", *OWNER, "L1", document=named(**location(evses=[evse(status="AVAILABLE")], last_updated=T0))
    )
    patch = {"status": "BLOCKED", "last_updated": T1}

    assert two.call("PATCH", *OWNER, "L1", "E1", document=patch).codes == (404, 2001)
    assert two.call("PUT", *OWNER, "L1", "E1", document=evse(status="BLOCKED", last_updated=T1)).codes == (
        404,
        2001,
    )
    assert two.call("PUT", *OWNER, "L1", "E2", document=evse("E2", last_updated=T1)).codes == (404, 2001)

    data = one.call("GET", *OWNER, "L1").data
    (stored,) = (read_json(str(data)) if isinstance(data, str) else data)["evses"]
    assert stored["status"] == "AVAILABLE"


def test_a_hub_cannot_read_or_change_a_token_of_a_directly_connected_emsp(node_of: NodeOf) -> None:
    node = node_of("CPO")
    hub = PartnerApi(node, tokens.INTERFACE, register(node, "hub", ("HUB", Party("PT", "MOB"))))
    emsp = PartnerApi(node, tokens.INTERFACE, register(node, "emsp", ("EMSP", EMSP)))
    card = {**token(), "country_code": EMSP.country_code, "party_id": EMSP.party_id}
    assert emsp.call("PUT", *EMSP, card["uid"], document=card).codes == (201, 1000)

    assert hub.call("GET", *EMSP, card["uid"]).codes == (404, 2001)
    assert hub.call("PUT", *EMSP, card["uid"], document={**card, "valid": False}).codes == (404, 2001)
    assert emsp.call("GET", *EMSP, card["uid"]).data == card


# -- OCPI-from --------------------------------------------------------------------------------------


def from_party(party: Party) -> dict[str, str]:
    return {"ocpi-from-country-code": party.country_code, "ocpi-from-party-id": party.party_id}


def test_a_hub_acts_for_other_parties_except_partners_and_parties_of_this_node(place: Place) -> None:
    """Applies to OCPI-from on every interface, independent of the URL. Source: RTE-32"""
    kind, node = place.kind, place.node
    direct = Party("PT", "DIR")
    register(node, "direct", (kind.role, direct))

    def look(sender: Party) -> tuple[int, int]:
        return place.first.call("GET", *kind.ids, headers=from_party(sender)).codes

    assert place.put(place.first) == (201, 1000)
    assert (look(OWNER), look(Party("PT", "ONE"))) == ((200, 1000), (200, 1000))
    assert look(direct) == (200, 2001)
    assert look(node.settings.roles[0].party) == (200, 2001)


def test_a_party_may_connect_directly_in_one_role_and_through_a_hub_in_another(place: Place) -> None:
    other_role = "EMSP" if place.kind.role == "CPO" else "CPO"
    register(place.node, "direct", (other_role, OWNER))

    answer = place.first.call("PUT", *place.kind.ids, document=place.kind.document, headers=from_party(OWNER))

    assert answer.codes == (201, 1000)
