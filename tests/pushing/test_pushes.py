"""One push. Source: OCPI 2.2.1 transport_and_format, mod_locations, mod_tariffs; TRN-32, TRP-10"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.calls.answers import PartnerError, PartnerFault, PartnerRefusal
from chalicelib.partners.directory import Endpoint, PartnerRole
from chalicelib.policy.visibility import Viewer, partition_for_viewer
from chalicelib.protocol.json_text import JsonText
from chalicelib.protocol.message import Party, Routing
from chalicelib.protocol.types import format_datetime, parse_datetime
from chalicelib.pushing import liveness
from chalicelib.pushing.deliveries import DeliveryStatus, key_of, write_delivery
from chalicelib.pushing.failure_record import QUICK_S
from chalicelib.pushing.pushes import PUSH_S, Retry, push, push_as_probe
from chalicelib.pushing.replays import replay
from chalicelib.queues import Broadcast
from chalicelib.settings import OwnRole
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import Write
from chalicelib.storage.table import Key
from tests.logged import Logged
from tests.logged import logged as logged
from tests.pushing.pushing import (
    OWN,
    Sent,
    World,
    break_down,
    broadcast,
    partner,
    refuse,
    reject_token,
    stay_silent,
)

CPO = Party("PT", "XYZ")


@pytest.fixture
def world() -> World:
    world = World("CPO")
    world.join(partner("EMSP", "one"))
    return world


def calls_of(world: World, ref: Any, **fields: Any) -> list[str]:
    world.dynamodb.calls.clear()
    assert push(world.node, [broadcast(ref, **fields)]) is None
    return world.dynamodb.calls


# -- requests


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


# -- costs


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


# -- refusals and faults


@pytest.mark.parametrize(("http_status", "status_code"), [(200, 2001), (200, 2999), (400, 2001), (405, 2000)])
def test_a_refusal_is_recorded_with_its_reason_and_not_repeated_at_once(
    world: World, http_status: int, status_code: int
) -> None:
    ref = world.put_tariff()
    world.partners.faults["one"] = refuse(http_status, status_code)

    assert push(world.node, [broadcast(ref)]) is None
    assert push(world.node, [broadcast(ref)]) is None

    row = world.delivery("one", ref)
    assert (row.status, row.code, row.http) == (DeliveryStatus.REFUSED, status_code, http_status)
    assert row.reason == f"answered {status_code}"
    assert len(world.partners.sent) == 1


def test_the_next_change_of_a_refused_object_is_sent(world: World) -> None:
    ref = world.put_tariff()
    world.partners.faults["one"] = refuse()
    world.settle()
    del world.partners.faults["one"]

    world.put_tariff(currency="NOK")
    world.settle()

    assert world.held("one", ref) == world.stored(ref)
    assert world.delivery("one", ref).reason == ""


def test_after_a_rejected_token_the_object_is_sent_again(world: World) -> None:
    ref = world.put_tariff()
    world.partners.faults["one"] = reject_token

    assert push(world.node, [broadcast(ref)]) == Retry(1, unreachable=False)
    assert world.delivery("one", ref).status == DeliveryStatus.WAITING
    world.partners.faults.clear()
    world.clock.forward(1)

    assert push(world.node, [broadcast(ref)]) is None
    assert world.held("one", ref) == world.stored(ref)


@pytest.mark.parametrize("http_status", [400, 401, 403, 404, 405, 413])
def test_a_lasting_4xx_of_a_gateway_makes_the_partner_offline_and_loses_no_object(
    world: World, http_status: int
) -> None:
    ref = world.put_tariff()
    world.partners.faults["one"] = lambda sent: PartnerFault("answered HTML", http_status=http_status)

    assert push(world.node, [broadcast(ref)]) == Retry(1, unreachable=False)
    world.clock.forward(61)
    assert push(world.node, [broadcast(ref)]) is None
    assert world.delivery("one", ref).status == DeliveryStatus.MISSED
    assert world.partner("one").connection == "OFFLINE"
    world.partners.faults.clear()
    come_back(world)

    assert world.held("one", ref) == world.stored(ref)


def test_a_module_that_a_gateway_blocks_for_a_while_loses_no_object(world: World) -> None:
    """The partner takes other objects meanwhile, so it does not become OFFLINE."""
    location, tariff = world.put_location(), world.put_tariff()
    world.settle()
    gone = PartnerFault("answered HTTP 404 without an OCPI envelope", http_status=404)
    world.partners.faults["one"] = lambda sent: gone if sent.module == "locations" else None
    world.put_evse(location, "E1", status="CHARGING")
    for number in range(40):
        world.put_tariff(currency=("EUR", "NOK")[number % 2])
        world.settle(seconds=2)
    assert world.delivery("one", location).status == DeliveryStatus.DEAD
    assert world.partner("one").connection == "CONNECTED"
    world.partners.faults.clear()

    world.clock.forward(61)
    liveness.run(world.node)
    world.settle()

    assert world.held("one", location) == world.stored(location)
    assert world.held("one", tariff) == world.stored(tariff)


def test_a_404_without_an_envelope_to_a_deletion_is_a_fault(world: World) -> None:
    """The answer may be that of a gateway, which does not know the tariffs of the partner."""
    ref = world.put_tariff()
    world.settle()
    world.partners.faults["one"] = lambda sent: PartnerFault("answered HTML", http_status=404)
    world.delete_tariff(ref)
    world.settle()
    assert world.delivery("one", ref).status == DeliveryStatus.WAITING
    world.partners.faults.clear()

    world.settle(seconds=10)

    assert world.held("one", ref) is None
    assert world.delivery("one", ref).status == DeliveryStatus.DELETED


@pytest.mark.parametrize(("fault", "unreachable"), [(break_down, False), (stay_silent, True)])
def test_a_fault_is_retried(world: World, fault: Any, unreachable: bool) -> None:
    ref = world.put_tariff()
    world.partners.faults["one"] = fault

    assert push(world.node, [broadcast(ref)]) == Retry(1, unreachable)

    row = world.delivery("one", ref)
    assert (row.status, row.since) == (DeliveryStatus.WAITING, row.at)


def test_delays_grow_and_end_with_the_freshness_window(world: World) -> None:
    """Source: TRP-10"""
    ref = world.put_tariff()
    world.partners.faults["one"] = break_down
    delays = []
    for _ in range(20):
        retry = push(world.node, [broadcast(ref)])
        if retry is None:
            break
        delays.append(retry.seconds)
        world.clock.forward(retry.seconds)

    assert delays == [1, 2, 4, 8, 16, 29]
    assert sum(delays) == 60
    assert world.partner("one").connection == "OFFLINE"
    assert world.partner("one").offline_since == "2026-03-01T12:01:00.010Z"
    assert world.delivery("one", ref).status == DeliveryStatus.MISSED


def test_a_new_message_starts_a_new_window(world: World) -> None:
    """The fault of an earlier message does not count against a new one."""
    ref = world.put_tariff()
    world.partners.faults["one"] = break_down
    push(world.node, [broadcast(ref)])
    world.clock.forward(1000)

    assert push(world.node, [broadcast(ref, cause="another")]) is not None
    assert world.partner("one").connection == "CONNECTED"


def test_an_object_that_an_offline_partner_misses_is_recorded_and_not_sent(world: World) -> None:
    """Source: HCI-09"""
    world.join(partner("EMSP", "two", connection="OFFLINE"))
    ref = world.put_tariff()

    assert calls_of(world, ref, partner_id="two") == ["BatchGetItem", "PutItem"]
    assert calls_of(world, ref, partner_id="two") == ["BatchGetItem"]

    assert world.partners.sent == []
    assert world.delivery("two", ref).status == DeliveryStatus.MISSED


def come_back(world: World) -> None:
    """Set the partner to CONNECTED, as the timer does."""
    before = world.partner("one")
    world.node.directory.save(before.model_copy(update={"connection": "CONNECTED"}), before)
    world.settle()


def test_an_object_that_a_partner_cannot_take_does_not_make_the_partner_offline(world: World) -> None:
    """The partner takes others meanwhile, so the object is given up and retried later."""
    world.table.delete(Key("catch-up", "one"))
    poison, fine = world.put_tariff("POISON"), world.put_tariff("FINE")
    world.partners.faults["one"] = lambda sent: break_down(sent) if "POISON" in sent.segments else None
    push(world.node, [broadcast(poison)])
    world.clock.forward(59)
    push(world.node, [broadcast(fine)])
    world.clock.forward(2)

    assert push(world.node, [broadcast(poison)]) is None

    assert world.delivery("one", poison).status == DeliveryStatus.DEAD
    assert world.partner("one").connection == "CONNECTED"
    assert world.table.query("#pk = :pk", {"pk": "catch-up"}).items


@pytest.mark.parametrize("status", ["UNREGISTERED", "INVITED"])
def test_a_message_for_a_partner_that_left_is_dropped(world: World, status: str) -> None:
    world.join(partner("EMSP", "two", status=status))
    ref = world.put_tariff()

    for partner_id in ("two", "nobody"):
        assert calls_of(world, ref, partner_id=partner_id) == ["BatchGetItem"]
    assert world.partners.sent == []


def test_an_id_that_cannot_stand_in_a_url_is_a_refusal(world: World) -> None:
    ref = world.put_tariff("..")
    world.partners.faults["one"] = lambda sent: PartnerRefusal(
        "an id that is only dots cannot stand in a URL"
    )

    assert push(world.node, [broadcast(ref)]) is None
    assert world.delivery("one", ref).reason == "an id that is only dots cannot stand in a URL"


# -- two workers at once


def test_after_two_simultaneous_pushes_the_object_is_pushed_once_more(world: World) -> None:
    """Either request may have arrived last, and one of them may have the older state."""
    ref = world.put_tariff(currency="EUR")
    messages = [broadcast(ref)]

    def overtake(sent: Sent) -> None:
        world.partners.faults.clear()
        world.put_tariff(currency="NOK")
        assert push(world.node, messages) is None

    world.table.delete(Key("catch-up", "one"))
    world.partners.faults["one"] = overtake
    retry = push(world.node, messages)

    assert retry == Retry(1, unreachable=False)
    assert world.held("one", ref) != world.stored(ref)
    push(world.node, messages)
    assert world.held("one", ref) == world.stored(ref)
    assert world.table.query("#pk = :pk", {"pk": "catch-up"}).items


def test_a_fault_of_the_location_sent_instead_of_an_evse_is_retried(
    world: World,
) -> None:
    ref = world.put_location()
    world.stream()
    world.queue._groups.clear()
    world.put_evse(ref, "E1")
    world.stream()
    answers = {
        4: PartnerRefusal("answered 2003", status_code=2003),
        3: PartnerFault("broke down", http_status=500),
    }
    world.partners.faults["one"] = lambda sent: answers[len(sent.segments)]

    assert len(world.work()) == 1
    world.partners.faults.clear()
    world.settle(seconds=5)

    assert world.held("one", ref) == world.stored(ref)


def test_a_delivered_evse_leaves_the_refusal_of_another_one(world: World) -> None:
    ref = world.put_location()
    world.settle()
    world.partners.faults["one"] = lambda sent: refuse()(sent) if sent.segments[-1] == "E0" else None
    world.put_evse(ref, "E0", status="CHARGING")
    world.settle()
    world.put_evse(ref, "E1", status="CHARGING")
    world.settle()

    row = world.delivery("one", ref)
    assert (row.status, row.evse_uid, row.code) == (DeliveryStatus.REFUSED, "E0", 2001)

    world.partners.faults.clear()
    world.put_evse(ref, "E0", status="AVAILABLE")
    world.settle()
    row = world.delivery("one", ref)
    assert (row.status, row.evse_uid, row.code) == (DeliveryStatus.DELIVERED, "", 0)


def test_a_delivered_evse_leaves_the_refusal_of_the_whole_location(world: World) -> None:
    ref = world.put_location()
    world.settle()
    world.partners.faults["one"] = refuse()
    world.put_location(name="Another name")
    world.settle()
    world.partners.faults.clear()
    world.put_evse(ref, "E1", status="CHARGING")
    world.settle()

    row = world.delivery("one", ref)
    assert (row.status, row.evse_uid, row.code) == (DeliveryStatus.REFUSED, "", 2001)
    assert world.held("one", ref) != world.stored(ref)

    replay(world.node, world.partner("one"))
    world.settle()
    assert world.held("one", ref) == world.stored(ref)
    assert world.delivery("one", ref).status == DeliveryStatus.DELIVERED


def test_of_two_refused_evses_a_delivery_of_one_leaves_the_refusal_of_the_other(world: World) -> None:
    ref = world.put_location()
    world.settle()
    world.partners.faults["one"] = refuse()
    for uid in ("E0", "E1"):
        world.put_evse(ref, uid, status="CHARGING")
        world.settle()
    world.partners.faults.clear()
    world.put_evse(ref, "E1", status="BLOCKED")
    world.settle()

    assert world.delivery("one", ref).status == DeliveryStatus.REFUSED

    replay(world.node, world.partner("one"))
    world.settle()
    assert world.held("one", ref) == world.stored(ref)


@pytest.mark.parametrize("status", [DeliveryStatus.MISSED, DeliveryStatus.DEAD])
def test_a_missed_evse_is_delivered_when_no_other_change_was_missed(
    world: World, status: DeliveryStatus
) -> None:
    ref = world.put_location()
    world.settle()
    before = world.delivery("one", ref)
    write_delivery(world.table, key_of("one", ref.key.pk), before, replace(before, status=status))
    world.put_evse(ref, "E0")

    world.settle()

    after = world.delivery("one", ref)
    assert after.status == DeliveryStatus.DELIVERED and after.version > before.version


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


def test_a_push_of_the_next_evse_does_not_count_for_a_given_up_one(world: World) -> None:
    """Also when both were in one batch."""
    ref = world.put_location()
    world.settle()
    before = world.delivery("one", ref)
    world.put_evse(ref, "E0")
    world.put_evse(ref, "E1")
    world.stream()
    first, second = map(Broadcast.model_validate, world.queue.bodies)
    write_delivery(
        world.table, key_of("one", ref.key.pk), before, replace(before, status=DeliveryStatus.DEAD)
    )

    assert push(world.node, [second], handled=[first]) is None

    after = world.delivery("one", ref)
    assert (after.status, after.version) == (DeliveryStatus.DEAD, before.version)
    assert world.partners.sent[-1].segments[-1] == "E1"


def test_two_messages_about_one_object_share_one_window() -> None:
    """One is in the live lane and one in the catch-up lane. Otherwise both would be retried for ever."""
    world = World("CPO")
    world.join(partner("EMSP", "one"))
    ref = world.put_tariff()
    world.partners.faults["one"] = break_down

    tries = 0
    while world.partner("one").connection == "CONNECTED" and tries < 200:
        for cause in ("a change", "catching up"):
            push(world.node, [broadcast(ref, cause=cause)])
        world.clock.forward(1)
        tries += 1

    assert 55 <= tries <= 65


# -- bounds


def test_delays_of_a_long_window_are_at_most_half_of_it() -> None:
    """Source: TRP-10"""
    world = World("CPO", freshness=600)
    world.join(partner("EMSP", "one"))
    ref = world.put_tariff()
    world.partners.faults["one"] = break_down
    delays: list[int] = []
    while (retry := push(world.node, [broadcast(ref)])) is not None:
        delays.append(retry.seconds)
        world.clock.forward(retry.seconds)

    assert delays == [1, 2, 4, 8, 16, 32, 64, 128, 256, 89]
    assert world.partner("one").connection == "OFFLINE"


def give_up(world: World, poison: Ref) -> None:
    """Let an object fail for the whole window, while the partner takes another one."""
    for _ in range(30):
        push(world.node, [broadcast(world.put_tariff("FINE", marker=str(world.clock())))])
        if push(world.node, [broadcast(poison)]) is None:
            return
        world.clock.forward(4)


def test_an_object_is_given_up_for_longer_each_time_and_has_one_try_each_time(world: World) -> None:
    poison = world.put_tariff("POISON")
    world.partners.faults["one"] = lambda sent: break_down(sent) if "POISON" in sent.segments else None
    give_up(world, poison)
    assert (world.delivery("one", poison).given_up, world.delivery("one", poison).retry_at) == (1, "")

    pauses = []
    for _ in range(3):
        world.partners.sent.clear()
        assert push(world.node, [broadcast(poison, cause=f"look at {world.clock()}")]) is None
        assert len(world.partners.sent) == 1
        row = world.delivery("one", poison)
        pauses.append((parse_datetime(row.retry_at) - world.clock()).total_seconds())
        assert (row.status, row.since, row.cause) == (DeliveryStatus.DEAD, "", "")
        world.clock.forward(5)

    assert pauses == [120, 240, 480]
    assert world.partner("one").connection == "CONNECTED"


def test_a_change_of_a_given_up_object_is_tried_for_a_whole_window(world: World) -> None:
    poison = world.put_tariff("POISON")
    world.partners.faults["one"] = lambda sent: break_down(sent) if "POISON" in sent.segments else None
    give_up(world, poison)

    changed = world.put_tariff("POISON", currency="NOK")

    assert push(world.node, [broadcast(changed, version=9, cause="change")]) == Retry(1, unreachable=False)


def test_a_delivery_resets_how_often_an_object_was_given_up(world: World) -> None:
    poison = world.put_tariff("POISON")
    world.partners.faults["one"] = lambda sent: break_down(sent) if "POISON" in sent.segments else None
    give_up(world, poison)
    world.partners.faults.clear()

    push(world.node, [broadcast(poison)])

    row = world.delivery("one", poison)
    assert (row.status, row.given_up, row.reason, row.since) == (DeliveryStatus.DELIVERED, 0, "", "")


@pytest.mark.parametrize(("ago_s", "connection"), [(30, "CONNECTED"), (31, "OFFLINE")])
def test_a_partner_that_took_an_object_in_the_last_half_window_takes_others(
    world: World, ago_s: int, connection: str
) -> None:
    poison, fine = world.put_tariff("POISON"), world.put_tariff("FINE")
    world.partners.faults["one"] = lambda sent: break_down(sent) if "POISON" in sent.segments else None
    push(world.node, [broadcast(poison)])
    world.clock.forward(60 - ago_s)
    push(world.node, [broadcast(fine)])
    world.clock.forward(ago_s)

    assert push(world.node, [broadcast(poison)]) is None

    assert world.partner("one").connection == connection


def test_an_outage_found_by_two_objects_is_counted_once(world: World) -> None:
    one, other = world.put_tariff("T1"), world.put_tariff("T2")
    world.partners.faults["one"] = break_down
    push(world.node, [broadcast(one)])
    push(world.node, [broadcast(other)])
    before = world.partner("one")
    world.clock.forward(61)
    push(world.node, [broadcast(one)])
    offline = world.partner("one")
    assert offline.connection == "OFFLINE" and offline.breaker and offline.breaker.opened == 1

    world.node.directory.save(before.model_copy(update={"revision": offline.revision}), offline)
    push(world.node, [broadcast(other)])

    assert world.partner("one").connection == "OFFLINE"


@pytest.mark.parametrize(("quick", "seconds"), [(True, QUICK_S), (False, PUSH_S)])
def test_the_timeout_of_a_push_depends_on_its_lane(world: World, quick: bool, seconds: float) -> None:
    ref = world.put_tariff()
    world.partners.patience.clear()

    push(world.node, [broadcast(ref)], quick=quick)

    assert world.partners.patience == [("one", seconds)]


@pytest.mark.parametrize(
    ("http_status", "code", "expected"),
    [
        (404, 2001, DeliveryStatus.DELETED),
        (404, 2003, DeliveryStatus.DELETED),
        (200, 2003, DeliveryStatus.REFUSED),
    ],
)
def test_a_deletion_is_done_when_the_answer_is_an_envelope_with_http_404(
    world: World, http_status: int, code: int, expected: DeliveryStatus
) -> None:
    ref = world.put_tariff()
    world.settle()
    world.delete_tariff(ref)
    world.partners.faults["one"] = lambda _: PartnerRefusal("no", http_status=http_status, status_code=code)

    push(world.node, [broadcast(ref, version=2**60)])

    row = world.delivery("one", ref)
    assert (row.status, row.method, row.version) == (expected, "DELETE", 2**60)


def test_the_version_of_a_deletion_is_never_below_the_delivered_one(world: World) -> None:
    ref = world.put_tariff()
    world.settle()
    version = world.delivery("one", ref).version
    world.delete_tariff(ref)

    push(world.node, [broadcast(ref)])

    assert world.delivery("one", ref).version == version > 0


def test_a_refused_object_is_sent_again_when_one_message_of_a_batch_asks_for_it(world: World) -> None:
    ref = world.put_tariff()
    world.partners.faults["one"] = refuse()
    push(world.node, [broadcast(ref)])
    world.partners.faults.clear()

    push(world.node, [broadcast(ref, again=True), broadcast(ref)])

    assert world.delivery("one", ref).status == DeliveryStatus.DELIVERED


def test_a_refusal_is_recorded_with_the_status_codes_of_the_answer(world: World) -> None:
    ref = world.put_tariff()
    world.partners.faults["one"] = lambda _: PartnerRefusal("no", http_status=422, status_code=2004)

    push(world.node, [broadcast(ref)])

    row = world.delivery("one", ref)
    assert (row.code, row.http, row.reason, row.evse_uid, row.since) == (2004, 422, "no", "", "")
    assert row.ref == str(ref)


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


def test_a_session_refused_again_for_the_same_reason_raises_one_alarm(logged: Logged) -> None:
    world = World("CPO")
    endpoint = Endpoint(identifier="sessions", role="RECEIVER", url="https://one.example/sessions")
    one = world.join(partner("EMSP", "one", endpoints=(endpoint,)))
    place = partition_for_viewer("sessions", OWN["CPO"], Viewer(one.parties("EMSP")[0], "EMSP"))
    ref = Ref("sessions", *OWN["CPO"], "S1")
    body = JsonText(f'{{"id": "S1", "last_updated": "{format_datetime(world.clock())}"}}')
    write = Write(body, format_datetime(world.clock()))
    world.node.objects.change(ref, lambda _: write, partition=place, source="")

    for code in (2001, 2001, 2003):
        world.partners.faults["one"] = lambda _, code=code: PartnerRefusal(  # type: ignore[misc]
            "no", http_status=200, status_code=code
        )
        push(world.node, [broadcast(ref, again=True)])

    assert world.delivery("one", ref).code == 2003
    assert [line["PushesRefused"] for line in logged.measured("PushesRefused")] == [[1.0]] * 3
    assert len(logged.measured("SessionsAndCdrsRefused")) == 2
