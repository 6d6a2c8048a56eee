"""Worker of the push queues: batches of messages. Source: docs/design.md, A broadcast; TRN-32, TRP-10"""

from __future__ import annotations

import threading
from typing import Any

import pytest

from chalicelib.pushing import broadcasts
from chalicelib.pushing.broadcasts import LAST_RECEIVE, LAST_TRY, backoff, handle_messages
from chalicelib.pushing.concurrency_limit import CallLater, ConcurrencyLimit
from chalicelib.pushing.deliveries import DeliveryStatus
from chalicelib.queues import Broadcast, CatchUp
from chalicelib.storage.table import Key
from tests.pushing.memory_aws import Record
from tests.pushing.pushing import Sent, World, break_down, partner, stay_silent


@pytest.fixture
def world() -> World:
    world = World("CPO")
    for name in ("one", "two"):
        world.join(partner("EMSP", name))
    return world


def test_every_message_is_pushed_and_none_is_retried(world: World) -> None:
    refs = [world.put_tariff(f"T{number}") for number in range(5)]
    world.stream()

    assert world.work() == []
    assert len(world.queue) == 0
    for name in ("one", "two"):
        assert all(world.held(name, ref) == world.stored(ref) for ref in refs)


def test_many_changes_of_one_object_are_one_push(world: World) -> None:
    ref = world.put_tariff()
    for number in range(4):
        world.put_tariff(marker=number)
    world.stream()

    world.settle()

    assert len(world.partners.to("one")) == 1
    assert world.held("one", ref) == world.stored(ref)


def test_changes_of_one_evse_in_a_batch_are_one_push_that_counts_for_all(world: World) -> None:
    ref = world.put_location()
    world.settle()
    for status in ("CHARGING", "BLOCKED", "AVAILABLE"):
        world.put_evse(ref, "E1", status=status)
        world.put_evse(ref, "E0", status=status)
    world.settle()

    assert len(world.partners.to("one")) == 3
    header = world.table.get(ref.key)
    assert header is not None and world.delivery("one", ref).version == header["v"]


def test_only_failed_messages_are_retried_and_later(world: World) -> None:
    world.put_tariff()
    world.stream()
    world.partners.faults["two"] = break_down

    (again,) = world.work()

    assert Broadcast.model_validate_json(again["body"]).partner_id == "two"
    assert world.work() == [] and len(world.queue) == 1
    world.clock.forward(1)
    assert len(world.work()) == 1


def test_the_rest_of_a_group_is_retried_behind_a_failed_message(world: World) -> None:
    ref = world.put_location()
    world.settle()
    world.put_evse(ref, "E0")
    world.put_evse(ref, "E1")
    world.stream()
    world.partners.faults["two"] = break_down
    pushed = len(world.partners.to("two"))

    again = world.work()

    assert [Broadcast.model_validate_json(r["body"]).partner_id for r in again] == ["two", "two"]
    assert len(world.partners.to("two")) == pushed + 1


def crash(*_: Any) -> None:
    raise ZeroDivisionError


