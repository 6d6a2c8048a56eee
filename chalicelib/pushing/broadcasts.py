"""Worker of the push queues: handles one batch of messages.

A FIFO queue delivers the messages of a group (one partner, one object) in order, and delivers none of a group
while one of it is being handled. In a batch:
- Messages about one item become one push.
- Groups are pushed in parallel, so no partner waits for another. Each partner gets a limited number of
  workers (the concurrency limit, `concurrency_limit.py`).
- In the live lane, a push to a partner that fails or answers slowly is moved to the catch-up lane, and the
  rest of its group is moved behind it. Reason: a batch ends with its slowest push, and changes for the other
  partners must not wait for that.
- When a message is retried, the rest of its group is retried behind it, to keep the order.
- Steps of catching up with partners (`catch_up.py`) are messages too.

Powertools' batch utilities support FIFO or threads, but not both, so this module has its own loop.

A push that fails because of an error in this node is retried too. The delivery row counts those tries. The
queue's receive count is no measure of them: behind a slow partner most receives end without a try. After
`LAST_TRY` tries the row becomes DEAD, which the operator can see, and the timer tries again later. A message
that cannot be read is given up after as many receives. The dead-letter queue only raises an alarm: nothing
reads messages from it.

Source: docs/design.md, A broadcast; OCPI 2.2.1 transport_and_format_offline_behaviour; TRN-32, TRP-10
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from chalicelib.log import log
from chalicelib.protocol.types import format_datetime
from chalicelib.pushing.catch_up import run_step, schedule_recheck
from chalicelib.pushing.concurrency_limit import CallLater, ConcurrencyLimit, Slow
from chalicelib.pushing.deliveries import DeliveryStatus, key_of, read_delivery, write_delivery
from chalicelib.pushing.failure_record import note_failure
from chalicelib.pushing.push_faults import MessageRetry
from chalicelib.pushing.pushes import push
from chalicelib.queues import Broadcast, CatchUp, Lane, read_broadcast
from chalicelib.storage.keys import for_log

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.queues import Queues

BATCH = timedelta(seconds=10)
"""Pushes start within this time of a batch's start, so the batch ends before Lambda's timeout."""

LAST_TRY = 12
"""A message is given up after this many tries that failed because of an error in this node."""

LAST_RECEIVE = 1000
"""SQS gives a message up after this many receives: `maxReceiveCount` in infra/resources.yaml."""

SLOW_S = 2.0
"""Seconds in which the live lane moves messages of a slow partner without reading its record again."""

_LONGEST_DELAY_S = 30
_AT_ONCE = 10
SEVERAL = 3
"""A partner is marked as failing when this many objects in a row failed, whatever the failures were."""

_limits = {lane: ConcurrencyLimit() for lane in Lane}


@dataclass(frozen=True)
class Envelope:
    """Attributes of an SQS message besides its body."""

    id: str
    receipt_handle: str
    receive_count: int
    group: str

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Envelope:
        """Read a message of Lambda's SQS event."""
        attributes = record["attributes"]
        return cls(
            id=record["messageId"],
            receipt_handle=record["receiptHandle"],
            receive_count=int(attributes["ApproximateReceiveCount"]),
            group=attributes["MessageGroupId"],
        )


@dataclass(frozen=True)
class Message:
    """A message about an object, with its SQS envelope."""

    envelope: Envelope
    broadcast: Broadcast

    @property
    def receive_count(self) -> int:
        """Number of times the message was received; 1 at the first receive."""
        return self.envelope.receive_count


Again = list[tuple[Envelope, int]]
"""Messages to retry, each with the seconds until then."""


@dataclass(frozen=True)
class Batch:
    """Limits of a batch of messages.

    ends: no push starts later. lane: the queue of the messages. quick: whether slow pushes are moved to the
    catch-up lane.
    """

    limit: ConcurrencyLimit
    ends: datetime
    lane: Lane
    quick: bool


