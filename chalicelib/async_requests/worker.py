"""Worker of the commands queue: delivers asynchronous requests to the CSMS, posts results, watches deadlines.

The queue delivers a task at least once, sometimes twice, sometimes late. So each task reads the request's
current state and does only the work that is left. Tasks run in parallel. A failed task is tried again after
a growing delay. A task that keeps failing because of an error of this node ends in the dead-letter queue,
which raises an alarm.

- *Delivery to the CSMS*: every webhook for the kind is notified, all in parallel. Failed ones are tried again
  until the deadline. Each try is a new message, because the queue moves a message that fails often to the
  dead-letter queue, even if the CSMS has time left. Without a webhook, the CSMS fetches its requests.
- *Result*: posted by one worker at a time. A refusal is final. A fault is tried again, ten times in about
  four minutes, or as the partner asks (`Retry-After`), and then given up. The operator can see both. A
  follow-up waits until the result before it was posted or given up.
- *Deadline*: a request without a result ends with the kind's result for that, such as TIMEOUT.

Source: OCPI 2.2.1 mod_commands_flow; CMD-05, CMD-06, CMD-16, CMD-18, TRP-23
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from chalicelib.async_requests.objects import AsyncKind, AsyncRequest, Outcome, RequestState
from chalicelib.async_requests.rules import (
    Slot,
    Taken,
    delay_s,
    delivered,
    expired,
    is_waiting,
    not_posted,
    posted,
    take,
)
from chalicelib.async_requests.store import AsyncRequests
from chalicelib.async_requests.view import show
from chalicelib.calls.answers import PartnerError, PartnerFault, PartnerRefusal
from chalicelib.calls.client import Exchange
from chalicelib.calls.webhooks import notify_all
from chalicelib.errors import InvalidParameters
from chalicelib.log import add_fields, log, log_fields
from chalicelib.partners.breaker import LONGEST_ASKED
from chalicelib.protocol.json_text import JsonText
from chalicelib.protocol.message import Routing
from chalicelib.protocol.types import parse_datetime
from chalicelib.queues import RequestTask

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.queues import Queues

POST_S = 8.0
"""Seconds for one POST of a result."""

WEBHOOK_S = 5.0
"""Seconds for one call of a webhook."""

_AT_ONCE = 10
_LONGEST_WEBHOOK_DELAY_S = 5


def handle_messages(
    node: Node, kinds: Mapping[str, AsyncKind], records: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Run a batch of tasks. kinds: every kind, by module.

    Returns the partial batch response of Lambda: the messages to deliver again.
    """
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="command") as pool:
        delays = list(pool.map(lambda record: _handle(node, kinds, record), records))
    again = [(record, delay) for record, delay in zip(records, delays, strict=True) if delay]
    if again:
        _postpone(node.queues, {record["receiptHandle"]: delay for record, delay in again})
    return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record, _ in again]}


def _handle(node: Node, kinds: Mapping[str, AsyncKind], record: Mapping[str, Any]) -> int | None:
    """Run the task of one message. Returns seconds until it is tried again, None when it is done."""
    receive_count = int(record["attributes"]["ApproximateReceiveCount"])
    with log_fields(ocpi_module="commands", message_id=record["messageId"]):
        try:
            task = RequestTask.model_validate_json(record["body"])
            return run(AsyncRequests(node, kinds[task.module]), task, receive_count)
        except Exception:
            log.exception("a command's task failed by our own fault")
            return delay_s(receive_count)


def run(requests: AsyncRequests, task: RequestTask, receive_count: int) -> int | None:
    """Run a task. Returns seconds until it is tried again, None when it is done."""
    kind = requests.kind
    add_fields(ocpi_module=kind.module, task=task.what, **{kind.label: task.request_id})
    match task.what:
        case "DELIVER":
            _deliver(requests, task.request_id)
            return None
        case "RESULT":
            return _post(requests, task.request_id, "result", receive_count)
        case "CANCELLATION":
            return _post(requests, task.request_id, "follow_up", receive_count)
        case "DEADLINE":
            _watch(requests, task.request_id)
            return None


# -- to the CSMS -------------------------------------------------------------------------------------


