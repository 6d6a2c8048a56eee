"""The queue of pushes: a batch of messages.

A FIFO queue gives out the messages of a group (one partner, one object) in order, and none of it while
one is being handled. In a batch
- the messages about one item are one push;
- groups are pushed side by side, so that no partner waits for another, and one partner's share is
  bounded (`gate.py`);
- in the live lane the push to a partner that fails or answers slowly is moved to the other lane, with the
  rest of its group behind it: a batch ends with its slowest push, and the changes for other partners must not
  wait for that;
- after a message that has to come again, the rest of its group comes again behind it;
- the steps of catching up with partners (`catch_up.py`) are messages as well.

Powertools' batch utilities know FIFO or threads, not both, hence ours. What fails by our own fault is
tried again as well, and its delivery's row counts how often: how often a message was received does not
tell, as behind a slow partner most come in vain. After `LAST_TRY` the row is marked dead for the operator,
and the timer tries again. What cannot be read is given up after as many receives. Nothing is read from
the dead-letter queue, it is a bell.

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
from chalicelib.partners.catch_up import look_again, take_step
from chalicelib.partners.deliveries import Status, key_of, read_delivery, write_delivery
from chalicelib.partners.failing import note_failure
from chalicelib.partners.gate import Gate, Slow, TurnedAway
from chalicelib.partners.pushes import Retry, push
from chalicelib.protocol.types import format_datetime
from chalicelib.queues import Broadcast, CatchUp, Lane, read_broadcast
from chalicelib.storage.keys import for_log

if TYPE_CHECKING:
    from chalicelib.node import Node

BATCH = timedelta(seconds=10)
"""No push is begun later in a batch, so that a batch ends before the function must."""

LAST_TRY = 12
"""After so many tries that failed by our own fault a message is given up."""

LAST_RECEIVE = 1000
"""After so many the queue gives a message up: `maxReceiveCount` in infra/resources.yaml."""

SLOW_S = 2.0
"""So long the live lane moves the messages of a slow partner without reading its record again."""

_LONGEST_DELAY_S = 30
_AT_ONCE = 10
SEVERAL = 3
"""A partner at which so many objects in a row failed is failing, however it answers."""

_gates = {lane: Gate() for lane in Lane}


@dataclass(frozen=True)
class Envelope:
    """What a queue tells of a message beside its body."""

    id: str
    receipt_handle: str
    receive_count: int
    group: str

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Envelope:
        """Read a message of Lambda's SQS event."""
        told = record["attributes"]
        return cls(
            id=record["messageId"],
            receipt_handle=record["receiptHandle"],
            receive_count=int(told["ApproximateReceiveCount"]),
            group=told["MessageGroupId"],
        )


@dataclass(frozen=True)
class Message:
    """A message about an object, as the queue gave it."""

    envelope: Envelope
    broadcast: Broadcast

    @property
    def receive_count(self) -> int:
        """How often it was received, 1 at the first time."""
        return self.envelope.receive_count


Again = list[tuple[Envelope, int]]
"""Messages that are to come again, and after how many seconds."""


@dataclass(frozen=True)
class Batch:
    """The limits of a batch of messages. ends: no push is begun later. lane: the queue they came from."""

    gate: Gate
    ends: datetime
    lane: Lane
    quick: bool


