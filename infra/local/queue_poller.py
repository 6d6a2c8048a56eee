"""Feeds a queue's messages to a handler, by the rules of Lambda's SQS event source.

The handler answers None (all messages are done) or `{"batchItemFailures": [{"itemIdentifier": messageId},
...]}`: those stay in the queue until their visibility timeout ends, the others are deleted. If it raises, or
names an item that is not in the batch, all of them stay. SQS moves messages that fail too often to the
dead-letter queue.

Batches are handled side by side. A FIFO queue gives out no message of a group while another one of it is
being handled.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

LONG_POLL_SECONDS = 1
RETRY_SECONDS = 1.0

log = logging.getLogger(__name__)

Message = dict[str, Any]


class QueuePoller:
    """Delivers one queue. `run` returns soon after its event is set."""

    WORKERS = 4
    MOST_WORKERS = 5
    """One machine runs all nodes of the sandbox."""

    def __init__(
        self,
        client: Callable[[str], Any],
        queue: str,
        handler: Callable[[dict[str, Any]], Any],
        batch_size: int,
        workers: int,
    ) -> None:
        self._sqs = client("sqs")
        self._url = self._sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        self._arn = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])[
            "Attributes"
        ]["QueueArn"]
        self._region = self._arn.split(":")[3]
        self._handler = handler
        self._batch_size = min(batch_size, 10)
        self._workers = workers

    def run(self, stopping: threading.Event) -> None:
        """Deliver until `stopping` is set, then wait for the batches being handled."""
        free = threading.Semaphore(self._workers)
        with ThreadPoolExecutor(self._workers, thread_name_prefix="queue-worker") as pool:
            while not stopping.is_set():
                # Receive only when a worker is free, because the visibility timeout runs from the receive.
                if not free.acquire(timeout=LONG_POLL_SECONDS):
                    continue
                messages = self._receive(stopping)
                if not messages:
                    free.release()
                    continue
                pool.submit(self._deliver, messages).add_done_callback(lambda _: free.release())

    def _receive(self, stopping: threading.Event) -> list[Message]:
        try:
            answer = self._sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=self._batch_size,
                WaitTimeSeconds=LONG_POLL_SECONDS,
                MessageSystemAttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
        except (BotoCoreError, ClientError) as error:
            log.warning("cannot receive from %s: %s", self._url, error)
            stopping.wait(RETRY_SECONDS)
            return []
        messages: list[Message] = answer.get("Messages", [])
        return messages

    def _deliver(self, messages: Sequence[Message]) -> None:
        try:
            answer = self._handler({"Records": [self._record(message) for message in messages]})
            failed = failed_items(answer, {message["MessageId"] for message in messages})
        except Exception:
            log.exception("the handler of %s failed", self._url)
            return
        for message in messages:
            if message["MessageId"] not in failed:
                self._delete(message)

    def _delete(self, message: Message) -> None:
        try:
            self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        except (BotoCoreError, ClientError) as error:
            log.warning("cannot delete a message of %s, it will come again: %s", self._url, error)

    def _record(self, message: Message) -> dict[str, Any]:
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message.get("Attributes", {}),
            "messageAttributes": {
                name: _message_attribute(value)
                for name, value in message.get("MessageAttributes", {}).items()
            },
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": self._arn,
            "awsRegion": self._region,
        }


def failed_items(answer: Any, known: set[str]) -> set[str]:
    """Read the failed items of a batch from its handler's answer.

    known: the identifiers of the batch's items.
    Raises: ValueError when the answer names another item; Lambda takes that as a failed batch.
    """
    failures = (answer or {}).get("batchItemFailures") or []
    failed = {failure.get("itemIdentifier") for failure in failures}
    if not failed <= known:
        raise ValueError(f"batchItemFailures names {sorted(map(repr, failed - known))}, not in the batch")
    return failed


def _message_attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name[0].lower() + name[1:]: part for name, part in value.items()}
