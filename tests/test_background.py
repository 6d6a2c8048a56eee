"""Tests of the background queue and its worker: what fails comes again, what is done does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from chalicelib.background import STEP_S, Handler, handle_messages
from chalicelib.node import Node
from chalicelib.queues import PullStep, Queues, read_background
from tests.harness.account import aws
from tests.harness.nodes import make_network
from tests.harness.standard_queue import StandardQueue

URL = "https://queue/background"


def step(number: int = 1, delay_s: int = 0) -> PullStep:
    return PullStep(partner_id="one", module="tokens", pull_id="p", number=number, delay_s=delay_s)


@pytest.fixture
def node() -> Iterator[Node]:
    """A node whose background queue is in memory."""
    with aws() as account:
        made = make_network(account, cpo="CPO")["cpo"].node
        queue = StandardQueue(made.clock)
        yield replace(made, queues=Queues(queue, "", background_url=URL))


def queue_of(node: Node) -> StandardQueue:
    found: StandardQueue = node.queues._sqs
    return found


def deliver(node: Node, handler: Handler) -> None:
    queue = queue_of(node)
    records = queue.receive()
    queue.settle(records, handle_messages(node, records, {"PULL": handler}))


def test_messages_are_sent_ten_in_a_call_each_with_its_delay(node: Node) -> None:
    node.queues.send_background([step(number, delay_s=number * 100) for number in range(12)])

    assert [body["number"] for body in queue_of(node).bodies] == list(range(12))
    assert queue_of(node).delays == [min(number * 100, 900) for number in range(12)]


def test_a_message_that_the_queue_refuses_is_an_error(node: Node) -> None:
    queue_of(node).broken = 1

    with pytest.raises(RuntimeError):
        node.queues.send_background([step()])


def test_without_a_background_queue_nothing_is_sent(node: Node) -> None:
    Queues(queue_of(node), "").send_background([step()])

    assert len(queue_of(node)) == 0


def test_a_queued_message_is_read_back_unchanged() -> None:
    assert read_background(step().model_dump_json()) == step()


@pytest.mark.parametrize("body", ["", "{}", "[1]", '{"what": "NOTHING"}'])
def test_a_foreign_message_is_an_error(body: str) -> None:
    with pytest.raises(ValueError, match="validation error"):
        read_background(body)


def test_a_message_goes_to_its_handler_with_the_time_to_stop_at(node: Node) -> None:
    handled: list[tuple[Any, datetime]] = []
    node.queues.send_background([step(1), step(2)])

    deliver(node, lambda node, message, ends: handled.append((message, ends)))

    ends = node.clock() + timedelta(seconds=STEP_S)
    assert sorted(handled, key=lambda each: each[0].number) == [(step(1), ends), (step(2), ends)]
    assert len(queue_of(node)) == 0


def test_only_the_message_that_fails_comes_again_and_later_each_time(node: Node) -> None:
    def fail_one(node: Node, message: Any, ends: datetime) -> None:
        if message.number == 1:
            raise RuntimeError("our own fault")

    node.queues.send_background([step(1), step(2)])
    waits = []
    for _ in range(3):
        deliver(node, fail_one)
        waits += queue_of(node).delays
        node.clock.forward(waits[-1])  # type: ignore[attr-defined]

    assert queue_of(node).bodies == [step(1).model_dump()]
    assert waits == [2, 4, 8]


def test_a_foreign_message_stops_no_other_one(node: Node) -> None:
    handled: list[Any] = []
    queue_of(node).send_message_batch(URL, [{"Id": "0", "MessageBody": "no JSON", "DelaySeconds": 0}])
    node.queues.send_background([step()])

    deliver(node, lambda node, message, ends: handled.append(message))

    assert handled == [step()]
    assert len(queue_of(node)) == 1
