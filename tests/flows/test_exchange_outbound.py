"""Pushes to an eMSP partner: from the CPO node, and from a CPO partner through the hub node.

Checks the audience of each change, and the requests on the wire.
Chapters: OCPI 2.2.1 transport_and_format_message_routing_broadcast_push; RTE-11 .. RTE-18, RTE-21, LOC-03.
"""

from __future__ import annotations

from typing import Any

from tests.flows.conftest import Guests, name_of
from tests.third_party import faults
from tests.third_party.objects import LATER, LATEST, Party, connector, evse, location, role, tariff
from tests.third_party.operator_door import Node, plain
from tests.third_party.partner import Partner
from tests.third_party.server import Received
from tests.third_party.waiting import eventually


def test_a_tariff_of_the_cpo_node_reaches_its_partner(cpo: Node, guests: Guests) -> None:
    """Pushed when it is created, replaced and deleted.

    Source: TRN-02, TRN-03, TRN-10, TRN-17, TRN-19, RTE-01, RTE-02
    """
    line = guests.join("EMSP", cpo)
    partner = line.partner
    tariff_id = f"T-{partner.party.party_id}"
    key = (*cpo.party, tariff_id)

    cpo.offer(tariff_id)
    created = partner.wait_for_push("tariffs", *key)
    cpo.offer(tariff_id, currency="NOK")
    eventually(lambda: (partner.held("tariffs", *key) or {}).get("currency") == "NOK")
    cpo.ask("DELETE", "tariffs", tariff_id)
    deleted = partner.wait_for_push("tariffs", *key, method="DELETE")

    assert partner.held("tariffs", *key) is None
    assert created.document == {
        **tariff(cpo.party, tariff_id),
        "last_updated": created.document["last_updated"],
    }
    assert created.headers["content-type"].startswith("application/json")
    for push in (created, deleted):
        assert push.sender == cpo.party
        assert push.receiver == partner.party
        assert {push.credentials_token} == line.inbound_tokens
    expect_fresh_message_ids(partner.received)


def expect_fresh_message_ids(received: list[Received]) -> None:
    """Check that each request has a unique request id, and a correlation id. Source: TRN-17, TRN-19"""
    ids = [got.headers["x-request-id"] for got in received]
    assert len(ids) == len(set(ids))
    assert all(got.headers["x-correlation-id"] for got in received)


def test_changes_of_location_evse_and_connector_of_the_cpo_node_reach_its_partner(
    cpo: Node, guests: Guests
) -> None:
    """Source: LOC-03, LOC-09"""
    partner = guests.join("EMSP", cpo).partner
    location_id = f"L-{partner.party.party_id}"
    key = (*cpo.party, location_id)

    cpo.ask(
        "PUT",
        "locations",
        location_id,
        document=plain(location(cpo.party, location_id, evses=[plain_evse("E1")])),
    )
    partner.wait_for_push("locations", *key)
    cpo.ask("PATCH", "locations", location_id, "E1", document={"status": "CHARGING"})
    cpo.ask("PUT", "locations", location_id, "E2", document=plain_evse("E2"))
    cpo.ask("PATCH", "locations", location_id, "E1", "1", document={"tariff_ids": ["T1"]})

    def is_delivered() -> bool:
        return bool(partner.held("locations", *key) == cpo.ask("GET", "locations", location_id))

    eventually(is_delivered)
    held = partner.held("locations", *key)
    assert held
    assert [(each["uid"], each["status"]) for each in held["evses"]] == [
        ("E1", "CHARGING"),
        ("E2", "AVAILABLE"),
    ]
    assert held["evses"][0]["connectors"][0]["tariff_ids"] == ["T1"]
    assert (
        held["last_updated"]
        >= held["evses"][0]["last_updated"]
        >= held["evses"][0]["connectors"][0]["last_updated"]
    )
    cpo.ask("PATCH", "locations", location_id, "E2", document={"status": "REMOVED"})
    eventually(
        lambda: [each["status"] for each in (partner.held("locations", *key) or {})["evses"]][1] == "REMOVED"
    )
    assert all(got.sender == cpo.party for got in partner.pushes("locations"))


def plain_evse(uid: str) -> dict[str, Any]:
    return plain(evse(uid, connectors=[plain(connector("1"))]))


