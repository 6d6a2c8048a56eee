"""Partners that become OFFLINE and come back.

Source: OCPI 2.2.1 transport_and_format_offline_behaviour; HCI-10, TRN-32
"""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.pushing import liveness
from chalicelib.pushing.catch_up import RECHECK_DELAY
from chalicelib.pushing.deliveries import DeliveryStatus
from tests.pushing.pushing import Fault, Sent, World, break_down, partner, refuse, stay_silent


@pytest.fixture
def world() -> World:
    """A CPO whose partner one is OFFLINE, and partner two CONNECTED."""
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


def test_only_offline_partners_are_probed(world: World) -> None:
    liveness.run(world.node, world.node.directory.all())

    assert world.partners.probes == ["one"]
    assert world.partner("one").connection == "OFFLINE"


def test_an_offline_partner_is_sent_no_object(world: World) -> None:
    """Source: HCI-09"""
    sent = len(world.partners.to("one"))
    world.put_tariff("T2", currency="NOK")
    world.put_location()

    world.settle(seconds=120)

    assert len(world.partners.to("one")) == sent
    assert len(world.queue) == 0


def test_a_partner_that_is_back_receives_the_present_state_of_missed_objects(world: World) -> None:
    """Each object once, in its last state, deletions too. Source: TRN-32, TRP-10"""
    location = world.put_location()
    for currency in ("SEK", "DKK"):
        first = world.put_tariff("T1", currency=currency)
    second = world.put_tariff("T2")
    world.delete_tariff(second)
    world.put_evse(location, "E0", status="CHARGING")
    world.settle()
    sent = len(world.partners.to("one"))
    world.partners.away.clear()

    liveness.run(world.node, world.node.directory.all())
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


