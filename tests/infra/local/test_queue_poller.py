"""A queue's messages are delivered by the rules of Lambda's SQS event source."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import pytest

from infra import resources
from infra.local.emulator import Emulator
from infra.local.queue_poller import QueuePoller, failed_items
from tests.infra.polling import eventually

Handler = Callable[[dict[str, Any]], Any]


class Queue:
    """A fresh FIFO queue with a short visibility timeout."""

    def __init__(self, emulator: Emulator) -> None:
        made = resources.make_node_resources(f"q-{uuid.uuid4().hex[:12]}", emulator.client)
        self.name, self.url = made["OCPI_BROADCASTS_QUEUE"], made["OCPI_BROADCASTS_QUEUE_URL"]
        self._client = emulator.client
        self.sqs = emulator.client("sqs")
        self.sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"VisibilityTimeout": "1"})

    def send(self, body: str, group: str) -> None:
        self.sqs.send_message(
            QueueUrl=self.url,
            MessageBody=body,
            MessageGroupId=group,
            MessageDeduplicationId=str(uuid.uuid4()),
        )

    def is_empty(self) -> bool:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        counts = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return all(int(count) == 0 for count in counts.values())

    @contextmanager
    def delivered_to(self, handler: Handler) -> Any:
        stopping = threading.Event()
        poller = QueuePoller(self._client, self.name, handler, batch_size=10, workers=4)
        thread = threading.Thread(target=poller.run, args=(stopping,))
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            thread.join(20)
            assert not thread.is_alive()


@pytest.fixture
def queue(emulator: Emulator) -> Queue:
    return Queue(emulator)


def test_a_record_has_the_fields_of_lambdas_event(queue: Queue) -> None:
    events: list[dict[str, Any]] = []
    queue.send("hello", "g")

    with queue.delivered_to(events.append):
        eventually(queue.is_empty)

    record = events[0]["Records"][0]
    assert record["body"] == "hello"
    assert record["eventSource"] == "aws:sqs"
    assert record["eventSourceARN"].endswith(f":{queue.name}")
    assert record["attributes"]["MessageGroupId"] == "g"
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert {"messageId", "receiptHandle", "md5OfBody", "messageAttributes", "awsRegion"} <= set(record)


def test_only_the_failed_messages_of_a_batch_come_again(queue: Queue) -> None:
    seen: list[str] = []

    def handler(event: dict[str, Any]) -> Any:
        failures = []
        for record in event["Records"]:
            seen.append(record["body"])
            if record["body"] == "bad" and seen.count("bad") == 1:
                failures.append({"itemIdentifier": record["messageId"]})
        return {"batchItemFailures": failures}

    for body in ("good", "bad", "fine"):
        queue.send(body, body)
    with queue.delivered_to(handler):
        eventually(queue.is_empty)

    assert sorted(seen) == ["bad", "bad", "fine", "good"]


def test_a_batch_whose_handler_raises_comes_again_whole(queue: Queue) -> None:
    seen: list[str] = []

    def handler(event: dict[str, Any]) -> Any:
        seen.extend(record["body"] for record in event["Records"])
        if len(seen) <= 2:
            raise RuntimeError("the handler's own trouble")

    for body in ("one", "two"):
        queue.send(body, "same group")
    with queue.delivered_to(handler):
        eventually(queue.is_empty)

    assert seen == ["one", "two", "one", "two"]


def test_each_group_is_delivered_in_order(queue: Queue) -> None:
    seen: dict[str, list[int]] = {"a": [], "b": []}

    def handler(event: dict[str, Any]) -> Any:
        for record in event["Records"]:
            group, number = record["body"].split("/")
            seen[group].append(int(number))

    for number in range(20):
        queue.send(f"a/{number}", "a")
        queue.send(f"b/{number}", "b")
    with queue.delivered_to(handler):
        eventually(queue.is_empty)

    assert seen == {"a": list(range(20)), "b": list(range(20))}


def test_a_group_does_not_wait_for_another_one(queue: Queue) -> None:
    # Both handlers must be at work at the same time, or the barrier breaks.
    together = threading.Barrier(2, timeout=20)

    def handler(event: dict[str, Any]) -> Any:
        together.wait()

    with queue.delivered_to(handler):
        queue.send("one", "a")
        eventually(lambda: together.n_waiting == 1)
        queue.send("two", "b")
        eventually(queue.is_empty)

    assert not together.broken


@pytest.mark.parametrize("answer", [None, {}, {"batchItemFailures": []}, {"batchItemFailures": None}])
def test_an_answer_without_failures_means_that_all_are_done(answer: Any) -> None:
    assert failed_items(answer, {"m1"}) == set()


@pytest.mark.parametrize("identifier", ["", None, "other"])
def test_an_unknown_item_among_the_failures_fails_the_batch(identifier: Any) -> None:
    with pytest.raises(ValueError, match="not in the batch"):
        failed_items({"batchItemFailures": [{"itemIdentifier": identifier}]}, {"m1"})
