"""Tests of pushes about one object that overlap: two workers, two messages, a location and its EVSEs.

Source: docs/design.md, A broadcast
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.pushing.deliveries import DeliveryStatus, key_of, write_delivery
from chalicelib.pushing.push_faults import MessageRetry
from chalicelib.pushing.pushes import push
from chalicelib.pushing.replays import replay
from chalicelib.queues import Broadcast
from chalicelib.storage.table import Key
from tests.logged import logged as logged
from tests.pushing.pushing import Sent, World, break_down, broadcast, partner, refuse


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

    assert retry == MessageRetry(1, unreachable=False)
    assert world.held("one", ref) != world.stored(ref)
    push(world.node, messages)
    assert world.held("one", ref) == world.stored(ref)
    assert world.table.query("#pk = :pk", {"pk": "catch-up"}).items


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


def test_the_version_of_a_deletion_is_never_below_the_delivered_one(world: World) -> None:
    ref = world.put_tariff()
    world.settle()
    version = world.delivery("one", ref).version
    world.delete_tariff(ref)

    push(world.node, [broadcast(ref)])

    assert world.delivery("one", ref).version == version > 0
