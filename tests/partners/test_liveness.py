"""Partners that are away and come back.

Source: OCPI 2.2.1 transport_and_format_offline_behaviour; HCI-10, TRN-32
"""

from __future__ import annotations

import pytest

from chalicelib.partners import liveness
from chalicelib.partners.catch_up import SECOND_LOOK
from chalicelib.partners.deliveries import Status
from tests.partners.pushing import World, break_down, partner


@pytest.fixture
def world() -> World:
    """A CPO whose partner one has gone away, and two has not."""
    world = World("CPO")
    for name in ("one", "two"):
        world.join(partner("EMSP", name))
    world.put_tariff("T1")
    world.put_tariff("T2")
    world.settle()
    world.partners.away.add("one")
    world.put_tariff("T1", currency="NOK")
    world.settle(seconds=70)
    assert world.partner("one").connection == "OFFLINE"
    return world


def test_only_partners_that_are_away_are_probed(world: World) -> None:
    liveness.run(world.node)

    assert world.partners.probes == ["one"]
    assert world.partner("one").connection == "OFFLINE"


def test_nothing_is_sent_meanwhile(world: World) -> None:
    """Source: HCI-09"""
    sent = len(world.partners.to("one"))
    world.put_tariff("T2", currency="NOK")
    world.put_location()

    world.settle(seconds=120)

    assert len(world.partners.to("one")) == sent
    assert len(world.queue) == 0


def test_a_partner_that_is_back_is_sent_what_it_missed_as_it_is_now(world: World) -> None:
    """Every object once, in its last state, deletions too. Source: TRN-32, TRP-10"""
    location = world.put_location()
    for currency in ("SEK", "DKK"):
        first = world.put_tariff("T1", currency=currency)
    second = world.put_tariff("T2")
    world.delete_tariff(second)
    world.put_evse(location, "E0", status="CHARGING")
    world.settle()
    sent = len(world.partners.to("one"))
    world.partners.away.clear()

    liveness.run(world.node)
    world.settle()

    after = [(each.method, each.segments) for each in world.partners.to("one")[sent:]]
    assert sorted(after) == [
        ("DELETE", ("PT", "ABC", "T2")),
        ("PUT", ("PT", "ABC", "L1")),
        ("PUT", ("PT", "ABC", "T1")),
    ]
    assert world.held("one", first) == world.stored(first)
    assert world.held("one", location) == world.stored(location)
    assert world.held("one", second) is None
    assert world.partner("one").offline_since is None


def test_a_timer_that_dies_leaves_nothing_out(world: World) -> None:
    """The stream tells that the partner is back, whatever became of the timer."""
    world.partners.away.clear()
    liveness.run(world.node)

    records = list(world.dynamodb.stream)
    world.settle()

    assert any(record["dynamodb"]["Keys"]["pk"]["S"] == "partners" for record in records)
    ref = world.put_tariff("T1")
    assert world.held("one", ref) is not None


def test_an_object_that_was_given_up_is_tried_again_and_again_until_it_is_taken() -> None:
    world = World("CPO", freshness=20)
    world.join(partner("EMSP", "one"))
    poison = world.put_tariff("POISON")
    world.partners.faults["one"] = lambda sent: break_down(sent) if "POISON" in sent.segments else None
    for number in range(25):
        world.put_tariff("FINE", marker=number)
        world.settle(seconds=1)
    assert world.delivery("one", poison).status == Status.DEAD
    world.partners.faults.clear()

    world.clock.forward(SECOND_LOOK.total_seconds())
    liveness.run(world.node)
    world.settle()

    assert world.held("one", poison) == world.stored(poison)


def test_a_partner_that_left_while_it_was_away_is_not_probed(world: World) -> None:
    before = world.partner("one")
    world.node.directory.save(before.model_copy(update={"status": "UNREGISTERED"}), before)

    liveness.run(world.node)

    assert world.partners.probes == []