def test_an_error_of_this_node_is_retried_and_then_shown_as_dead(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = world.put_tariff()
    world.stream()
    for partner_id in ("one", "two"):
        world.table.delete(Key("catch-up", partner_id))

    with monkeypatch.context() as broken:
        broken.setattr(broadcasts, "push", crash)
        tries = 0
        while world.queue.bodies:
            world.work()
            world.clock.forward(31)
            tries += 1

    assert tries == LAST_TRY
    assert len(world.queue.dead) == 2
    assert world.delivery("one", ref).status == DeliveryStatus.DEAD
    assert {look["sk"] for look in rechecks(world)} == {"one", "two"}
    assert world.partners.sent == []


def rechecks(world: World) -> list[dict[str, Any]]:
    return world.table.query("#pk = :pk", {"pk": "catch-up"}).items


def test_a_message_that_waited_long_for_a_slot_is_not_given_up_at_its_first_failure(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a slow partner a message is received again and again before it is tried."""
    ref = world.put_tariff()
    world.stream()
    world.limit = FullLimit()
    for _ in range(LAST_TRY + 1):
        world.work()
        world.clock.forward(31)
    assert world.partners.sent == [] and world.delivery("one", ref).status is None

    world.limit = ConcurrencyLimit()
    with monkeypatch.context() as broken:
        broken.setattr(broadcasts, "push", crash)
        assert len(world.work()) == 2
    world.settle(seconds=31)

    assert world.held("one", ref) == world.stored(ref)
    assert world.queue.dead == []


def test_the_freshness_window_begins_with_the_first_try_not_the_first_receive(world: World) -> None:
    """Also when the row has a fault of long ago."""
    ref = world.put_tariff()
    world.stream()
    world.partners.faults["one"] = break_down
    world.work()
    world.queue._groups.clear()
    world.clock.forward(1000)
    world.put_tariff(currency="NOK")
    world.stream()
    world.limit = FullLimit()
    world.work()
    world.limit = ConcurrencyLimit()
    world.clock.forward(31)

    world.work()

    assert world.partner("one").connection == "CONNECTED"
    assert world.delivery("one", ref).status == DeliveryStatus.WAITING


def test_a_message_that_never_got_a_slot_is_followed_by_a_recheck(world: World) -> None:
    world.put_tariff()
    world.stream()
    world.limit = FullLimit()
    world.table.delete(Key("catch-up", "one"))
    for group in world.queue._groups.values():
        for message in group:
            message.receive_count = LAST_RECEIVE - 1

    world.work()

    assert "one" in {look["sk"] for look in rechecks(world)}


class FullLimit(ConcurrencyLimit):
    """A concurrency limit without a free slot."""

    def slot(self, *_: object) -> Any:
        raise CallLater(1)


def test_an_unreadable_message_delays_no_other_and_ends_in_the_dead_letter_queue(world: World) -> None:
    ref = world.put_tariff()
    world.stream()
    entry = {
        "Id": "0",
        "MessageBody": '{"from": "another version"}',
        "MessageGroupId": "g",
        "MessageDeduplicationId": "d",
    }
    world.queue.send_message_batch("https://queue/broadcasts", [entry])

    (again,) = world.work()

    assert again["body"] == entry["MessageBody"]
    assert world.held("one", ref) == world.held("two", ref) == world.stored(ref)
    world.settle(seconds=31 * LAST_TRY)
    assert [message.body for message in world.queue.dead] == [entry["MessageBody"]]
    assert len(world.queue) == 0


def test_a_failing_catch_up_step_is_retried_and_then_left_to_a_recheck(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.node.queues.send_broadcasts([CatchUp(what="CATCH_UP", partner_id="one", cause="test")])
    world.table.delete(Key("catch-up", "one"))
    monkeypatch.setattr(broadcasts, "run_step", crash)

    assert len(world.work()) == 1
    world.settle(seconds=31 * LAST_TRY)

    assert (len(world.queue), len(world.queue.dead)) == (0, 1)
    assert "one" in {look["sk"] for look in rechecks(world)}


def test_the_time_between_tries_doubles() -> None:
    assert [backoff(count) for count in (1, 2, 3, 6, 12, 1000)] == [1, 2, 4, 30, 30, 30]


def test_messages_whose_delay_cannot_be_set_are_retried_all_the_same(world: World) -> None:
    world.put_tariff()
    world.stream()
    world.partners.faults["two"] = break_down

    def refuse(**_: Any) -> None:
        raise RuntimeError("the queue is gone")

    world.queue.change_message_visibility_batch = refuse  # type: ignore[method-assign, assignment]

    assert len(world.work()) == 1
    assert len(world.queue) == 1


def test_no_push_starts_after_the_time_of_the_batch(world: World) -> None:
    ref = world.put_location()
    world.settle()
    world.put_evse(ref, "E0")
    world.put_evse(ref, "E1")
    world.stream()
    world.partners.faults["one"] = lambda sent: world.clock.forward(20)

    again = world.work()

    assert len(world.partners.to("one")) == 2
    assert {Broadcast.model_validate_json(r["body"]).partner_id for r in again} >= {"one"}


# -- several partners


def records(world: World) -> list[Record]:
    world.stream()
    return world.queue.receive()


def test_a_slow_partner_delays_no_other(world: World) -> None:
    """Its push ends only after the push to the other partner has succeeded."""
    ref = world.put_tariff()
    through = threading.Event()

    def answer(sent: Sent) -> None:
        if sent.partner_id == "two":
            through.set()
        else:
            assert through.wait(10), "the other partner was not pushed to meanwhile"

    world.partners.faults |= {"one": answer, "two": answer}

    assert handle_messages(world.node, records(world), ConcurrencyLimit()) == {"batchItemFailures": []}
    assert world.held("one", ref) == world.held("two", ref) == world.stored(ref)


def test_after_a_timeout_other_objects_do_not_call_the_partner(world: World) -> None:
    """Otherwise its timeouts would occupy every worker."""
    world.put_tariff("T1")
    world.stream()
    world.partners.faults["one"] = stay_silent
    world.work()
    for number in range(2, 8):
        world.put_tariff(f"T{number}")
    world.stream()

    world.work()
    world.work()

    assert len(world.partners.to("one")) == 1
    assert len(world.partners.to("two")) == 7


def test_a_partner_that_answers_again_receives_every_object(world: World) -> None:
    refs = [world.put_tariff(f"T{number}") for number in range(6)]
    world.stream()
    world.partners.faults["one"] = stay_silent
    world.settle(seconds=10)
    del world.partners.faults["one"]

    world.settle(seconds=30)

    assert all(world.held("one", ref) == world.stored(ref) for ref in refs)
    assert world.partner("one").connection == "CONNECTED"
