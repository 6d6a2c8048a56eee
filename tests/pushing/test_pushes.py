"""Tests of one push: the request, and what it costs.

Source: OCPI 2.2.1 transport_and_format, mod_locations, mod_tariffs
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.calls.answers import PartnerError, PartnerFault, PartnerRefusal
from chalicelib.partners.directory import PartnerRole
from chalicelib.protocol.message import Party, Routing
from chalicelib.pushing.deliveries import DeliveryStatus, key_of
from chalicelib.pushing.failure_record import QUICK_S
from chalicelib.pushing.push_requests import PUSH_S
from chalicelib.pushing.pushes import push, push_as_probe
from chalicelib.settings import OwnRole
from tests.logged import logged as logged
from tests.pushing.counted import calls_of
from tests.pushing.pushing import OWN, World, break_down, broadcast, partner

CPO = Party("PT", "XYZ")


def test_a_tariff_is_put_unchanged_under_the_ids_of_its_owner(world: World) -> None:
    """Source: RTE-11, RTE-15"""
    ref = world.put_tariff("T 1", currency="NOK")

    push(world.node, [broadcast(ref)])

    (sent,) = world.partners.sent
    assert (sent.method, sent.module, sent.segments) == ("PUT", "tariffs", ("PT", "ABC", "T 1"))
    assert sent.document == world.stored(ref)


def test_an_owner_pushes_in_its_own_name_and_a_hub_in_that_of_the_hub() -> None:
    """Source: RTE-13, RTE-15"""
    cpo, hub = World("CPO"), World("HUB")
    cpo.join(partner("HUB", "mob"))
    hub.join(partner("EMSP", "one"))
    own, received = cpo.put_tariff(), hub.put_tariff(owner=CPO, source="xyz")

    push(cpo.node, [broadcast(own, "mob")])
    push(hub.node, [broadcast(received)])

    assert cpo.partners.sent[0].routing == Routing(OWN["CPO"], Party("PT", "MOB"))
    assert hub.partners.sent[0].routing == Routing(OWN["HUB"], Party("PT", "ONE"))
    assert hub.partners.sent[0].segments == ("PT", "XYZ", "T1")


def test_a_deleted_tariff_is_deleted_under_its_ids_in_their_original_case(world: World) -> None:
    ref = world.put_tariff("Night-1")
    world.settle()
    world.delete_tariff(ref)

    world.settle()

    assert [(s.method, s.segments) for s in world.partners.sent][-1] == ("DELETE", ("PT", "ABC", "Night-1"))
    assert world.delivery("one", ref).status == DeliveryStatus.DELETED


def test_a_deletion_of_an_object_that_the_partner_lacks_is_done(world: World) -> None:
    ref = world.put_tariff()
    world.delete_tariff(ref)

    world.settle()

    assert world.delivery("one", ref).status == DeliveryStatus.DELETED


def test_a_whole_location_is_sent_with_its_evses(world: World) -> None:
    ref = world.put_location(evses=3)

    push(world.node, [broadcast(ref)])

    assert world.partners.sent[0].document == world.stored(ref)
    assert len(world.partners.sent[0].document["evses"]) == 3


def test_an_evse_is_sent_alone_on_its_own_url(world: World) -> None:
    ref = world.put_location()
    world.settle()
    world.put_evse(ref, "E1", status="CHARGING")

    world.settle()

    sent = world.partners.sent[-1]
    assert sent.segments == ("PT", "ABC", "L1", "E1")
    assert sent.document["status"] == "CHARGING"
    assert world.held("one", ref) == world.stored(ref)


@pytest.mark.parametrize(
    "answer",
    [
        PartnerRefusal("answered 2003 with HTTP 404", http_status=404, status_code=2003),
        PartnerRefusal("answered 2001 with HTTP 404", http_status=404, status_code=2001),
        PartnerRefusal("answered 2003", http_status=200, status_code=2003),
        PartnerFault("answered HTTP 404 without an OCPI envelope", http_status=404),
    ],
    ids=["404 and 2003", "404 and 2001", "2003", "bare 404"],
)
def test_a_partner_that_lacks_the_location_of_an_evse_is_sent_the_location(
    world: World, answer: PartnerError
) -> None:
    """Source: LOC-13"""
    ref = world.put_location()
    world.settle()
    world.partners.faults["one"] = lambda sent: answer if len(sent.segments) == 4 else None
    world.put_evse(ref, "E1", status="CHARGING")

    world.settle()

    assert [len(sent.segments) for sent in world.partners.sent][-2:] == [4, 3]
    assert world.held("one", ref) == world.stored(ref)
    assert world.delivery("one", ref).status == DeliveryStatus.DELIVERED


def test_a_location_that_stops_being_published_is_sent_to_a_display_once_more() -> None:
    """Source: LOC-16"""
    world = World("CPO")
    world.join(partner("NSP", "nsp"))
    ref = world.put_location(publish=True)
    world.settle()

    world.put_location(publish=False)
    world.settle()
    world.put_location(publish=False, name="Nobody's business")
    world.put_evse(ref, status="CHARGING")
    world.settle()

    held = world.held("nsp", ref)
    assert len(world.partners.sent) == 2
    assert held is not None and held["publish"] is False and "name" not in held
    assert world.delivery("nsp", ref).status == DeliveryStatus.WITHDRAWN

    world.put_location(publish=True)
    world.settle()
    assert world.held("nsp", ref) == world.stored(ref)


def test_a_location_that_was_never_published_is_never_sent_to_a_display() -> None:
    """Source: LOC-16"""
    world = World("CPO")
    world.join(partner("NSP", "nsp"))
    world.put_location(publish=False)
    world.put_location(publish=False, name="changed")

    world.settle()

    assert world.partners.sent == []


def test_a_display_is_sent_a_withdrawal_also_when_the_row_of_its_first_push_is_missing() -> None:
    """Source: LOC-16"""
    world = World("CPO")
    world.join(partner("NSP", "nsp"))
    ref = world.put_location(publish=True)
    world.settle()
    world.table.delete(key_of("nsp", ref.key.pk))
    world.put_location(publish=False)

    world.settle()

    held = world.held("nsp", ref)
    assert held is not None and held["publish"] is False


def test_a_push_costs_two_calls_to_the_table_and_three_for_a_whole_location(world: World) -> None:
    """Source: docs/design.md, Storage and what it may cost"""
    tariff, location = world.put_tariff(), world.put_location()

    assert calls_of(world, tariff) == ["BatchGetItem", "PutItem"]
    assert calls_of(world, location) == ["BatchGetItem", "Query", "PutItem"]


def test_a_push_of_an_evse_costs_two_calls_and_three_when_the_location_follows(world: World) -> None:
    known, unknown = world.put_location("L1"), world.put_location("L2")
    push(world.node, [broadcast(known)])
    world.put_evse(known, "E1")
    world.put_evse(unknown, "E1")
    evse = next(
        key[1] for key in world.dynamodb.items if key[0] == known.key.pk and key[1].endswith("#00001")
    )

    assert calls_of(world, known, sk=evse) == ["BatchGetItem", "PutItem"]
    assert calls_of(world, unknown, sk=evse) == ["BatchGetItem", "Query", "PutItem"]


def test_a_message_about_a_version_that_the_partner_has_costs_one_read(world: World) -> None:
    ref = world.put_location()
    push(world.node, [broadcast(ref)])

    assert calls_of(world, ref) == ["BatchGetItem"]
    assert len(world.partners.sent) == 1


def test_a_fault_costs_two_calls_and_its_repetition_one(world: World) -> None:
    ref = world.put_tariff()
    world.partners.faults["one"] = break_down
    world.dynamodb.calls.clear()

    push(world.node, [broadcast(ref)])
    assert world.dynamodb.calls == ["BatchGetItem", "PutItem"]
    push(world.node, [broadcast(ref)])
    assert world.dynamodb.calls == ["BatchGetItem", "PutItem", "BatchGetItem"]


def test_a_partner_with_a_hub_role_is_addressed_as_the_hub(world: World) -> None:
    """Source: RTE-11, RTE-13"""
    roles = tuple(
        PartnerRole(role=role, country_code="PT", party_id=party_id)
        for role, party_id in (("EMSP", "EMS"), ("HUB", "HUB"))
    )
    world.join(partner("EMSP", "two", roles=roles))
    ref = world.put_tariff()

    push(world.node, [broadcast(ref, "two")])

    assert world.partners.sent[-1].routing.receiver == Party("PT", "HUB")


@pytest.mark.parametrize(("quick", "seconds"), [(True, QUICK_S), (False, PUSH_S)])
def test_the_timeout_of_a_push_depends_on_its_lane(world: World, quick: bool, seconds: float) -> None:
    ref = world.put_tariff()
    world.partners.patience.clear()

    push(world.node, [broadcast(ref)], quick=quick)

    assert world.partners.patience == [("one", seconds)]


@pytest.mark.parametrize(("role", "to"), [("EMSP", "EMSP"), ("NSP", "NSP"), ("OTHER", "OTHER")])
def test_the_party_in_the_receiving_role_is_addressed(role: str, to: str) -> None:
    """Source: RTE-11"""
    world = World("CPO")
    one = world.join(partner(role, "one"))
    world.partners.sent.clear()
    push(world.node, [broadcast(world.put_tariff())])

    (sent,) = world.partners.sent
    assert sent.routing == Routing(OWN["CPO"], one.parties(to)[0])


def test_of_two_own_parties_the_owner_is_the_sender() -> None:
    """Source: RTE-13"""
    world = World("CPO")
    two = OwnRole("CPO", OWN["CPO"], {}), OwnRole("CPO", CPO, {})
    world.node = replace(world.node, settings=replace(world.node.settings, roles=two))
    world.join(partner("EMSP", "one"))

    for owner in (OWN["CPO"], CPO):
        push(world.node, [broadcast(world.put_tariff(owner=owner))])

    assert [sent.routing.sender for sent in world.partners.sent] == [OWN["CPO"], CPO]


def test_a_probe_without_an_object_or_a_partner_makes_no_request(world: World) -> None:
    ref = world.put_tariff()
    world.settle()
    world.partners.sent.clear()

    assert not push_as_probe(world.node, world.partner("one"), broadcast(ref))
    assert not push_as_probe(world.node, partner("EMSP", "nobody"), broadcast(ref, partner_id="nobody"))
    assert world.partners.sent == []


def test_a_probe_has_the_timeout_of_a_normal_push(world: World) -> None:
    ref = world.put_tariff()
    world.partners.patience.clear()

    assert push_as_probe(world.node, world.partner("one"), broadcast(ref))

    assert world.partners.patience == [("one", PUSH_S)]
