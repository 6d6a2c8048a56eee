"""The messages on SQS, and putting them there.

A message about an object names it and never carries it: the worker reads the object as it is when
it pushes (TRN-32). So does a message about a command.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cached_property
from itertools import islice
from typing import Annotated, Any, Literal

import botocore.session
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

_MESSAGES_PER_CALL = 10
LONGEST_DELAY_S = 900
"""SQS keeps no message back for longer."""

CATCH_UP_WORKERS = 5
"""So many batches of what may wait are handled at a time."""


class Lane(StrEnum):
    """A queue of pushes. LIVE: changes, which are urgent. CATCH_UP: what may wait or may take long.

    CATCH_UP has workers of its own, few of them: the steps of catching up and their pushes, and the pushes to
    partners that fail or answer slowly (`partners/breaker.py`).
    """

    LIVE = "live"
    CATCH_UP = "catch-up"


CREDIT = "-C"
"""What the id of a credit CDR ends with that this node makes (CDR-07)."""


class Broadcast(BaseModel):
    """One partner must hear of one object.

    pk, sk: the stored item that changed. ref: the object's name with its ids as they came, because a
    deleted object can no longer be asked. cause: names the change, so that the same change told twice
    is one message. version: that the change made, or took away; 0 when the message tells of no single
    change. after: the version before it, where that is known. again: send it also when the partner has
    refused it as it is. tried: how often it was tried again after it was refused (`retries.py`).
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
    again: bool = False
    tried: int = 0

    @property
    def group(self) -> str:
        """Pushes of one object to one partner never overtake each other; nothing else waits for them.

        A credit CDR of ours waits for the CDR that it takes back, so that the partner knows that one.
        """
        return _digest(self.partner_id, self.pk.removesuffix(CREDIT) if self.module == "cdrs" else self.pk)

    @property
    def deduplication_id(self) -> str:
        """The same for the same change, partner and item."""
        return _digest(self.partner_id, self.pk, self.sk, self.cause)


class CatchUp(BaseModel):
    """A partner is to be caught up with, or what it was told is to be forgotten: one step of it.

    Each step does what fits into a worker's time and queues the next one, which goes on from `after` in
    the list `place` ("": from the beginning). cause: as in `Broadcast`. REPLAY: catch up because the
    operator says so, with what was refused as well; a partner that is away gets it when it is back.
    refused_too: send again what was refused. module: of that module only, "" for all. newest: what changed
    after this version has messages of its own, which this must not meet; 0 where that is not known.
    """

    model_config = ConfigDict(frozen=True)
    what: Literal["CATCH_UP", "FORGET", "REPLAY"]
    partner_id: str
    cause: str
    refused_too: bool = False
    module: str = ""
    newest: int = 0
    place: str = ""
    after: dict[str, str] | None = None

    @property
    def group(self) -> str:
        """The steps for one partner follow each other, and no push waits for them."""
        return _digest(self.partner_id)

    @property
    def deduplication_id(self) -> str:
        """The same for the same step on the same occasion."""
        return _digest(self.what, self.partner_id, self.cause, self.place, json.dumps(self.after))


_MESSAGES: TypeAdapter[Broadcast | CatchUp] = TypeAdapter(
    Annotated[Broadcast | CatchUp, Field(union_mode="left_to_right")]
)


def read_broadcast(body: str) -> Broadcast | CatchUp:
    """Read the body of a message on the queue of pushes.

    Raises: ValueError when it is none of ours.
    """
    return _MESSAGES.validate_json(body)


class CommandTask(BaseModel):
    """Something is to be done about a command, now or when the delay is over.

    DELIVER: hand it to the CSMS. RESULT, CANCELLATION: post what came of it to its response_url.
    DEADLINE: see whether a result came in time. delay_s: at most `LONGEST_DELAY_S` count.
    """

    model_config = ConfigDict(frozen=True)
    what: Literal["DELIVER", "RESULT", "CANCELLATION", "DEADLINE"]
    command_id: str
    delay_s: int = 0


