"""Tests of the messages on SQS. Source: docs/design.md, A broadcast; TRN-32"""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.queues import Broadcast, CatchUp, Lane, Queues, read_broadcast
from tests.harness.nodes import Clock
from tests.pushing.memory_aws import MemoryQueue, MemorySqs

URL = "https://queue/broadcasts"


@pytest.fixture
def queue() -> MemoryQueue:
    return MemoryQueue(Clock())


def message(**fields: str) -> Broadcast:
    made = {
        "partner_id": "one",
        "module": "tariffs",
        "pk": "tariffs#PT*ABC#T1",
        "sk": "#",
        "cause": "event-1",
    }
    return Broadcast(ref="tariffs#PT*ABC#T1", **{**made, **fields})  # type: ignore[arg-type]


def test_messages_are_sent_in_order_ten_in_a_call(queue: MemoryQueue) -> None:
    sent = [message(cause=f"event-{number}") for number in range(25)]

    Queues(queue, URL).send_broadcasts(sent)

    assert [body["cause"] for body in queue.bodies] == [each.cause for each in sent]


def test_a_message_that_the_queue_refuses_is_an_error(queue: MemoryQueue) -> None:
    queue.broken = 1

    with pytest.raises(RuntimeError):
        Queues(queue, URL).send_broadcasts([message()])


def test_each_message_is_sent_in_its_own_group(monkeypatch: pytest.MonkeyPatch, queue: MemoryQueue) -> None:
    """SQS keeps the order within a group only; without a group messages may arrive in another order."""
    entries: list[Any] = []
    monkeypatch.setattr(queue, "send_message_batch", lambda QueueUrl, Entries: entries.extend(Entries) or {})
    sent = [
        message(cause="event-1"),
        message(cause="event-2"),
        message(cause="event-3", pk="tariffs#PT*ABC#T2"),
        message(cause="event-4", partner_id="two"),
    ]

    Queues(queue, URL).send_broadcasts(sent)

    groups = [entry["MessageGroupId"] for entry in entries]
    assert groups == [each.group for each in sent]
    assert groups[0] == groups[1] and len(set(groups)) == 3


def test_a_group_contains_one_partner_and_one_object_with_its_parts() -> None:
    evse = message(sk="E#0#00001")

    assert evse.group == message().group
    assert message(partner_id="two").group != message().group
    assert message(pk="tariffs#PT*ABC#T2").group != message().group
    cdr, credit = (message(module="cdrs", pk=f"cdrs#PT*ABC#{name}") for name in ("C1", "C1-C"))
    assert cdr.group == credit.group
    assert cdr.deduplication_id != credit.deduplication_id


def test_only_a_repeated_change_has_the_same_deduplication_id() -> None:
    again = message().deduplication_id

    assert message().deduplication_id == again
    for other in (message(cause="event-2"), message(sk="E#0#00001"), message(partner_id="two")):
        assert other.deduplication_id != again


def test_the_catch_up_steps_of_a_partner_share_a_group_that_no_push_has() -> None:
    step = CatchUp(what="CATCH_UP", partner_id="one", cause="event-1")
    following = step.model_copy(update={"place": "tariffs#PT*ABC", "after": {"pk": "T1"}})

    assert step.group == following.group != message().group
    assert step.deduplication_id != following.deduplication_id


@pytest.mark.parametrize(
    "sent",
    [message(), CatchUp(what="FORGET", partner_id="one", cause="event-1", after={"pk": "T1"})],
    ids=["a push", "a step"],
)
def test_a_queued_message_is_read_back_unchanged(sent: Broadcast | CatchUp) -> None:
    assert read_broadcast(sent.model_dump_json()) == sent


@pytest.mark.parametrize("body", ["", "{}", "[1]", '{"partner_id": "one", "cause": "event-1"}'])
def test_a_foreign_message_is_an_error(body: str) -> None:
    with pytest.raises(ValueError, match="validation error"):
        read_broadcast(body)


def test_a_postponed_message_becomes_visible_again_later(queue: MemoryQueue) -> None:
    queues = Queues(queue, URL)
    queues.send_broadcasts([message()])
    (record,) = queue.receive()

    queues.postpone({record["receiptHandle"]: 5})

    assert queue.receive() == []
    queue.clock.forward(5)  # type: ignore[attr-defined]
    assert len(queue.receive()) == 1


def test_each_lane_has_a_queue_and_catch_up_steps_go_to_their_own() -> None:
    live, later = MemoryQueue(Clock()), MemoryQueue(Clock())
    queues = Queues(MemorySqs({URL: live, f"{URL}-later": later}), URL, "", f"{URL}-later")
    step = CatchUp(what="CATCH_UP", partner_id="one", cause="event-1")

    queues.send_broadcasts([message(cause="1"), step])
    queues.send_broadcasts([message(cause="2")], Lane.CATCH_UP)

    assert [body["cause"] for body in live.bodies] == ["1"]
    assert sorted(body["cause"] for body in later.bodies) == ["2", "event-1"]
    assert queues.has_two_lanes


def test_a_message_is_postponed_in_the_queue_that_it_came_from() -> None:
    live, later = MemoryQueue(Clock()), MemoryQueue(Clock())
    queues = Queues(MemorySqs({URL: live, f"{URL}-later": later}), URL, "", f"{URL}-later")
    queues.send_broadcasts([message()], Lane.CATCH_UP)
    (record,) = later.receive()

    queues.postpone({record["receiptHandle"]: 0}, Lane.CATCH_UP)

    assert len(later.receive()) == 1


def test_without_a_catch_up_queue_both_lanes_share_one_queue(queue: MemoryQueue) -> None:
    queues = Queues(queue, URL)

    queues.send_broadcasts([message()], Lane.CATCH_UP)

    assert not queues.has_two_lanes
    assert len(queue) == 1
