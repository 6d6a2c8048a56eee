"""Two push queues: live changes, and catch-ups or slow pushes. Source: TRN-32, TRP-10"""

from __future__ import annotations

import pytest

from chalicelib.partners.breaker import Breaker
from chalicelib.pushing import liveness
from chalicelib.pushing.catch_up import RECHECK_DELAY, schedule_recheck
from chalicelib.pushing.deliveries import Delivery, DeliveryStatus, key_of, write_delivery
from chalicelib.pushing.failure_record import QUICK_S
from chalicelib.pushing.push_requests import PUSH_S
from chalicelib.queues import Lane
from chalicelib.storage.table import Key
from tests.pushing.pushing import Sent, World, break_down, partner, stay_silent

HANGING = [f"h{number:02}" for number in range(12)]


@pytest.fixture
def world() -> World:
    """A CPO with two partners that have received every object."""
    world = World("CPO", two_lanes=True)
    for name in ("one", "two"):
        world.join(partner("EMSP", name))
    world.settle()
    return world


def names(world: World, lane: Lane) -> list[str]:
    queue = world.queue if lane is Lane.LIVE else world.catch_ups
    return sorted(body["partner_id"] for body in queue.bodies)


# -- catch-up


def test_a_catch_up_has_its_own_queue() -> None:
    """Changes for other partners never wait behind it: the live lane has none of its messages."""
    world = World("CPO", two_lanes=True)
    refs = [world.put_tariff(f"T{number}") for number in range(30)]
    world.settle()

    world.node.directory.save(partner("EMSP", "new"))
    world.stream()
    assert (names(world, Lane.LIVE), names(world, Lane.CATCH_UP)) == ([], ["new"])
    world.work(Lane.CATCH_UP)

    assert (names(world, Lane.LIVE), names(world, Lane.CATCH_UP)) == ([], ["new"] * 30)
    world.put_tariff("T0", currency="NOK")
    world.stream()
    assert names(world, Lane.LIVE) == ["new"]
    world.settle()
    assert all(world.held("new", ref) == world.stored(ref) for ref in refs)


def test_a_recheck_uses_the_catch_up_queue(world: World) -> None:
    world.clock.forward(RECHECK_DELAY.total_seconds())

    liveness.run(world.node, world.node.directory.all())

    assert (names(world, Lane.LIVE), names(world, Lane.CATCH_UP)) == ([], ["one", "two"])


def test_a_catch_up_push_that_a_change_overtakes_is_repaired(world: World) -> None:
    """The two queues have no common order: the state that arrives last may be the older one."""
    ref = world.put_tariff("T1")
    world.stream()
    world.queue.take(lambda body: body["partner_id"] == "one")
    world.work(Lane.LIVE)
    world.clock.forward(RECHECK_DELAY.total_seconds())
    liveness.run(world.node, world.node.directory.all())
    world.catch_up()
    assert names(world, Lane.CATCH_UP) == ["one"]
    overtaken: list[Sent] = []

    def change_meanwhile(sent: Sent) -> None:
        if not overtaken:
            overtaken.append(sent)
            world.put_tariff("T1", currency="NOK")
            world.stream()
            world.work(Lane.LIVE)

    world.partners.faults["one"] = change_meanwhile
    world.work(Lane.CATCH_UP)
    assert (world.held("one", ref) or {})["currency"] == "EUR"

    world.settle(seconds=2)
    world.clock.forward(RECHECK_DELAY.total_seconds())
    liveness.run(world.node, world.node.directory.all())
    world.settle()

    assert world.held("one", ref) == world.stored(ref)


def test_a_change_after_a_partner_joined_is_left_to_its_own_message() -> None:
    """Otherwise two lanes would push it at the same time: two requests, and two CDRs."""
    world = World("CPO", two_lanes=True)
    old = world.put_tariff("OLD")
    world.stream()
    world.node.directory.save(partner("EMSP", "one"))
    world.stream()
    world.clock.forward(1)
    new = world.put_tariff("NEW")
    world.stream()

    world.work(Lane.CATCH_UP)

    assert [body["pk"] for body in world.catch_ups.bodies] == [old.key.pk]
    assert [body["pk"] for body in world.queue.bodies] == [new.key.pk]
    world.settle()
    assert len(world.partners.to("one")) == 2