def test_a_timer_that_dies_leaves_no_missed_object_out(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stream has the record of its return, so the catch-up starts without the timer."""
    first, second = world.put_tariff("T1", currency="SEK"), world.put_tariff("T2", currency="SEK")
    world.settle()
    world.partners.away.clear()

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(liveness, "run_rechecks", die)
    with pytest.raises(KeyboardInterrupt):
        liveness.run(world.node, world.node.directory.all())
    world.settle()

    assert world.held("one", first) == world.stored(first)
    assert world.held("one", second) == world.stored(second)


def test_a_given_up_object_is_retried_until_it_is_delivered() -> None:
    world = World("CPO", freshness=20)
    world.join(partner("EMSP", "one"))
    poison = world.put_tariff("POISON")
    world.partners.faults["one"] = lambda sent: break_down(sent) if "POISON" in sent.segments else None
    for number in range(25):
        world.put_tariff("FINE", marker=number)
        world.settle(seconds=1)
    assert world.delivery("one", poison).status == DeliveryStatus.DEAD
    world.partners.faults.clear()

    world.clock.forward(RECHECK_DELAY.total_seconds())
    liveness.run(world.node, world.node.directory.all())
    world.settle()

    assert world.held("one", poison) == world.stored(poison)


def test_a_partner_that_left_while_offline_is_not_probed(world: World) -> None:
    before = world.partner("one")
    world.node.directory.save(before.model_copy(update={"status": "UNREGISTERED"}), before)

    liveness.run(world.node, world.node.directory.all())

    assert world.partners.probes == []


# -- the probe is a push


def test_a_partner_that_answers_with_its_versions_and_takes_no_push_stays_offline(world: World) -> None:
    """One request each time, and the object of the probe is not sent over and over again."""
    world.partners.away.clear()
    world.partners.faults["one"] = stay_silent
    sent = len(world.partners.to("one"))

    liveness.run(world.node, world.node.directory.all())
    world.settle()

    assert world.partner("one").connection == "OFFLINE"
    assert len(world.partners.to("one")) == sent + 1
    assert world.delivery("one", world.put_tariff("T1")).status == DeliveryStatus.MISSED


def test_an_object_that_the_partner_cannot_take_does_not_keep_it_offline(world: World) -> None:
    """After an answer with an error the probe tries another object. The first one is retried later."""
    world.partners.away.clear()
    fine, poison = world.put_tariff("T2", currency="SEK"), world.put_tariff("T1")
    world.partners.faults["one"] = lambda sent: break_down(sent) if "T1" in sent.segments else None

    liveness.run(world.node, world.node.directory.all())
    world.settle(seconds=90)

    assert world.partner("one").connection == "CONNECTED"
    assert world.held("one", fine) == world.stored(fine)
    assert world.delivery("one", poison).status == DeliveryStatus.DEAD


POISONED = [f"T{number}" for number in range(4)]


def quiet_world(failure: Fault) -> World:
    """A CPO whose partner went OFFLINE because of four objects, and can take all others."""
    world = World("CPO")
    world.join(partner("EMSP", "one"))
    for number in range(8):
        world.put_tariff(f"T{number}")
    world.settle()
    world.clock.forward(3600)
    world.partners.faults["one"] = lambda sent: failure(sent) if sent.segments[2] in POISONED else None
    for tariff_id in POISONED:
        world.put_tariff(tariff_id, currency="NOK")
    world.settle(seconds=90)
    assert world.partner("one").connection == "OFFLINE"
    return world


@pytest.mark.parametrize("failure", [break_down, stay_silent])
def test_objects_that_the_partner_can_never_take_do_not_block_the_others(failure: Fault) -> None:
    """Any number of them, whether the partner answers them with an error or gives no answer."""
    world = quiet_world(failure)
    for _ in range(3):
        liveness.run(world.node, world.node.directory.all())
        world.settle(seconds=60)
    changed = world.put_tariff("T7", currency="NOK")

    world.clock.forward(3600)
    liveness.run(world.node, world.node.directory.all())

    assert world.partner("one").connection == "CONNECTED"
    assert world.held("one", changed) == world.stored(changed)


@pytest.mark.parametrize("failure", [break_down, stay_silent])
def test_the_same_objects_do_not_make_a_partner_offline_again_and_again(failure: Fault) -> None:
    """Each of them has one try when the partner is back, and later retries that affect no other object."""
    world = quiet_world(failure)
    for number in range(12):
        world.put_tariff("T7", marker=number)
        world.clock.forward(3600)
        liveness.run(world.node, world.node.directory.all())
        world.settle(seconds=90)

    assert world.partner("one").connection == "CONNECTED"
    world.partners.faults.clear()
    for _ in range(2):
        world.clock.forward(3600)
        liveness.run(world.node, world.node.directory.all())
        world.settle()
    poisoned = [world.put_tariff(each, currency="NOK") for each in POISONED]
    assert all(world.held("one", each) for each in poisoned)


def test_a_given_up_object_that_is_not_due_does_not_keep_the_partner_offline() -> None:
    """The partner was OFFLINE for another reason, and missed no other object."""
    world = World("CPO")
    world.join(partner("EMSP", "one"))
    world.partners.faults["one"] = lambda sent: break_down(sent) if "POISON" in sent.segments else None
    poison = world.put_tariff("POISON")
    for number in range(10):
        world.put_tariff("FINE", marker=number)
        world.settle(seconds=30)
        liveness.run(world.node, world.node.directory.all())
    assert world.delivery("one", poison).waits(world.clock())
    gone = {"connection": "OFFLINE", "offline_since": "2026-03-01T12:00:00Z"}
    world.node.directory.update("one", lambda each: each.model_copy(update=gone))

    liveness.run(world.node, world.node.directory.all())

    assert world.partner("one").connection == "CONNECTED"


def test_a_partner_that_missed_no_object_is_back_when_it_answers_with_its_versions() -> None:
    world = World("CPO")
    world.join(partner("EMSP", "one", connection="OFFLINE"))

    liveness.run(world.node, world.node.directory.all())

    assert world.partner("one").connection == "CONNECTED"
    assert world.partners.sent == []


def test_a_missed_object_without_a_row_is_the_object_of_the_probe() -> None:
    """While a partner is OFFLINE, no row is written for the objects that it misses."""
    world = World("CPO")
    world.join(partner("EMSP", "one", connection="OFFLINE"))
    missed = world.put_tariff()
    world.settle()
    world.partners.faults["one"] = stay_silent

    liveness.run(world.node, world.node.directory.all())

    assert [sent.segments[2] for sent in world.partners.to("one")] == [missed.id]
    assert world.partner("one").connection == "OFFLINE"


def test_a_refusal_shows_that_a_partner_works(world: World) -> None:
    world.partners.away.clear()
    world.partners.faults["one"] = refuse()

    liveness.run(world.node, world.node.directory.all())

    assert world.partner("one").connection == "CONNECTED"


def test_an_error_with_one_partner_does_not_stop_the_probes_of_others(world: World) -> None:
    world.partners.away.add("two")
    world.put_tariff("T1", currency="DKK")
    world.settle(seconds=70)
    assert world.partner("two").connection == "OFFLINE"
    world.partners.away.clear()

    def fail(sent: Sent) -> Exception | None:
        raise ZeroDivisionError

    world.partners.faults["one"] = fail
    liveness.run(world.node, world.node.directory.all())

    assert world.partner("one").connection == "OFFLINE"
    assert world.partner("two").connection == "CONNECTED"


def test_a_recheck_that_fails_does_not_stop_the_others(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        world.join(partner("EMSP", name))
    world.settle()
    world.clock.forward(RECHECK_DELAY.total_seconds())
    send, failures = world.node.queues.send_broadcasts, iter([RuntimeError("the queue refused")])

    def send_or_fail(messages: Any) -> None:
        if failure := next(failures, None):
            raise failure
        send(messages)

    monkeypatch.setattr(world.node.queues, "send_broadcasts", send_or_fail)
    liveness.run(world.node, world.node.directory.all())

    assert {body["partner_id"] for body in world.queue.bodies} == {"b", "two"}
    assert [look["sk"] for look in world.table.query("#pk = :pk", {"pk": "catch-up"}).items] == ["a"]


# -- growing pauses


def requests_of(world: World, minutes: int) -> list[int]:
    """Count the requests to partner one in each hour, with the timer running every minute."""
    hours: list[int] = []
    for minute in range(minutes):
        if minute % 60 == 0:
            hours.append(0)
        before = len(world.partners.to("one"))
        world.settle(seconds=60)
        liveness.run(world.node, world.node.directory.all())
        hours[-1] += len(world.partners.to("one")) - before
    return hours


def test_a_partner_that_takes_no_push_is_sent_few_requests(world: World) -> None:
    """The partner always answers with its versions, so a probe without a push would find it CONNECTED."""
    world.partners.away.clear()
    world.partners.faults["one"] = break_down
    for number in range(64):
        world.put_tariff(f"N{number}")

    assert requests_of(world, 180) == [15, 3, 3]
    known = world.partner("one").breaker
    assert known and known.opened == 8 and "500" in known.reason


def test_an_object_that_the_partner_cannot_take_is_tried_less_and_less_often() -> None:
    """The partner takes all others. Source: docs/design.md, A broadcast"""
    world = World("CPO")
    world.join(partner("EMSP", "one"))
    poison = world.put_tariff("POISON")
    world.partners.faults["one"] = lambda sent: break_down(sent) if "POISON" in sent.segments else None
    tries: list[int] = []
    for hour in range(4):
        before = len([sent for sent in world.partners.to("one") if "POISON" in sent.segments])
        for minute in range(60):
            for half in range(4):
                world.put_tariff("FINE", marker=f"{hour} {minute} {half}")
                world.settle(seconds=15)
            liveness.run(world.node, world.node.directory.all())
        tries.append(len([sent for sent in world.partners.to("one") if "POISON" in sent.segments]) - before)

    assert world.delivery("one", poison).status == DeliveryStatus.DEAD
    assert world.partner("one").connection == "CONNECTED"
    assert tries[0] <= 14 and tries[1:] == [1, 1, 1]
    world.partners.faults.clear()
    world.clock.forward(3600)
    liveness.run(world.node, world.node.directory.all())
    world.settle()

    assert world.held("one", poison) == world.stored(poison)
    assert world.delivery("one", poison).given_up == 0


def test_changing_objects_that_always_fail_do_not_make_the_partner_offline() -> None:
    """After they were given up twice, each of their changes has one try."""
    world = World("CPO", freshness=20)
    world.join(partner("EMSP", "one"))
    world.partners.faults["one"] = lambda sent: break_down(sent) if "POISON" in sent.segments else None
    poison = world.put_tariff("POISON")
    for number in range(60):
        world.put_tariff("FINE", marker=number)
        world.settle(seconds=2)
        liveness.run(world.node, world.node.directory.all())
    assert world.delivery("one", poison).given_up >= 2

    for number in range(10):
        world.put_tariff("POISON", marker=number)
        world.settle(seconds=60)

    assert world.partner("one").connection == "CONNECTED"
    world.partners.faults.clear()
    world.put_tariff("POISON", currency="NOK")
    world.settle()
    assert world.held("one", poison) == world.stored(poison)