class Queues:
    """The node's queues. catch_up_url: without it, both lanes are the one queue."""

    def __init__(self, sqs: Any, broadcasts_url: str, commands_url: str = "", catch_up_url: str = "") -> None:
        self._sqs = sqs
        self._broadcasts_url = broadcasts_url
        self._commands_url = commands_url
        self._lanes = {Lane.LIVE: broadcasts_url, Lane.CATCH_UP: catch_up_url or broadcasts_url}

    @property
    def has_two_lanes(self) -> bool:
        """Tell whether what may wait has a queue of its own."""
        return self._lanes[Lane.LIVE] != self._lanes[Lane.CATCH_UP]

    def send_broadcasts(self, broadcasts: Sequence[Broadcast | CatchUp], lane: Lane = Lane.LIVE) -> None:
        """Queue pushes in a lane, and steps of catching up always in theirs, in this order.

        Raises: RuntimeError when the queue did not take one, so that the stream tells it again.
        """
        urls = [self._lanes[Lane.CATCH_UP if isinstance(each, CatchUp) else lane] for each in broadcasts]
        for url in dict.fromkeys(urls):
            self._send(url, [each for each, its in zip(broadcasts, urls, strict=True) if its == url])

    def _send(self, url: str, messages: Sequence[Broadcast | CatchUp]) -> None:
        """Send messages, ten in a call."""
        waiting = iter(messages)
        while batch := list(islice(waiting, _MESSAGES_PER_CALL)):
            answer = self._sqs.send_message_batch(
                QueueUrl=url,
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

    def bury(self, body: str, group: str) -> None:
        """Put the body of a message that is given up with the dead letters, which rings a bell.

        group: the message's own.
        """
        self._sqs.send_message(
            QueueUrl=self._dead_url,
            MessageBody=body,
            MessageGroupId=group,
            MessageDeduplicationId=_digest(group, body),
        )

    def send_command_tasks(self, *tasks: CommandTask) -> None:
        """Queue what is to be done about commands, at most ten tasks.

        Raises: RuntimeError when the queue did not take one.
        """
        answer = self._sqs.send_message_batch(
            QueueUrl=self._commands_url,
            Entries=[
                {
                    "Id": str(number),
                    "MessageBody": task.model_dump_json(),
                    "DelaySeconds": min(max(task.delay_s, 0), LONGEST_DELAY_S),
                }
                for number, task in enumerate(tasks)
            ],
        )
        if answer.get("Failed"):
            raise RuntimeError(f"the queue refused {len(answer['Failed'])} of {len(tasks)} messages")

    def postpone(self, delays: Mapping[str, int], lane: Lane = Lane.LIVE) -> None:
        """Let messages that could not be delivered come back later, ten in a call.

        delays: seconds by receipt handle. What cannot be postponed any more comes back when its
        visibility timeout ends, so nothing is raised for it.
        """
        self._postpone(self._lanes[lane], delays)

    def postpone_command_tasks(self, delays: Mapping[str, int]) -> None:
        """As `postpone`, for messages about commands."""
        self._postpone(self._commands_url, delays)

    def _postpone(self, url: str, delays: Mapping[str, int]) -> None:
        waiting = iter(delays.items())
        while batch := list(islice(waiting, _MESSAGES_PER_CALL)):
            self._sqs.change_message_visibility_batch(
                QueueUrl=url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": seconds}
                    for number, (handle, seconds) in enumerate(batch)
                ],
            )

    @cached_property
    def _dead_url(self) -> str:
        """The dead letters of the queue of pushes are where its own description says, in the same account."""
        answer = self._sqs.get_queue_attributes(
            QueueUrl=self._broadcasts_url, AttributeNames=["RedrivePolicy"]
        )
        arn: str = json.loads(answer["Attributes"]["RedrivePolicy"])["deadLetterTargetArn"]
        return f"{self._broadcasts_url.rpartition('/')[0]}/{arn.rpartition(':')[2]}"


def sqs_client() -> Any:
    """Make the client, once per process."""
    return botocore.session.get_session().create_client("sqs")


def _digest(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()
