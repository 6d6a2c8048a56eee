"""Replays: sending again what a partner has not received. Source: TRN-32"""

from __future__ import annotations

import pytest

from chalicelib.pushing import catch_up
from chalicelib.pushing.deliveries import DeliveryStatus
from chalicelib.pushing.replays import replay, replay_object
from chalicelib.storage.keys import Ref
from tests.pushing.pushing import Sent, World, break_down, partner, refuse


@pytest.fixture
def world() -> World:
    """A CPO whose partner has one tariff and one location, and refuses another tariff and location."""
    world = World("CPO")
    world.join(partner("EMSP", "one"))
    world.put_tariff("T1")
    world.put_location("L1")
    world.settle()
    world.partners.faults["one"] = refuse()
    world.put_tariff("T2")
    world.put_location("L2")
    world.settle()
    world.partners.faults.clear()
    world.partners.sent.clear()
    return world


def sent(world: World) -> list[tuple[str, str]]:
    return sorted((each.method, each.segments[-1]) for each in world.partners.sent)


def test_a_replay_sends_exactly_the_objects_that_were_not_received(world: World) -> None:
    replay(world.node, world.partner("one"))
    assert len(world.queue) == 1
    world.settle()

    assert sent(world) == [("PUT", "L2"), ("PUT", "T2")]


def test_a_replay_of_one_module_sends_only_that_module(world: World) -> None:
    replay(world.node, world.partner("one"), "locations")
    world.settle()

    assert sent(world) == [("PUT", "L2")]


def test_a_replay_of_a_module_without_objects_sends_none(world: World) -> None:
    replay(world.node, world.partner("one"), "tokens")
    world.settle()

    assert sent(world) == []
    assert len(world.queue) == 0


def test_a_refused_deletion_is_sent_again(world: World) -> None:
    ref = Ref("tariffs", "PT", "ABC", "T1")
    world.partners.faults["one"] = refuse()
    world.delete_tariff(ref)
    world.settle()
    world.partners.faults.clear()

    replay(world.node, world.partner("one"), "tariffs")
    world.settle()

    assert world.held("one", ref) is None
    assert world.delivery("one", ref).status == DeliveryStatus.DELETED


def test_very_many_objects_are_queued_step_by_step(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catch_up, "OBJECTS_PER_STEP", 10)
    world.partners.faults["one"] = refuse()
    for number in range(35):
        world.put_tariff(f"M{number}")
    world.settle()
    world.partners.faults.clear()
    world.partners.sent.clear()

    replay(world.node, world.partner("one"))
    world.settle()

    assert len(sent(world)) == 37


def test_an_offline_partner_receives_a_replay_when_it_is_back(world: World) -> None:
    offline = world.partner("one")
    world.node.directory.save(offline.model_copy(update={"connection": "OFFLINE"}), offline)
    replay(world.node, world.partner("one"))
    world.settle()
    assert sent(world) == []

    back = world.partner("one")
    world.node.directory.save(back.model_copy(update={"connection": "CONNECTED"}), back)
    world.settle()

    assert sent(world) == [("PUT", "L2"), ("PUT", "T2")]


def test_one_object_is_sent_again_unless_the_partner_has_it(world: World) -> None:
    one = world.partner("one")

    assert replay_object(world.node, one, [Ref("tariffs", "PT", "ABC", "t2")]) is True
    assert replay_object(world.node, one, [Ref("tariffs", "PT", "ABC", "T1")]) is False
    assert replay_object(world.node, one, [Ref("tariffs", "PT", "ABC", "T9")]) is None
    world.settle()

    assert sent(world) == [("PUT", "T2")]


def test_a_given_up_object_is_sent_again_at_once(world: World) -> None:
    poison = world.put_tariff("POISON")

    def fail(request: Sent) -> Exception | None:
        return break_down(request) if "POISON" in request.segments else None

    world.partners.faults["one"] = fail
    while world.delivery("one", poison).status != DeliveryStatus.DEAD:
        world.put_tariff("T1", marker=str(world.clock()))
        world.settle(seconds=5)
    world.partners.faults.clear()

    replay(world.node, world.partner("one"), "tariffs")
    world.settle()

    assert world.held("one", poison) == world.stored(poison)


def test_an_object_outside_the_audience_is_not_sent(world: World) -> None:
    world.join(partner("CPO", "two"))

    assert replay_object(world.node, world.partner("two"), [Ref("tariffs", "PT", "ABC", "T2")]) is None


def test_an_object_delivered_while_its_replay_is_queued_is_sent_once(world: World) -> None:
    """The push decides again: a CDR that is posted twice would exist twice."""
    one, ref = world.partner("one"), Ref("tariffs", "PT", "ABC", "T2")

    for _ in range(3):
        replay_object(world.node, one, [ref])
    replay(world.node, one, "tariffs")
    world.settle()

    assert sent(world) == [("PUT", "T2")]