def test_a_change_of_an_evse_after_a_partner_joined_sends_the_whole_location() -> None:
    """The message of that change is about the EVSE alone, which a receiver may take without the location."""
    world = World("CPO", two_lanes=True)
    ref = world.put_location()
    world.stream()
    world.node.directory.save(partner("EMSP", "one"))
    world.stream()
    world.clock.forward(1)
    world.put_evse(ref, "E0", status="CHARGING")
    world.stream()
    world.work(Lane.CATCH_UP)

    assert world.catch_ups.bodies == []
    world.work()
    assert world.held("one", ref) == world.stored(ref)


def test_a_recheck_finds_what_changed_before_its_delay_was_over(world: World) -> None:
    """The worker that distributed the changes of that moment may have read the partners before."""
    world.table.delete(Key("catch-up", "two"))
    schedule_recheck(world.node, "one")
    world.clock.forward(RECHECK_DELAY.total_seconds() - 1)
    missed = world.put_tariff("MISSED")
    world.clock.forward(5)
    later = world.put_tariff("LATER")
    world.dynamodb.stream.clear()

    liveness.run(world.node, world.node.directory.all())
    world.settle()

    assert world.held("one", missed) == world.stored(missed)
    assert world.held("one", later) is None, "this has a message of its own"


def test_a_given_up_object_is_sent_again_however_new_it_is(world: World) -> None:
    schedule_recheck(world.node, "one")
    world.clock.forward(RECHECK_DELAY.total_seconds() + 1)
    given_up = world.put_tariff("NEW")
    world.stream()
    world.queue.take(lambda body: True)
    missed = Delivery(ref=str(given_up), status=DeliveryStatus.MISSED, at="2026-03-01T12:00:00Z")
    write_delivery(world.table, key_of("one", given_up.key.pk), Delivery(), missed)

    liveness.run(world.node, world.node.directory.all())
    world.settle()

    assert world.held("one", given_up) == world.stored(given_up)


# -- partners that fail or are slow


def test_a_slow_push_of_a_change_is_moved_to_the_catch_up_lane(world: World) -> None:
    world.partners.faults["one"] = stay_silent
    world.put_tariff()
    world.stream()

    assert world.work(Lane.LIVE) == []

    assert sorted(world.partners.patience) == [("one", QUICK_S), ("two", QUICK_S)]
    assert (names(world, Lane.LIVE), names(world, Lane.CATCH_UP)) == ([], ["one"])


def test_a_slow_partner_gets_more_time_in_the_catch_up_lane(world: World) -> None:
    world.partners.faults["one"] = stay_silent
    ref = world.put_tariff()
    world.stream()
    world.work(Lane.LIVE)
    world.partners.faults.clear()
    world.clock.forward(1)

    world.work(Lane.CATCH_UP)

    assert world.partners.patience[-1] == ("one", PUSH_S)
    assert world.held("one", ref) == world.stored(ref)
    known = world.partner("one").breaker
    assert known and not known.is_failing


def test_the_rest_of_a_group_is_moved_behind_its_first(world: World) -> None:
    ref = world.put_location()
    world.settle()
    world.partners.faults["one"] = stay_silent
    world.put_evse(ref, "E0", status="CHARGING")
    world.put_evse(ref, "E1", status="CHARGING")
    world.stream()

    assert world.work(Lane.LIVE) == []

    assert [body["sk"][-5:] for body in world.catch_ups.bodies] == ["00000", "00001"]
    world.partners.faults.clear()
    world.settle(seconds=5)
    assert world.held("one", ref) == world.stored(ref)


def test_messages_that_cannot_be_moved_are_retried(world: World) -> None:
    world.partners.faults["one"] = stay_silent
    ref = world.put_tariff()
    world.stream()
    world.catch_ups.broken = 1

    assert len(world.work(Lane.LIVE)) == 1
    world.partners.faults.clear()
    world.settle(seconds=10)

    assert world.held("one", ref) == world.stored(ref)


def test_every_process_knows_a_partner_that_fails(world: World) -> None:
    """Another process calls it neither for a change nor for a catch-up."""
    world.partners.faults["one"] = stay_silent
    world.put_tariff("T1")
    world.stream()
    world.work(Lane.LIVE)
    for number in range(2, 12):
        world.put_tariff(f"T{number}")
    world.stream()

    for _ in range(3):
        world.work(Lane.LIVE, world.new_limit())
        world.work(Lane.CATCH_UP, world.new_limit())

    assert len(world.partners.to("one")) == 1
    assert len(world.partners.to("two")) == 11
    assert names(world, Lane.LIVE) == []


