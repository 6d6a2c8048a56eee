"""The messages on SQS, and the client that sends them.

A message contains the name of an object or command, never its content: the worker reads the current object
when it pushes (TRN-32). Findings are counts with short examples.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cached_property
from itertools import islice
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from chalicelib.storage.aws_clients import OnFirstUse, make_client
from chalicelib.storage.fast_client import SQS, FastClient

_MESSAGES_PER_CALL = 10
LONGEST_DELAY_S = 900
"""The longest delay of a message that SQS allows."""

CATCH_UP_WORKERS = 5
"""Number of batches of the CATCH_UP lane that are handled at the same time."""

BACKGROUND_WORKERS = 5
"""Number of batches of background work that are handled at the same time."""


class Lane(StrEnum):
    """A queue of pushes. LIVE: changes, which are urgent. CATCH_UP: pushes that may wait or may take long.

    CATCH_UP has a few workers of its own. It carries the steps of catch-up and their pushes, and the pushes
    to partners that fail or answer slowly (`partners/breaker.py`).
    """

    LIVE = "live"
    CATCH_UP = "catch-up"


CREDIT = "-C"
"""The end of the id of a credit CDR that this node makes (CDR-07)."""

_CREDIT_OF = re.compile(rf"(cdrs#[^#]*#[^#]*){CREDIT}(#[^#]*)?$")


class Broadcast(BaseModel):
    """Message: push one object to one partner.

    pk, sk: the stored item that changed. ref: the object's name with its ids as they came, because a
    deleted object cannot be read any more. cause: id of the change, so that a change that the stream repeats
    is one message. version: the version that the change wrote or deleted; 0 if the message is not about a
    single change. after: the version before it, 0 if not known. again: push it also if the partner has
    refused this version. tried: number of retries after a refusal (`retries.py`).
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
        """The FIFO group: one for each object and partner, so that their pushes never overtake each other.

        A credit CDR of ours shares the group of the CDR that it credits, so that the partner gets that CDR
        first; so does its copy for the CPO.
        """
        is_cdr = self.module == "cdrs"
        return _digest(self.partner_id, _CREDIT_OF.sub(r"\1\2", self.pk) if is_cdr else self.pk)

    @property
    def deduplication_id(self) -> str:
        """The FIFO deduplication id: the same for the same change, partner and item."""
        return _digest(self.partner_id, self.pk, self.sk, self.cause)


class CatchUp(BaseModel):
    """Message: one step of a partner's catch-up, or of deleting its deliveries (FORGET).

    Each step does what fits into a worker's time and queues the next one, which continues after the entry
    `after` in the list `place` ("": from the beginning). cause: as in `Broadcast`. REPLAY: a catch-up that
    the operator requested, refused objects included; an OFFLINE partner gets it when it is back.
    refused_too: push refused objects again. module: only this module, "" for all. newest: changes after this
    version have messages of their own, so this step leaves them out; 0 if not known.
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
        """The FIFO group: one for each partner, so that its steps run one after the other; no push waits."""
        return _digest(self.partner_id)

    @property
    def deduplication_id(self) -> str:
        """The FIFO deduplication id: the same for the same step with the same cause."""
        return _digest(self.what, self.partner_id, self.cause, self.place, json.dumps(self.after))


_MESSAGES: TypeAdapter[Broadcast | CatchUp] = TypeAdapter(
    Annotated[Broadcast | CatchUp, Field(union_mode="left_to_right")]
)


def read_broadcast(body: str) -> Broadcast | CatchUp:
    """Read the body of a message on the queue of pushes.

    Raises: ValueError if it is not one of our messages.
    """
    return _MESSAGES.validate_json(body)


class RequestTask(BaseModel):
    """Message: one step of an asynchronous request, such as a command, now or after a delay.

    DELIVER: send it to the CSMS. RESULT, CANCELLATION: post the result, or the follow-up of the result, to
    its response_url. DEADLINE: check whether a result came in time. delay_s: more than `LONGEST_DELAY_S`
    counts as that. module: the module of the request, left out for commands.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True)
    what: Literal["DELIVER", "RESULT", "CANCELLATION", "DEADLINE"]
    request_id: str = Field(validation_alias="command_id", serialization_alias="command_id")
    delay_s: int = 0
    module: str = Field("commands", exclude_if=lambda module: module == "commands")


class PullStep(BaseModel):
    """Message: read some pages of a partner's list of one module (`pulling/`).

    pull_id: the pull that the step belongs to. number: which step of the pull it is. A step of another pull,
    or one that was done already, does nothing. delay_s: more than `LONGEST_DELAY_S` counts as that.
    """

    model_config = ConfigDict(frozen=True)
    what: Literal["PULL"] = "PULL"
    partner_id: str
    module: str
    pull_id: str
    number: int
    delay_s: int = 0


class CountedFinding(BaseModel):
    """Equal findings in one document (`findings/tallies.py`); the example identifies no driver."""

    model_config = ConfigDict(frozen=True)
    field: str
    kind: str
    outcome: str
    reason: str
    example: str
    number: int


class FindingsMessage(BaseModel):
    """Message: count the findings in one document of a partner.

    at: when it was read (RFC 3339). ref: the object as in the log, "" where it is not known.
    """

    model_config = ConfigDict(frozen=True)
    what: Literal["FINDINGS"] = "FINDINGS"
    delay_s: ClassVar[int] = 0
    partner_id: str
    module: str
    at: str
    ref: str = ""
    findings: tuple[CountedFinding, ...]