def test_a_status_change_pushes_the_evse_only(cpo: Node, guests: Guests) -> None:
    """The push holds the EVSE, and leaves out the other EVSEs of its location. Source: LOC-08"""
    partner = guests.join("EMSP", cpo).partner
    location_id = f"S-{partner.party.party_id}"
    evses = [plain_evse(f"E{number}") for number in range(5)]
    cpo.ask("PUT", "locations", location_id, document=plain(location(cpo.party, location_id, evses=evses)))
    eventually(lambda: is_in_step(cpo, partner))

    cpo.ask("PATCH", "locations", location_id, "E3", document={"status": "OUTOFORDER"})

    push = partner.server.wait_for(
        lambda got: got.module == "locations" and got.segments[2:] == (location_id, "E3")
    )
    assert push.document["status"] == "OUTOFORDER"
    assert "evses" not in push.document


def is_in_step(node: Node, partner: Partner) -> bool:
    """Check that no push to the partner is pending: it has every object."""
    known = node.partner(name_of(partner))
    assert known
    delivered: int = node.broadcasts_to(known["id"])["delivered"]
    return delivered >= len(node.all("locations")) + len(node.all("tariffs"))


def test_a_push_to_the_hub_is_broadcast(hub: Node, guests: Guests) -> None:
    """FROM = hub, TO = each receiver, the owner's ids in the URL, last_updated untouched.

    Source: RTE-11, RTE-12, RTE-13, RTE-15, TRN-17
    """
    owner = guests.join("CPO", hub)
    emsps = [guests.join("EMSP", hub) for _ in range(2)]
    sent = tariff(owner.partner.party, "BROADCAST")
    place = location(owner.partner.party, "BROADCAST")

    assert owner.put("tariffs", sent).codes == (201, 1000)
    assert owner.put("locations", place).codes == (201, 1000)

    for line in emsps:
        push = line.partner.wait_for_push("tariffs", *owner.owned("BROADCAST"))
        line.partner.wait_for_push("locations", *owner.owned("BROADCAST"))
        assert push.document == sent
        assert line.partner.held("locations", *owner.owned("BROADCAST")) == place
        assert push.sender == hub.party
        assert push.receiver == line.partner.party
        assert push.target == "/in/prices/" + "/".join(owner.owned("BROADCAST"))
        expect_fresh_message_ids(line.partner.received)
    every = [got.headers["x-request-id"] for line in emsps for got in line.partner.received]
    assert len(every) == len(set(every))


def test_every_change_of_a_pushed_object_is_broadcast(hub: Node, guests: Guests) -> None:
    """Source: RTE-12, LOC-05, LOC-06, TAR-04"""
    owner, listener = guests.join("CPO", hub), guests.join("EMSP", hub)
    partner = listener.partner
    place, price = owner.owned("L1"), owner.owned("T1")
    owner.put("locations", location(owner.partner.party, "L1"))
    owner.put("tariffs", tariff(owner.partner.party, "T1"))
    partner.wait_for_push("tariffs", *price)

    owner.push("PUT", "locations", (*place, "E2"), evse("E2", last_updated=LATER))
    owner.push("PATCH", "locations", (*place, "E1"), {"status": "CHARGING", "last_updated": LATER})
    owner.push("PUT", "locations", (*place, "E1", "2"), connector("2", last_updated=LATEST))
    owner.push("PATCH", "locations", place, {"name": "Named", "last_updated": LATEST})
    owner.push("DELETE", "tariffs", price)

    partner.wait_for_push("tariffs", *price, method="DELETE")
    eventually(lambda: partner.held("locations", *place) == owner.look("locations", *place).data)


def test_a_location_with_many_evses_is_broadcast_completely(hub: Node, guests: Guests) -> None:
    """Has more EVSEs than a DynamoDB transaction, or a page of a query, can hold. Source: LOC-01"""
    owner, listener = guests.join("CPO", hub), guests.join("EMSP", hub)
    large = location(owner.partner.party, "LARGE", evses=[evse(f"E{number}") for number in range(250)])

    assert owner.put("locations", large).codes == (201, 1000)

    assert owner.look("locations", *owner.owned("LARGE")).data == large
    eventually(lambda: listener.partner.held("locations", *owner.owned("LARGE")) == large)
    assert large in listener.pull("locations", limit=20)


