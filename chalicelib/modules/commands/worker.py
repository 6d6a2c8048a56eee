"""The queue of commands: hand them to the CSMS, post their results, watch their deadlines.

A task comes at least once, sometimes twice, and perhaps late; so each reads the command as it is and does
what is still to be done. Tasks are done side by side. One that did not succeed comes again after a growing
delay; what keeps failing by our own fault ends in the dead-letter queue, as a bell.

- *To the CSMS*: every webhook for commands is told, all at once, again and again until the deadline, each
  time by a new message: the queue gives up one that fails often, however long the CSMS has. Without a
  webhook, the CSMS fetches.
- *A result*: posted by one worker at a time. A refusal is final; a fault is tried again, ten times in some
  four minutes, and then given up. Either way the operator can see it. A cancellation waits until its
  reservation's result has been posted, or given up.
- *The deadline*: if nothing has come of the command, TIMEOUT has.

Source: OCPI 2.2.1 mod_commands_flow; CMD-05, CMD-06, CMD-16, CMD-18, TRP-23
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal

from chalicelib.errors import InvalidParameters
from chalicelib.log import add_fields, log, log_fields
from chalicelib.modules.commands.rules import (
    Command,
    Outcome,
    State,
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
from chalicelib.modules.commands.tasks import send_owed, send_to_csms, watch_deadline
from chalicelib.modules.commands.view import show
from chalicelib.partners.answers import PartnerError, PartnerFault, PartnerRefusal
from chalicelib.partners.webhooks import COMMAND, Webhook, WebhookFailed, notify, read_webhooks
from chalicelib.protocol.json_text import JsonText
from chalicelib.protocol.message import Routing
from chalicelib.protocol.types import parse_datetime
from chalicelib.queues import CommandTask

if TYPE_CHECKING:
    from chalicelib.node import Node

Slot = Literal["result", "cancellation"]

POST_S = 8.0
WEBHOOK_S = 5.0

_AT_ONCE = 10
_LONGEST_WEBHOOK_DELAY_S = 5


def handle_messages(node: Node, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Do what a batch of messages tells. Returns Lambda's answer for a batch: what comes again."""
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="command") as pool:
        delays = list(pool.map(lambda record: _handle(node, record), records))
    again = [(record, delay) for record, delay in zip(records, delays, strict=True) if delay]
    if again:
        _postpone(node, {record["receiptHandle"]: delay for record, delay in again})
    return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record, _ in again]}


def _handle(node: Node, record: Mapping[str, Any]) -> int | None:
    """Do one task; seconds until it comes again, None when it is done."""
    receive_count = int(record["attributes"]["ApproximateReceiveCount"])
    with log_fields(ocpi_module="commands", message_id=record["messageId"]):
        try:
            return run(node, CommandTask.model_validate_json(record["body"]), receive_count)
        except Exception:
            log.exception("a command's task failed by our own fault")
            return delay_s(receive_count)


def run(node: Node, task: CommandTask, receive_count: int) -> int | None:
    """Do a task; seconds until it is to be done again, None when it is done."""
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
    if command is None or command.state != State.PENDING or node.clock() >= command.is_overdue_at:
        return
    _tell_whose(command)
    failures = _tell_webhooks(node, command)
    if not failures:
        return
    log.warning("a command could not be delivered", extra={"reason": failures})
    problem = "; ".join(failures)
    if problem != command.problem:
        now = node.clock()
        change(node, command_id, lambda current: current.changed(now, problem=problem))
    age_s = (node.clock() - parse_datetime(command.received)).total_seconds()
    send_to_csms(node, command, delay_s=min(max(int(age_s), 1), _LONGEST_WEBHOOK_DELAY_S))


def _tell_whose(command: Command) -> None:
    add_fields(partner=command.partner_id, correlation_id=command.correlation_id)


def _tell_webhooks(node: Node, command: Command) -> list[str]:
    """Tell every webhook that does not know yet, and record who does; returns what failed."""
    webhooks = [
        known
        for known in read_webhooks(node.table)
        if COMMAND in known.events and known.name not in command.delivered_to
    ]
    with ThreadPoolExecutor(max(len(webhooks), 1), thread_name_prefix="webhook") as pool:
        problems = list(pool.map(lambda webhook: _tell(node, webhook, command), webhooks))
    for webhook, problem in zip(webhooks, problems, strict=True):
        if problem is None:
            _record_delivery(node, command.id, webhook.name)
    return [problem for problem in problems if problem is not None]


def _tell(node: Node, webhook: Webhook, command: Command) -> str | None:
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
    _tell_whose(command)
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
    """The command, when its result is to be posted by this worker; and how long something else holds it.

    behind_s: how long what may not overtake another result waits for it.
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
    """POST the bare result (CMD-06), as an answer to the command's sender (CMD-18)."""
    partner = node.directory.get(command.partner_id)
    if partner is None or not partner.is_registered:
        raise PartnerRefusal("is no longer registered")
    node.client.post_to(
        partner,
        command.response_url,
        JsonText(outcome.body),
        correlation_id=command.correlation_id,
        routing=Routing(command.addressee, command.sender),
        total_s=POST_S,
    )


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
    if command.state == State.PENDING and node.clock() < command.is_overdue_at:
        # The queue keeps nothing for longer than a quarter of an hour, or the deadline has moved.
        watch_deadline(node, command)
        return
    now = node.clock()
    send_owed(node, change(node, command_id, lambda current: expired(current, now)))


def _postpone(node: Node, delays: Mapping[str, int]) -> None:
    try:
        node.queues.postpone_command_tasks(delays)
    except Exception:
        # They come again when their visibility timeout ends.
        log.exception("messages could not be postponed")
