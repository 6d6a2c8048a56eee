"""Worker of the commands queue: delivers commands to the CSMS, posts results, watches deadlines.

The queue delivers a task at least once, sometimes twice, sometimes late. So each task reads the command's
current state and does only the work that is left. Tasks run in parallel. A failed task is tried again after
a growing delay. A task that keeps failing because of an error of this node ends in the dead-letter queue,
which raises an alarm.

- *Delivery to the CSMS*: every webhook for commands is notified, all in parallel. Failed ones are tried again
  until the deadline. Each try is a new message, because the queue moves a message that fails often to the
  dead-letter queue, even if the CSMS has time left. Without a webhook, the CSMS fetches its commands.
- *Result*: posted by one worker at a time. A refusal is final. A fault is tried again, ten times in about
  four minutes, and then given up. The operator can see both. A cancellation waits until the result of its
  reservation was posted or given up.
- *Deadline*: a command without a result ends with TIMEOUT.

Source: OCPI 2.2.1 mod_commands_flow; CMD-05, CMD-06, CMD-16, CMD-18, TRP-23
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal

from chalicelib.calls.answers import PartnerError, PartnerFault, PartnerRefusal
from chalicelib.calls.client import Exchange
from chalicelib.calls.webhook_sender import WebhookFailed
from chalicelib.calls.webhooks import COMMAND, Webhook, notify, read_webhooks
from chalicelib.errors import InvalidParameters
from chalicelib.log import add_fields, log, log_fields
from chalicelib.modules.commands.rules import (
    Command,
    CommandState,
    Outcome,
    delay_s,
    delivered,
    expired,
    held_for_s,
    is_waiting,
    not_posted,
    posted,
    taken,
    would_overtake,
)
from chalicelib.modules.commands.store import change, find
from chalicelib.modules.commands.tasks import queue_results, send_to_csms, watch_deadline
from chalicelib.modules.commands.view import show
from chalicelib.protocol.json_text import JsonText
from chalicelib.protocol.kinds import Kind
from chalicelib.protocol.message import Routing
from chalicelib.protocol.types import parse_datetime
from chalicelib.queues import CommandTask

if TYPE_CHECKING:
    from chalicelib.node import Node

Slot = Literal["result", "cancellation"]

POST_S = 8.0
"""Seconds for one POST of a result."""

WEBHOOK_S = 5.0
"""Seconds for one call of a webhook."""

_AT_ONCE = 10
_LONGEST_WEBHOOK_DELAY_S = 5


def handle_messages(node: Node, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Run a batch of tasks. Returns the partial batch response of Lambda: the messages to deliver again."""
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="command") as pool:
        delays = list(pool.map(lambda record: _handle(node, record), records))
    again = [(record, delay) for record, delay in zip(records, delays, strict=True) if delay]
    if again:
        _postpone(node, {record["receiptHandle"]: delay for record, delay in again})
    return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record, _ in again]}


def _handle(node: Node, record: Mapping[str, Any]) -> int | None:
    """Run the task of one message. Returns seconds until it is tried again, None when it is done."""
    receive_count = int(record["attributes"]["ApproximateReceiveCount"])
    with log_fields(ocpi_module="commands", message_id=record["messageId"]):
        try:
            return run(node, CommandTask.model_validate_json(record["body"]), receive_count)
        except Exception:
            log.exception("a command's task failed by our own fault")
            return delay_s(receive_count)


def run(node: Node, task: CommandTask, receive_count: int) -> int | None:
    """Run a task. Returns seconds until it is tried again, None when it is done."""
    add_fields(command=task.command_id, task=task.what)
    match task.what:
        case "DELIVER":
            _deliver(node, task.command_id)
            return None
        case "RESULT":
            return _post(node, task.command_id, "result", receive_count)
        case "CANCELLATION":
            return _post(node, task.command_id, "cancellation", receive_count)
        case "DEADLINE":
            _watch(node, task.command_id)
            return None


# -- to the CSMS -------------------------------------------------------------------------------------


def _deliver(node: Node, command_id: str) -> None:
    command = find(node, command_id)
    if command is None or command.state != CommandState.PENDING or node.clock() >= command.is_overdue_at:
        return
    _add_log_fields(command)
    failures = _notify_webhooks(node, command)
    if not failures:
        return
    log.warning(
        "failed to deliver a command to the CSMS; it is tried again until its deadline",
        extra={"reason": failures},
    )
    problem = "; ".join(failures)
    if problem != command.problem:
        now = node.clock()
        change(node, command_id, lambda current: current.changed(now, problem=problem))
    age_s = (node.clock() - parse_datetime(command.received)).total_seconds()
    send_to_csms(node, command, delay_s=min(max(int(age_s), 1), _LONGEST_WEBHOOK_DELAY_S))