def handle_messages(
    node: Node,
    records: Sequence[Mapping[str, Any]],
    limit: ConcurrencyLimit | None = None,
    *,
    lane: Lane = Lane.LIVE,
) -> dict[str, Any]:
    """Push a batch of messages. Returns the answer of Lambda's batch protocol: the messages to retry."""
    quick = lane is Lane.LIVE and node.queues.has_two_lanes
    batch = Batch(limit or _limits[lane], node.clock() + BATCH, lane, quick)
    groups: dict[str, list[Message]] = {}
    tasks: list[Callable[[], Again]] = []
    for record in records:
        envelope = Envelope.read(record)
        try:
            parsed = read_broadcast(record["body"])
        except ValueError:
            tasks.append(partial(_handle_unreadable, node, envelope, record["body"]))
            continue
        if isinstance(parsed, CatchUp):
            tasks.append(partial(_handle_step, node, envelope, parsed, batch.ends))
        else:
            groups.setdefault(parsed.group, []).append(Message(envelope, parsed))
    # Most received first: when the time is too short for all groups, each still gets a push at last.
    ordered = sorted(groups.values(), key=lambda group: -group[0].receive_count)
    tasks += [partial(_handle_group, node, group, batch) for group in ordered]
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="push") as pool:
        again = [each for outcome in pool.map(lambda task: task(), tasks) for each in outcome]
    if again:
        _postpone(node.queues, {envelope.receipt_handle: seconds for envelope, seconds in again}, lane)
    return {"batchItemFailures": [{"itemIdentifier": envelope.id} for envelope, _ in again]}


def backoff(count: int) -> int:
    """Seconds until a message is tried again: 1, 2, 4 and so on, up to 30."""
    return int(min(2.0 ** (count - 1), _LONGEST_DELAY_S))


def _handle_unreadable(node: Node, envelope: Envelope, body: str) -> Again:
    """Retry a message that cannot be read, then give it up.

    A later release may have queued it, so it may become readable when that release is deployed.
    """
    log.error("a queued message cannot be read", extra={"message_id": envelope.id})
    if envelope.receive_count >= LAST_TRY and _send_to_dead_letters(node.queues, body, envelope.group):
        return []
    return [(envelope, backoff(envelope.receive_count))]


def _handle_step(node: Node, envelope: Envelope, step: CatchUp, ends: datetime) -> Again:
    if node.clock() >= ends:
        return [(envelope, 1)]
    try:
        run_step(node, step)
    except Exception:
        log.exception("a catch-up step failed", extra={"partner": step.partner_id})
        if envelope.receive_count >= LAST_TRY and _give_up_step(node, envelope, step):
            return []
        return [(envelope, backoff(envelope.receive_count))]
    return []


def _give_up_step(node: Node, envelope: Envelope, step: CatchUp) -> bool:
    """Give up a step of catching up. The recheck makes the timer start it anew."""
    return _schedule_recheck(node, step.partner_id) and _send_to_dead_letters(
        node.queues, step.model_dump_json(), envelope.group
    )


def _handle_group(node: Node, group: Sequence[Message], batch: Batch) -> Again:
    """Push the messages of a group in order. Returns those to retry."""
    handled: list[Message] = []
    for messages in _by_item(group):
        try:
            seconds = _handle_item(node, messages, handled, batch)
        except Slow:
            return _move(node.queues, [message for message in group if message not in handled])
        if seconds is not None:
            return [(message.envelope, seconds) for message in group if message not in handled]
        handled += messages
    return []


def _move(queues: Queues, messages: Sequence[Message]) -> Again:
    """Move messages to the catch-up lane. Returns those that could not be moved."""
    try:
        queues.send_broadcasts([message.broadcast for message in messages], Lane.CATCH_UP)
    except Exception:
        log.exception("failed to move messages to the catch-up queue")
        return [(message.envelope, backoff(message.receive_count)) for message in messages]
    return []


def _by_item(group: Sequence[Message]) -> list[list[Message]]:
    """Group the messages by item, in the order in which the items are pushed.

    The whole location comes before its EVSEs, because its push may make theirs unnecessary. A CDR comes
    before its credit CDR. The order of the sort keys gives both. Any order is allowed: each item is pushed as
    it is now.
    """
    items: dict[tuple[str, str], list[Message]] = {}
    for message in group:
        items.setdefault((message.broadcast.pk, message.broadcast.sk), []).append(message)
    return [items[key] for key in sorted(items)]


def _handle_item(
    node: Node, messages: Sequence[Message], handled: Sequence[Message], batch: Batch
) -> int | None:
    """Push one item that messages are about.

    handled: messages of the same group that were handled before. Returns the seconds until the messages are
    retried, None when they are done.
    Raises: Slow when they belong in the catch-up lane.
    """
    broadcasts = [message.broadcast for message in messages]
    receive_count = max(message.receive_count for message in messages)
    others = [message.broadcast for message in handled]
    attempt = partial(push, node, broadcasts, others, quick=batch.quick)
    seconds = _try(node, broadcasts[-1], receive_count, attempt, batch)
    if seconds is not None and receive_count >= LAST_RECEIVE:
        # SQS gives the message up now. The recheck makes the timer start anew.
        _schedule_recheck(node, broadcasts[-1].partner_id)
    return seconds