def test_a_broadcast_goes_to_the_opposite_role_only(hub: Node, guests: Guests) -> None:
    """Neither other CPOs nor the sender get it. Source: RTE-17"""
    owner, other_cpo = guests.join("CPO", hub), guests.join("CPO", hub)
    listener, navigation = guests.join("EMSP", hub), guests.join("NSP", hub)

    owner.put("tariffs", tariff(owner.partner.party, "T1"))

    for line in (listener, navigation):
        line.partner.wait_for_push("tariffs", *owner.owned("T1"))
    for line in (owner, other_cpo):
        assert not [
            got for got in line.partner.received if got.module not in ("versions", "details", "credentials")
        ]


def test_a_partner_with_two_roles_does_not_receive_its_own_objects(hub: Node, guests: Guests) -> None:
    """Source: RTE-17"""
    both = guests.partner("CPO")
    both.roles = [role("CPO", both.party), role("EMSP", both.party)]
    line, listener = guests.connect(both, hub), guests.join("EMSP", hub)

    line.put("tariffs", tariff(both.party, "ECHO"))

    listener.partner.wait_for_push("tariffs", *both.party, "ECHO")
    assert both.held("tariffs", *both.party, "ECHO") is None


def test_an_unpublished_location_is_shown_to_emsps_and_not_to_nsps(hub: Node, guests: Guests) -> None:
    """An NSP, which would only display it, gets it neither by push nor in the list, its count or a GET.

    Source: LOC-16, PAG-08
    """
    owner, charges, displays = (guests.join(name, hub) for name in ("CPO", "EMSP", "NSP"))
    hidden = location(owner.partner.party, "HIDDEN", publish=False)
    owner.put("locations", hidden)
    owner.put("locations", location(owner.partner.party, "SHOWN"))

    displays.partner.wait_for_push("locations", *owner.owned("SHOWN"))
    charges.partner.wait_for_push("locations", *owner.owned("HIDDEN"))

    assert displays.partner.held("locations", *owner.owned("HIDDEN")) is None
    seen = {line.partner.role: line.pull("locations", limit=50) for line in (charges, displays)}
    assert hidden in seen["EMSP"]
    assert hidden not in seen["NSP"]
    for line in (charges, displays):
        count = line.page("locations", {"limit": 1}).headers["x-total-count"]
        assert count == str(len(seen[line.partner.role]))


def test_a_broadcast_goes_to_partners_that_offer_the_module(hub: Node, guests: Guests) -> None:
    """Source: RTE-18"""
    owner = guests.join("CPO", hub)
    prices, places = (
        guests.join("EMSP", hub, modules=(module,)).partner for module in ("tariffs", "locations")
    )

    owner.put("tariffs", tariff(owner.partner.party, "T1"))
    owner.put("locations", location(owner.partner.party, "L1"))

    prices.wait_for_push("tariffs", *owner.owned("T1"))
    places.wait_for_push("locations", *owner.owned("L1"))
    assert not [got for got in prices.received if "locations" in got.target or "places" in got.target]
    assert not [got for got in places.received if "tariffs" in got.target or "prices" in got.target]


def test_the_answer_to_a_push_depends_neither_on_the_receivers_time_nor_on_their_errors(
    hub: Node, guests: Guests
) -> None:
    """Source: RTE-14, RTE-21"""
    owner = guests.join("CPO", hub)
    slow, rude = guests.join("EMSP", hub).partner, guests.join("EMSP", hub).partner

    with slow.misbehaving("tariffs", faults.stay_silent), rude.misbehaving("tariffs", faults.refuse_401):
        answer = owner.put("tariffs", tariff(owner.partner.party, "T1"), timeout=5)
        rude.wait_for_push("tariffs", *owner.owned("T1"))

    assert answer.codes == (201, 1000)


def test_an_object_pushed_by_a_hub_belongs_to_its_cpo(emsp: Node, guests: Guests) -> None:
    """A hub pushes with FROM = hub and a CPO's ids in the URL; the reply to it says TO = hub.

    Source: RTE-15, RTE-16
    """
    line = guests.join("HUB", emsp)
    somebody = Party("NL", "TNM")

    answer = line.put("tariffs", tariff(somebody, f"VIA-{line.partner.party.party_id}"))

    assert answer.codes == (201, 1000)
    assert (answer.headers["ocpi-to-country-code"], answer.headers["ocpi-to-party-id"]) == line.partner.party