def _add_log_fields(command: Command) -> None:
    add_fields(partner=command.partner_id, correlation_id=command.correlation_id)


def _notify_webhooks(node: Node, command: Command) -> list[str]:
    """Notify every webhook that does not have the command yet, and record each success.

    Returns the failures.
    """
    webhooks = [
        known
        for known in read_webhooks(node.table)
        if COMMAND in known.events and known.name not in command.delivered_to
    ]
    with ThreadPoolExecutor(max(len(webhooks), 1), thread_name_prefix="webhook") as pool:
        problems = list(pool.map(lambda webhook: _notify(node, webhook, command), webhooks))
    for webhook, problem in zip(webhooks, problems, strict=True):
        if problem is None:
            _record_delivery(node, command.id, webhook.name)
    return [problem for problem in problems if problem is not None]


def _notify(node: Node, webhook: Webhook, command: Command) -> str | None:
    try:
        notify(node, webhook, COMMAND, command.id, show(command), total_s=WEBHOOK_S)
    except WebhookFailed as failure:
        return f"webhook {webhook.name} {failure}"
    return None


def _record_delivery(node: Node, command_id: str, webhook: str) -> None:
    now = node.clock()
    change(node, command_id, lambda current: delivered(current, webhook, now))


# -- results -----------------------------------------------------------------------------------------


def _post(node: Node, command_id: str, slot: Slot, receive_count: int) -> int | None:
    command, held_s = _take(node, command_id, slot, delay_s(receive_count))
    if command is None:
        return math.ceil(held_s) or None
    _add_log_fields(command)
    outcome: Outcome = getattr(command, slot)
    problem: PartnerError | InvalidParameters | None = None
    try:
        _send(node, command, outcome)
    except (PartnerError, InvalidParameters) as error:
        problem = error
    after = _record(node, command_id, slot, problem)
    if not is_waiting(after):
        return None
    assert after.post is not None
    return delay_s(after.post.tries)


def _take(node: Node, command_id: str, slot: Slot, behind_s: int) -> tuple[Command | None, float]:
    """Take a result for this worker.

    behind_s: seconds that a cancellation waits while its reservation's result is not posted yet.
    Returns the command, None when this worker has nothing to post now; and the seconds until it may try
    again, 0 when there is nothing left to post.
    """
    now, is_ours, held_s = node.clock(), False, 0.0

    def take(current: Command) -> Command | None:
        nonlocal is_ours, held_s
        outcome: Outcome | None = getattr(current, slot)
        held_s = 0.0
        if outcome and is_waiting(outcome):
            held_s = behind_s if would_overtake(current, outcome) else held_for_s(outcome, now)
        is_ours = outcome is not None and is_waiting(outcome) and not held_s
        return current.changed(now, **{slot: taken(outcome, now)}) if outcome and is_ours else None

    command = change(node, command_id, take)
    return (command if is_ours else None), held_s


def _send(node: Node, command: Command, outcome: Outcome) -> None:
    """POST the bare CommandResult (CMD-06) to the command's sender, with its correlation id (CMD-18)."""
    partner = node.directory.get(command.partner_id)
    if partner is None or not partner.is_registered:
        raise PartnerRefusal("is no longer registered")
    exchange = Exchange(
        "POST",
        JsonText(outcome.body),
        routing=Routing(command.addressee, command.sender),
        correlation_id=command.correlation_id,
        total_s=POST_S,
        takes=Kind.COMMAND_RESULT,
    )
    node.client.post_to(partner, command.response_url, exchange)


def _record(
    node: Node, command_id: str, slot: Slot, problem: PartnerError | InvalidParameters | None
) -> Outcome:
    now = node.clock()
    is_final = not isinstance(problem, PartnerFault)

    def record(current: Command) -> Command:
        outcome: Outcome = getattr(current, slot)
        after = posted(outcome) if problem is None else not_posted(outcome, str(problem), is_final)
        return current.changed(now, **{slot: after})

    after: Outcome = getattr(change(node, command_id, record), slot)
    return after


# -- deadlines ---------------------------------------------------------------------------------------


def _watch(node: Node, command_id: str) -> None:
    command = find(node, command_id)
    if command is None:
        return
    if command.state == CommandState.PENDING and node.clock() < command.is_overdue_at:
        # SQS delays a message by at most 15 minutes, and the deadline may have moved: queue it again.
        watch_deadline(node, command)
        return
    now = node.clock()
    queue_results(node, change(node, command_id, lambda current: expired(current, now)))


def _postpone(node: Node, delays: Mapping[str, int]) -> None:
    try:
        node.queues.postpone_command_tasks(delays)
    except Exception:
        log.exception("failed to postpone messages; SQS delivers them again after their visibility timeout")