def _try(
    node: Node,
    broadcast: Broadcast,
    receive_count: int,
    attempt: Callable[[], MessageRetry | None],
    batch: Batch,
) -> int | None:
    partner_id, group, limit = broadcast.partner_id, broadcast.group, batch.limit
    left_s = (batch.ends - node.clock()).total_seconds()
    if left_s <= 0:
        return 1
    if batch.quick and limit.is_paused(partner_id):
        raise Slow
    try:
        with limit.slot(partner_id, group, left_s):
            retry = attempt()
    except CallLater as call_later:
        return max(1, round(call_later.seconds), backoff(receive_count))
    except Slow:
        limit.pause(partner_id, group, SLOW_S)
        raise
    except Exception:
        extra = {"partner": partner_id, "ocpi_module": broadcast.module, "ref": for_log(broadcast.ref)}
        log.exception("a push failed because of an error in this node", extra=extra)
        return _count_failure(node, broadcast, receive_count)
    return _after_try(node, broadcast, retry, batch)


def _after_try(node: Node, broadcast: Broadcast, retry: MessageRetry | None, batch: Batch) -> int | None:
    """Note how a push ended. Returns the seconds until it is tried again, None when it is done.

    Raises: Slow when it belongs in the catch-up lane.
    """
    partner_id, group, limit = broadcast.partner_id, broadcast.group, batch.limit
    if retry is None:
        limit.resume(partner_id)
        limit.count_success(partner_id)
        return None
    if limit.count_failure(partner_id, group) == SEVERAL:
        _note_failure(node, partner_id)
    if not retry.unreachable:
        limit.resume(partner_id)
        return retry.seconds
    limit.pause(partner_id, group, SLOW_S if batch.quick else retry.seconds + 1)
    if batch.quick:
        raise Slow
    return retry.seconds


def _note_failure(node: Node, partner_id: str) -> None:
    try:
        note_failure(node, partner_id, f"{SEVERAL} objects in a row failed")
    except Exception:
        log.exception("failed to mark the partner as failing", extra={"partner": partner_id})


def _count_failure(node: Node, broadcast: Broadcast, receive_count: int) -> int | None:
    """Count a push that failed because of an error in this node, in its delivery row.

    Returns the seconds until it is tried again, None when it is given up.
    """
    key = key_of(broadcast.partner_id, broadcast.pk)
    try:
        before = read_delivery(node.table.get(key))
        is_continued = before.status == DeliveryStatus.WAITING
        tries = before.tries + 1 if is_continued else 1
        is_last = tries >= LAST_TRY
        at = format_datetime(node.clock())
        after = replace(
            before, ref=broadcast.ref, status=DeliveryStatus.DEAD if is_last else DeliveryStatus.WAITING,
            reason="could not be sent by this node", words="", code=0, http=0, at=at,
            since=before.since if is_continued else at, tries=tries,
        )  # fmt: skip
        write_delivery(node.table, key, before, after)
    except Exception:
        log.exception("failed to count a failure in the delivery row", extra={"ref": for_log(broadcast.ref)})
        return backoff(receive_count)
    if is_last and _schedule_recheck(node, broadcast.partner_id):
        _send_to_dead_letters(node.queues, broadcast.model_dump_json(), broadcast.group)
        return None
    return backoff(tries)


def _schedule_recheck(node: Node, partner_id: str) -> bool:
    try:
        schedule_recheck(node, partner_id)
    except Exception:
        log.exception("failed to schedule a recheck of the partner", extra={"partner": partner_id})
        return False
    return True


def _send_to_dead_letters(queues: Queues, body: str, group: str) -> bool:
    try:
        queues.bury(body, group)
    except Exception:
        log.exception("failed to send a message to the dead-letter queue")
        return False
    return True


def _postpone(queues: Queues, delays: Mapping[str, int], lane: Lane) -> None:
    try:
        queues.postpone(delays, lane)
    except Exception:
        # SQS delivers them again when their visibility timeout ends.
        log.exception("failed to set the retry delay of messages")
