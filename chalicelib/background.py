"""Worker of the background queue: work that nobody waits for, such as the steps of a pull.

The messages of a batch are handled side by side. What a message asks for (`what`) decides who handles it. The
findings of a batch are handled together, so that equal ones are counted with one write. A message comes at
least once, sometimes twice, sometimes late, so each handler does only what is left to do.

*Time.* A handler is told when to stop taking more work: `STEP_S` after the batch began. It may then finish
what it has in hand, such as one HTTP call. Lambda ends the function after 60 s (`.chalice/config.json`), and
90 s after the receive the queue gives a message out again (`infra/resources.yaml`). Work that is longer than
that is split into steps, and each step queues the next one.

*Errors.* An error of this node is logged, and the message is tried again after a growing delay; after ten
times it ends in the dead-letter queue, which raises an alarm. A fault of a partner is not an error here: its
handler queues a later message and returns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from chalicelib.findings.counting import count_findings
from chalicelib.log import add_fields, log, log_fields
from chalicelib.pulling.starting import run_request
from chalicelib.pulling.steps import run_step
from chalicelib.queues import BackgroundMessage, read_background

if TYPE_CHECKING:
    from chalicelib.node import Node

STEP_S = 20
"""Seconds after which a handler takes no more work and queues a message for the rest."""

_AT_ONCE = 10
_LONGEST_DELAY_S = 300

Handler = Callable[["Node", Any, datetime], None]
"""Handles a message: the node, the message, and the time at which to take no more work."""

HANDLERS: dict[str, Handler] = {"PULL": run_step, "PULL_START": run_request}
"""The function that handles a message, by its `what`."""

Together = Callable[["Node", Sequence[Any]], None]
"""Handles all messages of a batch with the same `what`."""

TOGETHER: dict[str, Together] = {"FINDINGS": count_findings}
"""The function that handles the messages of a batch together, by their `what`."""


def handle_messages(
    node: Node, records: Sequence[Mapping[str, Any]], handlers: Mapping[str, Handler] = HANDLERS
) -> dict[str, Any]:
    """Handle a batch of messages.

    Returns the partial batch response of Lambda: the messages to deliver again.
    """
    ends = node.clock() + timedelta(seconds=STEP_S)
    together, single = _split(records)
    again: dict[str, int] = {}
    for what, group in together.items():
        again |= _handle_together(node, what, group)
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="background") as pool:
        delays = list(pool.map(lambda record: _handle(node, handlers, record, ends), single))
    again |= {record["receiptHandle"]: delay for record, delay in zip(single, delays, strict=True) if delay}
    if again:
        _postpone(node, again)
    return {
        "batchItemFailures": [
            {"itemIdentifier": record["messageId"]} for record in records if record["receiptHandle"] in again
        ]
    }


def _split(
    records: Sequence[Mapping[str, Any]],
) -> tuple[dict[str, list[Mapping[str, Any]]], list[Mapping[str, Any]]]:
    """Split a batch into the messages to handle together, by their `what`, and the others."""
    together: dict[str, list[Mapping[str, Any]]] = {}
    single = []
    for record in records:
        what = ""
        with suppress(ValueError):  # Logged when it is handled.
            what = read_background(record["body"]).what
        if what in TOGETHER:
            together.setdefault(what, []).append(record)
        else:
            single.append(record)
    return together, single


def _handle_together(node: Node, what: str, records: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Handle messages that have a common handler. Returns the delays of those to deliver again."""
    with log_fields(task=what):
        try:
            TOGETHER[what](node, [read_background(record["body"]) for record in records])
        except Exception:
            log.exception("background work failed by our own fault")
            return {record["receiptHandle"]: _delay_s(record) for record in records}
    return {}


def _handle(
    node: Node, handlers: Mapping[str, Handler], record: Mapping[str, Any], ends: datetime
) -> int | None:
    """Handle one message. Returns seconds until it is tried again, None when it is done."""
    with log_fields(message_id=record["messageId"]):
        try:
            message: BackgroundMessage = read_background(record["body"])
            add_fields(task=message.what)
            handlers[message.what](node, message, ends)
        except Exception:
            log.exception("background work failed by our own fault")
            return _delay_s(record)
    return None


def _delay_s(record: Mapping[str, Any]) -> int:
    """Seconds until a failed message is tried again."""
    return min(1 << int(record["attributes"]["ApproximateReceiveCount"]), _LONGEST_DELAY_S)


def _postpone(node: Node, delays: Mapping[str, int]) -> None:
    try:
        node.queues.postpone_background(delays)
    except Exception:
        log.exception("failed to postpone messages; SQS delivers them again after their visibility timeout")