class PullRequest(BaseModel):
    """Message: start pulls of a partner (`pulling/starting.py`).

    id: the same for the same request, so that it starts one pull. cause: why, as the operator sees it.
    modules: those to read, empty for all that are of use. date_from, full: as in `Wanted`.
    """

    model_config = ConfigDict(frozen=True)
    what: Literal["PULL_START"] = "PULL_START"
    partner_id: str
    id: str
    cause: str
    modules: tuple[str, ...] = ()
    date_from: str | None = None
    full: bool = False
    delay_s: int = 0


BackgroundMessage = PullStep | PullRequest | FindingsMessage
"""A message of the background queue: each has its own `what`."""

_BACKGROUND: TypeAdapter[BackgroundMessage] = TypeAdapter(
    Annotated[BackgroundMessage, Field(discriminator="what")]
)


def read_background(body: str) -> BackgroundMessage:
    """Read the body of a message on the background queue.

    Raises: ValueError if it is not one of our messages.
    """
    return _BACKGROUND.validate_json(body)


class Queues:
    """The node's queues.

    catch_up_url: "" if both lanes share the queue of broadcasts. background_url: "" if there is no background
    queue, as in a process that only makes operator keys; nothing is sent there then.
    """

    def __init__(
        self,
        sqs: Any,
        broadcasts_url: str,
        commands_url: str = "",
        catch_up_url: str = "",
        background_url: str = "",
    ) -> None:
        self._sqs = sqs
        self._broadcasts_url = broadcasts_url
        self._commands_url = commands_url
        self._background_url = background_url
        self._lanes = {Lane.LIVE: broadcasts_url, Lane.CATCH_UP: catch_up_url or broadcasts_url}

    @property
    def has_two_lanes(self) -> bool:
        """Return whether the CATCH_UP lane has a queue of its own."""
        return self._lanes[Lane.LIVE] != self._lanes[Lane.CATCH_UP]

    def send_broadcasts(self, broadcasts: Sequence[Broadcast | CatchUp], lane: Lane = Lane.LIVE) -> None:
        """Queue pushes in a lane, in this order; steps of catch-up always go to the CATCH_UP lane.

        Raises: RuntimeError when the queue refused a message, so that the stream's records are read again.
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
        """Send the body of a message that failed for good to the dead-letter queue, which raises an alarm.

        group: the FIFO group of the message.
        """
        self._sqs.send_message(
            QueueUrl=self._dead_url,
            MessageBody=body,
            MessageGroupId=group,
            MessageDeduplicationId=_digest(group, body),
        )

    def send_request_tasks(self, *tasks: RequestTask) -> None:
        """Queue steps of asynchronous requests, at most ten.

        Raises: RuntimeError when the queue refused one.
        """
        answer = self._sqs.send_message_batch(
            QueueUrl=self._commands_url,
            Entries=[
                {
                    "Id": str(number),
                    "MessageBody": task.model_dump_json(by_alias=True),
                    "DelaySeconds": min(max(task.delay_s, 0), LONGEST_DELAY_S),
                }
                for number, task in enumerate(tasks)
            ],
        )
        if answer.get("Failed"):
            raise RuntimeError(f"the queue refused {len(answer['Failed'])} of {len(tasks)} messages")

    def send_background(self, messages: Sequence[BackgroundMessage]) -> None:
        """Queue work that nobody waits for, ten messages in a call.

        Raises: RuntimeError when the queue refused a message.
        """
        waiting = iter(messages if self._background_url else ())
        while batch := list(islice(waiting, _MESSAGES_PER_CALL)):
            answer = self._sqs.send_message_batch(
                QueueUrl=self._background_url,
                Entries=[
                    {
                        "Id": str(number),
                        "MessageBody": message.model_dump_json(),
                        "DelaySeconds": min(max(message.delay_s, 0), LONGEST_DELAY_S),
                    }
                    for number, message in enumerate(batch)
                ],
            )
            if answer.get("Failed"):
                raise RuntimeError(f"the queue refused {len(answer['Failed'])} of {len(batch)} messages")

    def postpone(self, delays: Mapping[str, int], lane: Lane = Lane.LIVE) -> None:
        """Make messages that could not be delivered visible again later, ten in a call.

        delays: seconds by receipt handle. A message that SQS refuses to postpone comes back when its
        visibility timeout ends, so this raises nothing.
        """
        self._postpone(self._lanes[lane], delays)

    def postpone_request_tasks(self, delays: Mapping[str, int]) -> None:
        """Do the same as `postpone` for messages about asynchronous requests."""
        self._postpone(self._commands_url, delays)

    def postpone_background(self, delays: Mapping[str, int]) -> None:
        """Do the same as `postpone` for background work."""
        self._postpone(self._background_url, delays)

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
        """URL of the dead-letter queue, from the redrive policy of the queue of pushes (same account)."""
        answer = self._sqs.get_queue_attributes(
            QueueUrl=self._broadcasts_url, AttributeNames=["RedrivePolicy"]
        )
        arn: str = json.loads(answer["Attributes"]["RedrivePolicy"])["deadLetterTargetArn"]
        return f"{self._broadcasts_url.rpartition('/')[0]}/{arn.rpartition(':')[2]}"


def sqs_client(*, fast: bool = True) -> Any:
    """The client, once per process; made when a message is first sent.

    fast: sends and postpones without botocore (`storage/fast_client.py`).
    """
    return OnFirstUse(lambda: FastClient(make_client("sqs"), SQS) if fast else make_client("sqs"))


def _digest(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()
