"""Tests of how long an object or a partner is tried.

Source: docs/reliability.md; TRP-10
"""

from __future__ import annotations

import pytest

from chalicelib.protocol.types import parse_datetime
from chalicelib.pushing.deliveries import DeliveryStatus
from chalicelib.pushing.push_faults import MessageRetry
from chalicelib.pushing.pushes import push
from chalicelib.storage.keys import Ref
from tests.logged import logged as logged
from tests.pushing.pushing import World, break_down, broadcast, partner


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

    assert push(world.node, [broadcast(changed, version=9, cause="change")]) == MessageRetry(
        1, unreachable=False
    )


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
