"""State machine of a command: pure functions that take the time as `now`.

The direction of a command is RECEIVED (at a CPO, for its CSMS), RELAYED (at a hub) or SENT (at an eMSP).
Its state is

- PENDING: waiting for its answer or its result;
- COMPLETED: a result came in time;
- TIMED_OUT: no result came in time. The sender gets the result TIMEOUT;
- REFUSED: the command was not accepted, so no result will follow.

The first result counts and is posted once. A result after TIMEOUT, or for a refused command, is recorded
and not posted, because the sender already has a final state. Only one thing may follow a result: the CPO
cancels a reservation that was ACCEPTED (CMD-15).

A final state counts only once the sender has received it. A command that got no answer may be sent again.
If it is accepted then, a result that arrived in the meantime becomes its result.

A result to be posted is WAITING. One worker at a time takes it and holds it until its `not_before`. It ends
as SENT or GIVEN_UP.

Source: OCPI 2.2.1 mod_commands_flow; CMD-05, CMD-15 … CMD-18
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from chalicelib.errors import ClientError
from chalicelib.modules.commands.objects import ACCEPTED, CANCELED_RESERVATION, TIMEOUT
from chalicelib.protocol.json_text import read_json, write_json
from chalicelib.protocol.message import Party
from chalicelib.protocol.types import format_datetime, parse_datetime

TRIES = 10
"""Number of tries to post a result before it is given up, within about four minutes."""

REPEATED_REQUEST = timedelta(days=1)
"""Time in which the same X-Request-ID means the same command."""

REPEATED_URL = timedelta(minutes=5)
"""Time in which the same response_url means the same command."""

_HELD = timedelta(seconds=15)
"""Time for which a worker holds a result that it posts."""

_LONGEST_DELAY_S = 60
_DAY_S = 24 * 60 * 60


class Direction(StrEnum):
    """Direction of a command, seen from this node."""

    RECEIVED = "RECEIVED"
    RELAYED = "RELAYED"
    SENT = "SENT"


class CommandState(StrEnum):
    """State of a command; the module docstring explains each."""

    PENDING = "PENDING"
    COMPLETED = "COMPLETED"
    TIMED_OUT = "TIMED_OUT"
    REFUSED = "REFUSED"


class PostStatus(StrEnum):
    """State of the posting of a result."""

    WAITING = "WAITING"
    SENT = "SENT"
    GIVEN_UP = "GIVEN_UP"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class Post(_Frozen):
    """Posting of a result to the response_url. not_before: end of a worker's hold; "" when none holds it."""

    status: PostStatus = PostStatus.WAITING
    tries: int = 0
    not_before: str = ""
    reason: str = ""


class Outcome(_Frozen):
    """A CommandResult. body: its JSON text as it arrived. post: None when it is not to be posted."""

    result: str
    body: str
    at: str
    post: Post | None = None


class Response(_Frozen):
    """Immediate answer to a command. body: JSON text of the CommandResponse, "" when there was none."""

    result: str = ""
    timeout: int = 0
    body: str = ""
    status_code: int = 1000
    status_message: str | None = None
    http_status: int = 200


class Command(_Frozen):
    """A command with its state, answer and results.

    body: JSON text of the command's object as it arrived. response_url: URL to post the result to, "" for a
    command of this node. sender, addressee: the parties of the OCPI-from and OCPI-to headers.
    partner_id: the partner that sent it; receiver_id: the partner it was sent on to; both are "" for the
    operator of this node. reservation_id: the id for the CSMS, unique among all senders (CMD-14).
    digest: equal for commands with the same content. problem: why it could not be delivered.
    """

    id: str
    command: str
    direction: Direction
    state: CommandState = CommandState.PENDING
    body: str
    digest: str
    response_url: str = ""
    partner_id: str = ""
    receiver_id: str = ""
    sender: Party | None = None
    addressee: Party | None = None
    correlation_id: str
    received: str
    deadline: str
    last_updated: str
    reservation_id: str = ""
    delivered_to: tuple[str, ...] = ()
    response: Response | None = None
    result: Outcome | None = None
    late_result: Outcome | None = None
    cancellation: Outcome | None = None
    problem: str = ""

    @property
    def is_overdue_at(self) -> datetime:
        """The time at which it ends without a result."""
        return parse_datetime(self.deadline)

    def document(self) -> dict[str, Any]:
        """The command's object, parsed."""
        parsed: dict[str, Any] = read_json(self.body)
        return parsed

    def changed(self, now: datetime, **fields: Any) -> Command:
        """Copy it with other values, and `now` as last_updated."""
        return self.model_copy(update={**fields, "last_updated": format_datetime(now)})


class AlreadyEnded(ClientError):
    """Error for a result that contradicts the one that the command has."""


# -- the immediate answer ----------------------------------------------------------------------------


def answered(command: Command, response: Response, now: datetime, grace: timedelta) -> Command:
    """Record the receiver's answer. grace: time added to its timeout to wait for a result.

    A result may have arrived before this answer, also after the command timed out without an answer.
    """
    is_unreported = command.response is None and command.state == CommandState.TIMED_OUT
    if command.result is not None and not is_unreported:
        return command.changed(now, response=response)
    if response.result != ACCEPTED:
        return command.changed(now, response=response, state=CommandState.REFUSED, result=None)
    accepted = command.changed(now, response=response, problem="", result=None, late_result=None)
    if command.late_result is not None:
        result = command.late_result.model_copy(update={"post": _first_post(command)})
        return accepted.changed(now, state=CommandState.COMPLETED, result=result)
    waits = timedelta(seconds=min(response.timeout, _DAY_S)) + grace
    return accepted.changed(now, state=CommandState.PENDING, deadline=format_datetime(now + waits))


