"""State machine of an asynchronous request: pure functions that take the time as `now`.

`objects.py` explains the states. The first result counts and is posted once. A result after the deadline, or
for a refused request, is recorded and not posted, because the sender already has a final state. At the node
that sent the request nothing is posted, so there a result that comes after the timeout completes the
request: the operator sees what really happened. Only one thing may follow a result: the follow-up of the
kind, as when a CPO cancels a reservation that was ACCEPTED (CMD-15).

A final state counts only once the sender has received it. A request that got no answer may be sent again.
If it is accepted then, a result that arrived in the meantime becomes its result.

A result to be posted is WAITING. One worker at a time takes it and holds it until its `not_before`. It ends
as SENT or GIVEN_UP.

Source: OCPI 2.2.1 mod_commands_flow; CMD-05, CMD-15 … CMD-18
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from chalicelib.async_requests.objects import (
    ACCEPTED,
    AsyncKind,
    AsyncRequest,
    Direction,
    Outcome,
    Post,
    PostStatus,
    RequestState,
    Response,
)
from chalicelib.errors import ClientError
from chalicelib.protocol.json_text import write_json
from chalicelib.protocol.types import format_datetime, parse_datetime

TRIES = 10
"""Number of tries to post a result before it is given up, within about four minutes."""

_HELD = timedelta(seconds=15)
"""Time for which a worker holds a result that it posts."""

_LONGEST_DELAY_S = 60
_DAY_S = 24 * 60 * 60


Slot = Literal["result", "follow_up"]
"""The field of a request that has the result to post."""


class Taken(NamedTuple):
    """The request with a result that a worker has taken; None when it has nothing to post now.

    wait_s: seconds until it may try again, 0 when nothing is left to post.
    """

    request: AsyncRequest | None
    wait_s: float = 0.0


class AlreadyEnded(ClientError):
    """Error for a result that contradicts the one that the request has."""


# -- the immediate answer ----------------------------------------------------------------------------


def answered(request: AsyncRequest, response: Response, now: datetime, grace: timedelta) -> AsyncRequest:
    """Record the receiver's answer. grace: time added to its timeout to wait for a result.

    A result may have arrived before this answer, also after the request timed out without an answer.
    """
    is_unreported = request.response is None and request.state == RequestState.TIMED_OUT
    if request.result is not None and not is_unreported:
        return request.changed(now, response=response)
    if response.result != ACCEPTED:
        return request.changed(now, response=response, state=RequestState.REFUSED, result=None)
    accepted = request.changed(now, response=response, problem="", result=None, late_result=None)
    if request.late_result is not None:
        result = request.late_result.model_copy(update={"post": _first_post(request)})
        return accepted.changed(now, state=RequestState.COMPLETED, result=result)
    waits = timedelta(seconds=min(response.timeout, _DAY_S)) + grace
    return accepted.changed(now, state=RequestState.PENDING, deadline=format_datetime(now + waits))


def unanswered(request: AsyncRequest, problem: str, now: datetime, is_over: bool) -> AsyncRequest:
    """Record that the receiver did not answer, or answered with an error or an invalid body.

    is_over: no result is expected, so the request is REFUSED. Otherwise it keeps waiting for a result.
    """
    if request.result is not None:
        return request
    state = RequestState.REFUSED if is_over else request.state
    return request.changed(now, problem=problem, state=state)


# -- results -----------------------------------------------------------------------------------------


def with_result(
    kind: AsyncKind, request: AsyncRequest, result: str, body: str, now: datetime
) -> AsyncRequest | None:
    """Record a result that arrived. Returns None when the request has this result already.

    Raises: AlreadyEnded when it contradicts an earlier one.
    """
    outcome = Outcome(result=result, body=body, at=format_datetime(now), post=_first_post(request))
    unposted = outcome.model_copy(update={"post": None})
    if request.state == RequestState.PENDING:
        return request.changed(now, state=RequestState.COMPLETED, result=outcome)
    if _is_follow_up(kind, request, result):
        return None if request.follow_up else request.changed(now, follow_up=outcome)
    earlier = request.result if request.state == RequestState.COMPLETED else request.late_result
    if _is_turned(kind, request, result):
        return request.changed(now, state=RequestState.COMPLETED, result=outcome, late_result=unposted)
    if earlier is None:
        return request.changed(now, late_result=unposted)
    if earlier.result == result:
        return None
    raise AlreadyEnded(f"the {kind.label} has ended already, with {earlier.result}", field="result")


def _is_turned(kind: AsyncKind, request: AsyncRequest, result: str) -> bool:
    """Check whether a result that came late replaces the timeout, at the node that sent the request."""
    if request.direction != Direction.SENT or result == kind.timeout_result or request.result is None:
        return False
    return request.result.result == kind.timeout_result


def _is_follow_up(kind: AsyncKind, request: AsyncRequest, result: str) -> bool:
    was_accepted = request.result is not None and request.result.result == ACCEPTED
    return kind.follow_up == (request.name, result) and was_accepted


def expired(kind: AsyncKind, request: AsyncRequest, now: datetime) -> AsyncRequest | None:
    """End a request whose deadline is over. Returns None before the deadline, and for one that has ended.

    The result is posted only when the sender was answered ACCEPTED (CMD-05).
    """
    if request.state != RequestState.PENDING or now < request.is_overdue_at:
        return None
    was_accepted = request.response is not None and request.response.result == ACCEPTED
    outcome = Outcome(
        result=kind.timeout_result,
        body=write_json({"result": kind.timeout_result}),
        at=format_datetime(now),
        post=_first_post(request) if was_accepted else None,
    )
    return request.changed(now, state=RequestState.TIMED_OUT, result=outcome)


def is_open(request: AsyncRequest) -> bool:
    """Check whether the sender of a request still waits for its answer or its result."""
    return request.response is None or request.state == RequestState.PENDING or is_waiting(request.result)


def delivered(request: AsyncRequest, webhook: str, now: datetime) -> AsyncRequest | None:
    """Record that a webhook of the CSMS has the request. Returns None when that is recorded already."""
    if webhook in request.delivered_to:
        return None
    return request.changed(now, delivered_to=(*request.delivered_to, webhook))


# -- posting a result --------------------------------------------------------------------------------


def _first_post(request: AsyncRequest) -> Post | None:
    """Posting state of a new result.

    Returns None at the node that sent the request: its result ends there.
    """
    return None if request.direction == Direction.SENT else Post()


def is_waiting(outcome: Outcome | None) -> bool:
    """Check whether a result is still to be posted."""
    return outcome is not None and outcome.post is not None and outcome.post.status == PostStatus.WAITING


def take(request: AsyncRequest, slot: Slot, now: datetime, receive_count: int) -> Taken:
    """Take a result for a worker that starts to post it, unless another worker holds it.

    A follow-up waits for the result, which must be posted first (CMD-15).
    receive_count: how often the task was received; the wait grows with it.
    """
    outcome: Outcome | None = getattr(request, slot)
    if outcome is None or outcome.post is None or not is_waiting(outcome):
        return Taken(None)
    is_behind = outcome is not request.result and is_waiting(request.result)
    wait_s = delay_s(receive_count) if is_behind else _held_for_s(outcome.post, now)
    if wait_s:
        return Taken(None, wait_s)
    held = {"tries": outcome.post.tries + 1, "not_before": format_datetime(now + _HELD)}
    return Taken(_with_post(request, slot, now, **held))


def _held_for_s(post: Post, now: datetime) -> float:
    """Seconds for which another worker holds a result; 0 when none does."""
    return max((parse_datetime(post.not_before) - now).total_seconds(), 0.0) if post.not_before else 0.0


def posted(request: AsyncRequest, slot: Slot, now: datetime) -> AsyncRequest:
    """Record that a result was posted."""
    return _with_post(request, slot, now, status=PostStatus.SENT, reason="", not_before="")


def not_posted(request: AsyncRequest, slot: Slot, now: datetime, reason: str, is_final: bool) -> AsyncRequest:
    """Record that posting a result failed.

    It is tried again, or given up if is_final or after `TRIES` tries.
    """
    is_over = is_final or getattr(request, slot).post.tries >= TRIES
    status = PostStatus.GIVEN_UP if is_over else PostStatus.WAITING
    return _with_post(request, slot, now, status=status, reason=reason, not_before="")


def delay_s(tries: int) -> int:
    """Seconds until the next try: 1, 2, 4, and so on up to a minute.

    >>> [delay_s(tries) for tries in (1, 2, 3, 7)]
    [1, 2, 4, 60]
    """
    return min(int(2 ** (tries - 1)), _LONGEST_DELAY_S)


def _with_post(request: AsyncRequest, slot: Slot, now: datetime, **changes: Any) -> AsyncRequest:
    outcome: Outcome = getattr(request, slot)
    assert outcome.post is not None
    after = outcome.model_copy(update={"post": outcome.post.model_copy(update=changes)})
    return request.changed(now, **{slot: after})