def _deliver(requests: AsyncRequests, request_id: str) -> None:
    request = requests.find(request_id)
    if (
        request is None
        or request.state != RequestState.PENDING
        or requests.node.clock() >= request.is_overdue_at
    ):
        return
    _add_log_fields(request)
    outcomes = notify_all(
        requests.node,
        requests.kind.event,
        request.id,
        show(requests.kind, request),
        total_s=WEBHOOK_S,
        has_it=request.delivered_to,
    )
    for webhook in [name for name, reason in outcomes.items() if reason is None]:
        _record_delivery(requests, request.id, webhook)
    failures = [f"webhook {name} {reason}" for name, reason in outcomes.items() if reason is not None]
    if not failures:
        return
    log.warning(
        f"failed to deliver a {requests.kind.label} to the CSMS; it is tried again until its deadline",
        extra={"reason": failures},
    )
    problem = "; ".join(failures)
    if problem != request.problem:
        now = requests.node.clock()
        requests.change(request_id, lambda current: current.changed(now, problem=problem))
    age_s = (requests.node.clock() - parse_datetime(request.received)).total_seconds()
    requests.queue_delivery(request, delay_s=min(max(int(age_s), 1), _LONGEST_WEBHOOK_DELAY_S))


def _add_log_fields(request: AsyncRequest) -> None:
    add_fields(partner=request.partner_id, correlation_id=request.correlation_id)


def _record_delivery(requests: AsyncRequests, request_id: str, webhook: str) -> None:
    now = requests.node.clock()
    requests.change(request_id, lambda current: delivered(current, webhook, now))


# -- results -----------------------------------------------------------------------------------------


def _post(requests: AsyncRequests, request_id: str, slot: Slot, receive_count: int) -> int | None:
    request, wait_s = _take(requests, request_id, slot, receive_count)
    if request is None:
        return math.ceil(wait_s) or None
    _add_log_fields(request)
    outcome: Outcome = getattr(request, slot)
    problem: PartnerError | InvalidParameters | None = None
    try:
        _send(requests, request, outcome)
    except (PartnerError, InvalidParameters) as error:
        problem = error
    after = _record(requests, request_id, slot, problem)
    if not is_waiting(after):
        return None
    assert after.post is not None
    return max(delay_s(after.post.tries), _asked_s(problem))


def _asked_s(problem: PartnerError | InvalidParameters | None) -> int:
    """Seconds for which the partner asked not to be called (`Retry-After`)."""
    asked = problem.retry_after_s if isinstance(problem, PartnerFault) else None
    return min(asked or 0, round(LONGEST_ASKED.total_seconds()))


def _take(requests: AsyncRequests, request_id: str, slot: Slot, receive_count: int) -> Taken:
    """Take a result for this worker. receive_count: as in `rules.take`."""
    now, taken = requests.node.clock(), Taken(None)

    def rule(current: AsyncRequest) -> AsyncRequest | None:
        nonlocal taken
        taken = take(current, slot, now, receive_count)
        return taken.request

    requests.change(request_id, rule)
    return taken


def _send(requests: AsyncRequests, request: AsyncRequest, outcome: Outcome) -> None:
    """POST the bare result (CMD-06) to the request's sender, with its correlation id (CMD-18)."""
    partner = requests.node.directory.get(request.partner_id)
    if partner is None or not partner.is_registered:
        raise PartnerRefusal("is no longer registered")
    exchange = Exchange(
        "POST",
        JsonText(outcome.body),
        routing=Routing(request.addressee, request.sender),
        correlation_id=request.correlation_id,
        total_s=POST_S,
        takes=requests.kind.result_kind,
    )
    requests.node.client.post_to(partner, request.response_url, exchange)


def _record(
    requests: AsyncRequests, request_id: str, slot: Slot, problem: PartnerError | InvalidParameters | None
) -> Outcome:
    now = requests.node.clock()
    is_final = not isinstance(problem, PartnerFault)

    def record(current: AsyncRequest) -> AsyncRequest:
        if problem is None:
            return posted(current, slot, now)
        return not_posted(current, slot, now, str(problem), is_final)

    after: Outcome = getattr(requests.change(request_id, record), slot)
    return after


# -- deadlines ---------------------------------------------------------------------------------------


def _watch(requests: AsyncRequests, request_id: str) -> None:
    request = requests.find(request_id)
    if request is None:
        return
    if request.state == RequestState.PENDING and requests.node.clock() < request.is_overdue_at:
        # SQS delays a message by at most 15 minutes, and the deadline may have moved: queue it again.
        requests.watch_deadline(request)
        return
    now = requests.node.clock()
    requests.queue_results(requests.change(request_id, lambda current: expired(requests.kind, current, now)))


def _postpone(queues: Queues, delays: Mapping[str, int]) -> None:
    try:
        queues.postpone_request_tasks(delays)
    except Exception:
        log.exception("failed to postpone messages; SQS delivers them again after their visibility timeout")