def handle_messages(
    node: Node, records: Sequence[Mapping[str, Any]], gate: Gate | None = None, *, lane: Lane = Lane.LIVE
) -> dict[str, Any]:
    """Push what a batch of messages tells. Returns Lambda's answer for a batch: what comes again."""
    quick = lane is Lane.LIVE and node.queues.has_two_lanes
    batch = Batch(gate or _gates[lane], node.clock() + BATCH, lane, quick)
    groups: dict[str, list[Message]] = {}
    tasks: list[Callable[[], Again]] = []
    for record in records:
        envelope = Envelope.read(record)
        try:
            told = read_broadcast(record["body"])
        except ValueError:
            tasks.append(partial(_handle_unreadable, node, envelope, record["body"]))
            continue
        if isinstance(told, CatchUp):
            tasks.append(partial(_handle_step, node, envelope, told, batch.ends))
        else:
            groups.setdefault(told.group, []).append(Message(envelope, told))
    # Those that came most often first: where not all get a turn, none is left behind for ever.
    ordered = sorted(groups.values(), key=lambda group: -group[0].receive_count)
    tasks += [partial(_handle_group, node, group, batch) for group in ordered]
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="push") as pool:
        again = [each for outcome in pool.map(lambda task: task(), tasks) for each in outcome]
    if again:
        _postpone(node, {envelope.receipt_handle: seconds for envelope, seconds in again}, lane)
    return {"batchItemFailures": [{"itemIdentifier": envelope.id} for envelope, _ in again]}


def backoff(count: int) -> int:
    """Seconds until a message is tried again: 1, 2, 4 and so on."""
    return int(min(2.0 ** (count - 1), _LONGEST_DELAY_S))


def _handle_unreadable(node: Node, envelope: Envelope, body: str) -> Again:
    """A message that is none of ours; one of a version to come can be read when that is here."""
    log.error("a message cannot be read", extra={"message_id": envelope.id})
    if envelope.receive_count >= LAST_TRY and _bury(node, body, envelope.group):
        return []
    return [(envelope, backoff(envelope.receive_count))]


def _handle_step(node: Node, envelope: Envelope, step: CatchUp, ends: datetime) -> Again:
    if node.clock() >= ends:
        return [(envelope, 1)]
    try:
        take_step(node, step)
    except Exception:
        log.exception("a step of catching up failed", extra={"partner": step.partner_id})
        if envelope.receive_count >= LAST_TRY and _give_up_step(node, envelope, step):
            return []
        return [(envelope, backoff(envelope.receive_count))]
    return []


def _give_up_step(node: Node, envelope: Envelope, step: CatchUp) -> bool:
    """The timer begins anew."""
    return _note_look(node, step.partner_id) and _bury(node, step.model_dump_json(), envelope.group)


def _handle_group(node: Node, group: Sequence[Message], batch: Batch) -> Again:
    """Push a group's messages in order. Returns those that come again."""
    told: list[Message] = []
    for messages in _by_item(group):
        try:
            seconds = _handle_item(node, messages, told, batch)
        except Slow:
            return _move(node, [message for message in group if message not in told])
        if seconds is not None:
            return [(message.envelope, seconds) for message in group if message not in told]
        told += messages
    return []


def _move(node: Node, messages: Sequence[Message]) -> Again:
    """Move messages to the lane for what may take long. Returns those that could not be moved."""
    try:
        node.queues.send_broadcasts([message.broadcast for message in messages], Lane.CATCH_UP)
    except Exception:
        log.exception("messages could not be moved")
        return [(message.envelope, backoff(message.receive_count)) for message in messages]
    return []


def _by_item(group: Sequence[Message]) -> list[list[Message]]:
    """The messages about each item: the whole object first, as it may settle the others, then EVSEs; a CDR
    before its credit CDR.

    Each is pushed as it is now, so the order is ours; that of their keys is that in which they came to be.
    """
    items: dict[tuple[str, str], list[Message]] = {}
    for message in group:
        items.setdefault((message.broadcast.pk, message.broadcast.sk), []).append(message)
    return [items[key] for key in sorted(items)]


def _handle_item(
    node: Node, messages: Sequence[Message], told: Sequence[Message], batch: Batch
) -> int | None:
    """Push what messages about one item tell; seconds until they come again, None when they are done.

    Raises: Slow.
    """
    broadcasts = [message.broadcast for message in messages]
    receive_count = max(message.receive_count for message in messages)
    others = [message.broadcast for message in told]
    attempt = partial(push, node, broadcasts, others, quick=batch.quick)
    seconds = _try(node, broadcasts[-1], receive_count, attempt, batch)
    if seconds is not None and receive_count >= LAST_RECEIVE:
        # It never had its turn. The queue gives it up, the timer begins anew.
        _note_look(node, broadcasts[-1].partner_id)
    return seconds