def unanswered(command: Command, problem: str, now: datetime, is_over: bool) -> Command:
    """Record that the receiver did not answer, or answered with an error or an invalid body.

    is_over: no result is expected, so the command is REFUSED. Otherwise it keeps waiting for a result.
    """
    if command.result is not None:
        return command
    state = CommandState.REFUSED if is_over else command.state
    return command.changed(now, problem=problem, state=state)


# -- results -----------------------------------------------------------------------------------------


def with_result(command: Command, result: str, body: str, now: datetime) -> Command | None:
    """Record a result that arrived. Returns None when the command has this result already.

    Raises: AlreadyEnded when it contradicts an earlier one.
    """
    outcome = Outcome(result=result, body=body, at=format_datetime(now), post=_first_post(command))
    unposted = outcome.model_copy(update={"post": None})
    if command.state == CommandState.PENDING:
        return command.changed(now, state=CommandState.COMPLETED, result=outcome)
    if _is_cancellation(command, result):
        return None if command.cancellation else command.changed(now, cancellation=outcome)
    earlier = command.result if command.state == CommandState.COMPLETED else command.late_result
    if earlier is None:
        return command.changed(now, late_result=unposted)
    if earlier.result == result:
        return None
    raise AlreadyEnded(f"the command has ended already, with {earlier.result}", field="result")


def _is_cancellation(command: Command, result: str) -> bool:
    was_reserved = command.result is not None and command.result.result == ACCEPTED
    return command.command == "RESERVE_NOW" and result == CANCELED_RESERVATION and was_reserved


def expired(command: Command, now: datetime) -> Command | None:
    """End a command whose deadline is over. Returns None before the deadline, and for one that has ended.

    TIMEOUT is posted only when the sender was answered ACCEPTED (CMD-05).
    """
    if command.state != CommandState.PENDING or now < command.is_overdue_at:
        return None
    was_accepted = command.response is not None and command.response.result == ACCEPTED
    outcome = Outcome(
        result=TIMEOUT,
        body=write_json({"result": TIMEOUT}),
        at=format_datetime(now),
        post=_first_post(command) if was_accepted else None,
    )
    return command.changed(now, state=CommandState.TIMED_OUT, result=outcome)


def is_open(command: Command) -> bool:
    """Check whether the sender of a command still waits for its answer or its result."""
    return command.response is None or command.state == CommandState.PENDING or is_waiting(command.result)


def delivered(command: Command, webhook: str, now: datetime) -> Command | None:
    """Record that a webhook of the CSMS has the command. Returns None when that is recorded already."""
    if webhook in command.delivered_to:
        return None
    return command.changed(now, delivered_to=(*command.delivered_to, webhook))


# -- posting a result --------------------------------------------------------------------------------


def _first_post(command: Command) -> Post | None:
    """Posting state of a new result.

    Returns None at the node that sent the command: its result ends there.
    """
    return None if command.direction == Direction.SENT else Post()


def is_waiting(outcome: Outcome | None) -> bool:
    """Check whether a result is still to be posted."""
    return outcome is not None and outcome.post is not None and outcome.post.status == PostStatus.WAITING


def would_overtake(command: Command, outcome: Outcome) -> bool:
    """Check whether an outcome would be posted before the command's result, which must be first (CMD-15)."""
    return outcome is not command.result and is_waiting(command.result)


def held_for_s(outcome: Outcome, now: datetime) -> float:
    """Seconds for which another worker holds a result; 0 when none does."""
    not_before = outcome.post.not_before if outcome.post else ""
    return max((parse_datetime(not_before) - now).total_seconds(), 0.0) if not_before else 0.0


def taken(outcome: Outcome, now: datetime) -> Outcome:
    """Record that a worker starts to post a result, and hold it for this worker."""
    assert outcome.post is not None
    held = {"tries": outcome.post.tries + 1, "not_before": format_datetime(now + _HELD)}
    return outcome.model_copy(update={"post": outcome.post.model_copy(update=held)})


def posted(outcome: Outcome) -> Outcome:
    """Record that a result was posted."""
    return _with_post(outcome, PostStatus.SENT, "")


def not_posted(outcome: Outcome, reason: str, is_final: bool) -> Outcome:
    """Record that posting a result failed.

    It is tried again, or given up if is_final or after `TRIES` tries.
    """
    assert outcome.post is not None
    is_over = is_final or outcome.post.tries >= TRIES
    return _with_post(outcome, PostStatus.GIVEN_UP if is_over else PostStatus.WAITING, reason)


def delay_s(tries: int) -> int:
    """Seconds until the next try: 1, 2, 4, and so on up to a minute.

    >>> [delay_s(tries) for tries in (1, 2, 3, 7)]
    [1, 2, 4, 60]
    """
    return min(int(2 ** (tries - 1)), _LONGEST_DELAY_S)


def _with_post(outcome: Outcome, status: PostStatus, reason: str) -> Outcome:
    assert outcome.post is not None
    post = outcome.post.model_copy(update={"status": status, "reason": reason, "not_before": ""})
    return outcome.model_copy(update={"post": post})