def test_one_push_at_a_time_is_tried_at_a_partner_that_fails(world: World) -> None:
    world.partners.faults["one"] = stay_silent
    for number in range(20):
        world.put_tariff(f"T{number}")
    world.stream()
    for _ in range(5):
        world.work(Lane.LIVE)
    first = len(world.partners.to("one"))
    world.clock.forward(1)
    under_way: list[int] = []

    def another_process(sent: Sent) -> Exception:
        if sent.partner_id == "one" and not under_way:
            under_way.append(len(world.partners.to("one")))
            world.work(Lane.CATCH_UP, world.new_limit())
        return stay_silent(sent)

    world.partners.faults["one"] = another_process
    world.work(Lane.CATCH_UP)

    assert len(world.partners.to("one")) == first + 1


def test_several_failing_objects_in_a_row_make_the_partner_failing(world: World) -> None:
    """The partner answers each with an error; even so, not every object is tried for the whole window."""
    world.partners.faults["one"] = break_down
    for number in range(64):
        world.put_tariff(f"T{number}")

    world.settle(seconds=70)

    assert world.partner("one").connection == "OFFLINE"
    assert len(world.partners.to("one")) <= 20
    assert len(world.partners.to("two")) == 64


def test_a_slow_partner_is_pushed_to_in_the_catch_up_lane(world: World) -> None:
    slow = Breaker(slow_until="2026-03-01T12:30:00Z")
    world.node.directory.update("one", lambda known: known.model_copy(update={"breaker": slow}))
    world.put_tariff()
    world.stream()

    world.work(Lane.LIVE)
    assert world.partners.to("one") == []
    world.work(Lane.CATCH_UP)

    assert world.partners.patience[-1] == ("one", PUSH_S)
    world.clock.forward(1800)
    world.put_tariff(currency="NOK")
    world.stream()
    world.work(Lane.LIVE)
    assert world.partners.patience[-1][1] == QUICK_S
    assert len(world.partners.to("one")) == 2


def test_twelve_hanging_partners_do_not_delay_changes_for_another() -> None:
    """In the live lane none of them is called after its first failure, in any process."""
    world = World("CPO", two_lanes=True)
    for name in ("well", *HANGING):
        world.join(partner("EMSP", name))
    world.settle()
    world.partners.faults |= dict.fromkeys(HANGING, stay_silent)

    for number in range(50):
        ref = world.put_tariff(f"T{number}")
        world.stream()
        while len(world.queue):
            assert world.work(Lane.LIVE, world.new_limit()) == []
        assert world.held("well", ref) == world.stored(ref)
        world.work(Lane.CATCH_UP)
        world.clock.forward(1)

    quick = [name for name, seconds in world.partners.patience if seconds == QUICK_S and name != "well"]
    assert sorted(quick) == HANGING
    assert max(len(world.partners.to(name)) for name in HANGING) <= 7


def test_an_unstable_partner_is_sent_few_requests_and_no_delivered_object_twice() -> None:
    """The partner takes one push after each outage, that of the probe, and no other."""
    world = World("CPO", two_lanes=True)
    world.join(partner("EMSP", "one"))
    for number in range(64):
        world.put_tariff(f"N{number}")
    taken: list[str] = []
    may_take = False

    def take_one(sent: Sent) -> Exception | None:
        nonlocal may_take
        if may_take:
            may_take = False
            taken.append(sent.segments[2])
            return None
        return break_down(sent)

    world.partners.faults["one"] = take_one
    hours: list[int] = []
    for _ in range(4):
        before = len(world.partners.to("one"))
        for _ in range(60):
            world.settle(seconds=60)
            may_take = world.partner("one").connection == "OFFLINE"
            liveness.run(world.node, world.node.directory.all())
        hours.append(len(world.partners.to("one")) - before)

    # The number of pushes that run when the partner stops depends on the threads.
    assert hours[0] <= 90
    assert max(hours[1:]) <= 24
    assert len(taken) == len(set(taken)) >= 5
    assert all(
        world.delivery("one", world.put_tariff(name)).status == DeliveryStatus.DELIVERED for name in taken[:1]
    )