def _try(
    node: Node, broadcast: Broadcast, receive_count: int, attempt: Callable[[], Retry | None], batch: Batch
) -> int | None:
    partner_id, group, gate = broadcast.partner_id, broadcast.group, batch.gate
    left_s = (batch.ends - node.clock()).total_seconds()
    if left_s <= 0:
        return 1
    if batch.quick and gate.is_closed(partner_id):
        raise Slow
    try:
        with gate.turn(partner_id, group, left_s):
            retry = attempt()
    except TurnedAway as turned_away:
        return max(1, round(turned_away.seconds), backoff(receive_count))
    except Slow:
        gate.close(partner_id, group, SLOW_S)
        raise
    except Exception:
        story = {"partner": partner_id, "ocpi_module": broadcast.module, "ref": for_log(broadcast.ref)}
        log.exception("a push failed by our own fault", extra=story)
        return _count_failure(node, broadcast, receive_count)
    return _after_try(node, broadcast, retry, batch)


def _after_try(node: Node, broadcast: Broadcast, retry: Retry | None, batch: Batch) -> int | None:
    """Remember how a push went. Seconds until it is tried again, None when it is done.

    Raises: Slow.
    """
    partner_id, group, gate = broadcast.partner_id, broadcast.group, batch.gate
    if retry is None:
        gate.open(partner_id)
        gate.count_success(partner_id)
        return None
    if gate.count_failure(partner_id, group) == SEVERAL:
        _note_failure(node, partner_id)
    if not retry.away:
        gate.open(partner_id)
        return retry.seconds
    gate.close(partner_id, group, SLOW_S if batch.quick else retry.seconds + 1)
    if batch.quick:
        raise Slow
    return retry.seconds


def _note_failure(node: Node, partner_id: str) -> None:
    try:
        note_failure(node, partner_id, f"{SEVERAL} objects in a row failed")
    except Exception:
        log.exception("a failure could not be noted", extra={"partner": partner_id})


def _count_failure(node: Node, broadcast: Broadcast, receive_count: int) -> int | None:
    """Seconds until a push that failed by our own fault is tried again; None when it is given up."""
    key = key_of(broadcast.partner_id, broadcast.pk)
    try:
        before = read_delivery(node.table.get(key))
        goes_on = before.status == Status.WAITING
        tries = before.tries + 1 if goes_on else 1
        is_last = tries >= LAST_TRY
        at = format_datetime(node.clock())
        after = replace(
            before, ref=broadcast.ref, status=Status.DEAD if is_last else Status.WAITING,
            reason="could not be sent by this node", code=0, http=0, at=at,
            since=before.since if goes_on else at, tries=tries,
        )  # fmt: skip
        write_delivery(node.table, key, before, after)
    except Exception:
        log.exception("a failure could not be counted", extra={"ref": for_log(broadcast.ref)})
        return backoff(receive_count)
    if is_last and _note_look(node, broadcast.partner_id):
        _bury(node, broadcast.model_dump_json(), broadcast.group)
        return None
    return backoff(tries)


def _note_look(node: Node, partner_id: str) -> bool:
    try:
        look_again(node, partner_id)
    except Exception:
        log.exception("a second look could not be noted", extra={"partner": partner_id})
        return False
    return True


def _bury(node: Node, body: str, group: str) -> bool:
    try:
        node.queues.bury(body, group)
    except Exception:
        log.exception("a message could not be put with the dead letters")
        return False
    return True


def _postpone(node: Node, delays: Mapping[str, int], lane: Lane) -> None:
    try:
        node.queues.postpone(delays, lane)
    except Exception:
        # They come again when their visibility timeout ends.
        log.exception("messages could not be postponed")
