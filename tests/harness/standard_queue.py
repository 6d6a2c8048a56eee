"""A standard SQS queue in memory, such as the background queue: delays, receives, no order between messages.

It follows the clock of the test.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass
class _Queued:
    id: str
    body: str
    visible_at: float
    receive_count: int = 0


@dataclass
class StandardQueue:
    """The part of botocore's SQS client that `Queues` uses, for one standard queue.

    broken: how many of the next calls the queue refuses.
    """

    clock: Callable[[], datetime]
    visibility_s: float = 90.0
    broken: int = 0
    waiting: list[_Queued] = field(default_factory=list)
    _number: int = 0

    def __len__(self) -> int:
        return len(self.waiting)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(message.body) for message in self.waiting]

    @property
    def delays(self) -> list[float]:
        """Seconds until each message is visible."""
        return [max(message.visible_at - self._now(), 0.0) for message in self.waiting]

    def send_message_batch(self, QueueUrl: str, Entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        if self.broken:
            self.broken -= 1
            return {"Failed": [{"Id": Entries[0]["Id"]}]}
        assert 1 <= len(Entries) <= 10
        for entry in Entries:
            assert 0 <= entry["DelaySeconds"] <= 900
            self._number += 1
            visible_at = self._now() + entry["DelaySeconds"]
            self.waiting.append(_Queued(f"m{self._number}", entry["MessageBody"], visible_at))
        return {"Successful": [{"Id": entry["Id"]} for entry in Entries]}

    def change_message_visibility_batch(
        self, QueueUrl: str, Entries: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        for entry in Entries:
            for message in self.waiting:
                if message.id == entry["ReceiptHandle"]:
                    message.visible_at = self._now() + entry["VisibilityTimeout"]
        return {}

    def receive(self, number: int = 10) -> list[dict[str, Any]]:
        """Receive a batch as Lambda's event."""
        records = []
        for message in [each for each in self.waiting if each.visible_at <= self._now()][:number]:
            message.receive_count += 1
            message.visible_at = self._now() + self.visibility_s
            records.append(
                {
                    "messageId": message.id,
                    "receiptHandle": message.id,
                    "body": message.body,
                    "attributes": {"ApproximateReceiveCount": str(message.receive_count)},
                }
            )
        return records

    def settle(self, records: Sequence[Mapping[str, Any]], answer: Mapping[str, Any]) -> None:
        """Delete the messages of a batch that the handler did not name as failed."""
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        done = {record["messageId"] for record in records} - failed
        self.waiting = [message for message in self.waiting if message.id not in done]

    def _now(self) -> float:
        return self.clock().timestamp()
