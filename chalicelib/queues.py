"""The messages on SQS, and putting them there.

A message about an object names it and never carries it: the worker reads the object as it is when
it pushes (TRN-32).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import botocore.session
from pydantic import BaseModel, ConfigDict

_MESSAGES_PER_CALL = 10
_DEPTHS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")


class Depths(NamedTuple):
    """Messages that wait or are being handled, and messages that were given up."""

    queued: int
    dead: int


class Broadcast(BaseModel):
    """One partner must hear of one object.

    pk, sk: the stored item that changed. ref: the object's name with its ids as they came, because a
    deleted object can no longer be asked. cause: names the change, so that the same change told twice
    is one message. version: that the change made, or took away; 0 when the message tells of no single
    change. after: the version before it, where that is known.
    """

    model_config = ConfigDict(frozen=True)
    partner_id: str
    module: str
    pk: str
    sk: str
    ref: str
    cause: str
    version: int = 0
    after: int = 0

    @property
    def group(self) -> str:
        """Pushes of one object to one partner never overtake each other; nothing else waits for them."""
        return _digest(self.partner_id, self.pk)

    @property
    def deduplication_id(self) -> str:
        """The same for the same change, partner and item."""
        return _digest(self.partner_id, self.pk, self.sk, self.cause)


class Queues:
    """The node's queues."""

    def __init__(self, sqs: Any, broadcasts_url: str) -> None:
        self._sqs = sqs
        self._broadcasts_url = broadcasts_url

    def send_broadcasts(self, broadcasts: Sequence[Broadcast]) -> None:
        """Queue pushes, ten in a call.

        Raises: RuntimeError when the queue did not take one, so that the stream tells it again.
        """
        waiting = iter(broadcasts)
        while batch := list(islice(waiting, _MESSAGES_PER_CALL)):
            answer = self._sqs.send_message_batch(
                QueueUrl=self._broadcasts_url,
                Entries=[
                    {
                        "Id": str(number),
                        "MessageBody": broadcast.model_dump_json(),
                        "MessageGroupId": broadcast.group,
                        "MessageDeduplicationId": broadcast.deduplication_id,
                    }
                    for number, broadcast in enumerate(batch)
                ],
            )
            if answer.get("Failed"):
                raise RuntimeError(f"the queue refused {len(answer['Failed'])} of {len(batch)} messages")

    def postpone(self, delays: Mapping[str, int]) -> None:
        """Let messages that could not be delivered come back later, ten in a call.

        delays: seconds by receipt handle. What cannot be postponed any more comes back when its
        visibility timeout ends, so nothing is raised for it.
        """
        waiting = iter(delays.items())
        while batch := list(islice(waiting, _MESSAGES_PER_CALL)):
            self._sqs.change_message_visibility_batch(
                QueueUrl=self._broadcasts_url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": seconds}
                    for number, (handle, seconds) in enumerate(batch)
                ],
            )

    def depths(self) -> Depths:
        """How many messages are queued, and how many ended in the dead-letter queue; about."""
        queued = self._attributes(self._broadcasts_url, *_DEPTHS, "RedrivePolicy")
        policy = json.loads(queued.get("RedrivePolicy", "{}"))
        if "deadLetterTargetArn" not in policy:
            return Depths(_depth(queued), 0)
        name = policy["deadLetterTargetArn"].rpartition(":")[2]
        dead_url = self._sqs.get_queue_url(QueueName=name)["QueueUrl"]
        return Depths(_depth(queued), _depth(self._attributes(dead_url, *_DEPTHS)))

    def _attributes(self, url: str, *names: str) -> dict[str, str]:
        answer = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(names))
        attributes: dict[str, str] = answer["Attributes"]
        return attributes


def sqs_client() -> Any:
    """Make the client, once per process."""
    return botocore.session.get_session().create_client("sqs")


def _depth(attributes: Mapping[str, str]) -> int:
    return sum(int(attributes.get(name, 0)) for name in _DEPTHS)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()
