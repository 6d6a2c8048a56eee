"""The queue of pushes: a batch of messages.

A FIFO queue gives out the messages of a group (one partner, one object) in order, and none of it while
one is being handled. In a batch
- the messages about one item are one push, for which the last of them stands;
- groups are pushed side by side, so that no partner waits for another, and one partner's share is
  bounded (`gate.py`);
- after a message that has to come again, the rest of its group comes again behind it.

Powertools' batch utilities know FIFO or threads, not both, hence ours. What fails by our own fault is
tried again as well, and what fails too often ends in the dead-letter queue. Its row is marked dead for
the operator, and the timer tries again. Nothing is read from the dead-letter queue, it is a bell.

Source: DESIGN.md, A broadcast; OCPI 2.2.1 transport_and_format_offline_behaviour; TRN-32, TRP-10
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from chalicelib.log import log
from chalicelib.partners.catch_up import look_again
from chalicelib.partners.deliveries import Status, key_of, read_delivery, write_delivery
from chalicelib.partners.gate import Gate, TurnedAway
from chalicelib.partners.pushes import backoff, push
from chalicelib.protocol.types import format_datetime
from chalicelib.queues import Broadcast

if TYPE_CHECKING:
    from chalicelib.node import Node

BATCH = timedelta(seconds=10)
"""No push is begun later in a batch, so that a batch ends before the function must."""

LAST_RECEIVE = 12
"""After so many the queue gives a message up: `maxReceiveCount` in infra/resources.yaml."""

_AT_ONCE = 10
_gate = Gate()


@dataclass(frozen=True)
class Message:
    """A message as the queue gave it."""

    id: str
    receipt_handle: str
    receive_count: int
    broadcast: Broadcast


def handle_messages(node: Node, records: Sequence[Mapping[str, Any]], gate: Gate = _gate) -> dict[str, Any]:
    """Push what a batch of messages tells. Returns Lambda's answer for a batch: what comes again."""
    groups: dict[str, list[Message]] = {}
    for message in map(read_message, records):
        groups.setdefault(message.broadcast.group, []).append(message)
    ends = node.clock() + BATCH
    # Those that came most often first: where not all get a turn, none is left behind for ever.
    ordered = sorted(groups.values(), key=lambda group: -group[0].receive_count)
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="push") as pool:
        again = [
            outcome
            for group in pool.map(lambda g: _handle_group(node, g, gate, ends), ordered)
            for outcome in group
        ]
    if again:
        _postpone(node, {message.receipt_handle: seconds for message, seconds in again})
    return {"batchItemFailures": [{"itemIdentifier": message.id} for message, _ in again]}


def read_message(record: Mapping[str, Any]) -> Message:
    """Read a message of Lambda's SQS event."""
    return Message(
        id=record["messageId"],
        receipt_handle=record["receiptHandle"],
        receive_count=int(record["attributes"]["ApproximateReceiveCount"]),
        broadcast=Broadcast.model_validate_json(record["body"]),
    )


def _handle_group(
    node: Node, group: Sequence[Message], gate: Gate, ends: datetime
) -> list[tuple[Message, int]]:
    """Push a group's messages in order. Returns those that come again, and after how many seconds."""
    waiting = list(group)
    for messages in _by_item(group):
        seconds = _handle_item(node, messages, gate, ends)
        if seconds is not None:
            return [(message, seconds) for message in waiting]
        waiting = [message for message in waiting if message not in messages]
    return []


def _by_item(group: Sequence[Message]) -> list[list[Message]]:
    """The messages about each item, where the last of them stands."""
    items: dict[str, list[Message]] = {}
    for message in group:
        items[message.broadcast.sk] = [*items.pop(message.broadcast.sk, []), message]
    return list(items.values())


def _handle_item(node: Node, messages: Sequence[Message], gate: Gate, ends: datetime) -> int | None:
    """Push what messages about one item tell; seconds until they come again, None when they are done."""
    broadcasts = [message.broadcast for message in messages]
    receive_count = max(message.receive_count for message in messages)
    seconds = _try(node, broadcasts, receive_count, gate, ends)
    if seconds is not None and receive_count >= LAST_RECEIVE:
        _bury(node, broadcasts[-1])
    return seconds


def _try(
    node: Node, broadcasts: Sequence[Broadcast], receive_count: int, gate: Gate, ends: datetime
) -> int | None:
    partner_id, group = broadcasts[-1].partner_id, broadcasts[-1].group
    left_s = (ends - node.clock()).total_seconds()
    if left_s <= 0:
        return 1
    try:
        with gate.turn(partner_id, group, left_s):
            retry = push(node, broadcasts, receive_count)
    except TurnedAway as turned_away:
        return max(1, round(turned_away.seconds), round(backoff(receive_count)))
    except Exception:
        story = {"partner": partner_id, "ref": broadcasts[-1].ref}
        log.exception("a push failed by our own fault", extra=story)
        return round(backoff(receive_count))
    if retry is not None and retry.away:
        gate.close(partner_id, group, retry.seconds + 1)
    else:
        gate.open(partner_id)
    return retry.seconds if retry else None


def _bury(node: Node, broadcast: Broadcast) -> None:
    """The queue gives a message up now: let the operator see it, and the timer try again (`catch_up.py`)."""
    key = key_of(broadcast.partner_id, broadcast.pk)
    try:
        before = read_delivery(node.table.get(key))
        reason = before.reason or "could not be sent by this node"
        at = format_datetime(node.clock())
        dead = replace(before, ref=broadcast.ref, status=Status.DEAD, reason=reason, at=at)
        write_delivery(node.table, key, before, dead)
        look_again(node, broadcast.partner_id)
    except Exception:
        log.exception("a dead message could not be marked", extra={"ref": broadcast.ref})


def _postpone(node: Node, delays: Mapping[str, int]) -> None:
    try:
        node.queues.postpone(delays)
    except Exception:
        # They come again when their visibility timeout ends.
        log.exception("messages could not be postponed")
