"""What may become of a command: a state machine of pure functions, `now` among their arguments.

A command is RECEIVED (a CPO, for its CSMS), RELAYED (a hub) or SENT (an eMSP), and is

- PENDING until something is known of it;
- COMPLETED when a result came in time;
- TIMED_OUT when none did, which for whoever waits is a result as well: TIMEOUT;
- REFUSED when it was not accepted, so that no result is to come.

The first result counts and is posted once. What comes after a TIMEOUT, or for a command that was refused,
is recorded and not posted, because its sender has been told the end already. One thing may follow a
result: the CPO cancels a reservation that was ACCEPTED (CMD-15).

An end that nobody was told is none: a command that got no answer may be sent again, and when it is accepted
then, what came of it meanwhile is its result.

A result that is to be posted is WAITING, is taken by one worker at a time, which holds it until its
`not_before`, and ends as SENT or GIVEN_UP.

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
"""How often a result is posted before it is given up: some four minutes."""

REPEATED_REQUEST = timedelta(days=1)
REPEATED_URL = timedelta(minutes=5)
_HELD = timedelta(seconds=15)
_LONGEST_DELAY_S = 60
_DAY_S = 24 * 60 * 60


class Direction(StrEnum):
    """Where a command comes from and goes to, seen from here."""

    RECEIVED = "RECEIVED"
    RELAYED = "RELAYED"
    SENT = "SENT"


class State(StrEnum):
    """How far a command is."""

    PENDING = "PENDING"
    COMPLETED = "COMPLETED"
    TIMED_OUT = "TIMED_OUT"
    REFUSED = "REFUSED"


class PostStatus(StrEnum):
    """How far the posting of a result is."""

    WAITING = "WAITING"
    SENT = "SENT"
    GIVEN_UP = "GIVEN_UP"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class Post(_Frozen):
    """A result on its way to the response_url. not_before: until when a worker holds it."""

    status: PostStatus = PostStatus.WAITING
    tries: int = 0
    not_before: str = ""
    reason: str = ""


class Outcome(_Frozen):
    """A CommandResult: body is its JSON text as it came; post is None when nobody is to be sent it."""

    result: str
    body: str
    at: str
    post: Post | None = None


class Response(_Frozen):
    """What was answered at once: body is the CommandResponse's JSON text, "" when there was none."""

    result: str = ""
    timeout: int = 0
    body: str = ""
    status_code: int = 1000
    status_message: str | None = None
    http_status: int = 200


class Command(_Frozen):
    """A command with all that is known of it.

    body: JSON text of the command's object as it came. response_url: where the result is to go, "" when
    it was sent from here. sender, addressee: the parties of the OCPI-from and OCPI-to headers.
    partner_id: who sent it; receiver_id: to whom it was handed on; both are ids of partners, "" for the
    operator of this node. reservation_id: the one that the CSMS is told, unique among all senders
    (CMD-14). digest: tells whether another command reads the same. problem: why it could not be handed on.
    """

    id: str
    command: str
    direction: Direction
    state: State = State.PENDING
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
        """When it ends without a result."""
        return parse_datetime(self.deadline)

    def document(self) -> dict[str, Any]:
        """The command's object, parsed."""
        parsed: dict[str, Any] = read_json(self.body)
        return parsed

    def changed(self, now: datetime, **fields: Any) -> Command:
        """A copy with other values."""
        return self.model_copy(update={**fields, "last_updated": format_datetime(now)})


class AlreadyEnded(ClientError):
    """A result contradicts the one that the command has."""


# -- the answer at once ------------------------------------------------------------------------------


def answered(command: Command, response: Response, now: datetime, grace: timedelta) -> Command:
    """The receiver has answered. grace: how much longer than its timeout a result is waited for.

    A result may have been faster than this answer, and may have come while the command seemed to be over.
    """
    is_untold = command.response is None and command.state == State.TIMED_OUT
    if command.result is not None and not is_untold:
        return command.changed(now, response=response)
    if response.result != ACCEPTED:
        return command.changed(now, response=response, state=State.REFUSED, result=None)
    accepted = command.changed(now, response=response, problem="", result=None, late_result=None)
    if command.late_result is not None:
        result = command.late_result.model_copy(update={"post": _first_post(command)})
        return accepted.changed(now, state=State.COMPLETED, result=result)
    waits = timedelta(seconds=min(response.timeout, _DAY_S)) + grace
    return accepted.changed(now, state=State.PENDING, deadline=format_datetime(now + waits))


def unanswered(command: Command, problem: str, now: datetime, is_over: bool) -> Command:
    """The receiver has not answered, or not as it must.

    is_over: nothing will come of it, as far as can be told; otherwise it is waited for a result.
    """
    if command.result is not None:
        return command
    state = State.REFUSED if is_over else command.state
    return command.changed(now, problem=problem, state=state)


# -- results -----------------------------------------------------------------------------------------


def with_result(command: Command, result: str, body: str, now: datetime) -> Command | None:
    """The command with a result that came in; None when that is no news.

    Raises: AlreadyEnded when it contradicts an earlier one.
    """
    outcome = Outcome(result=result, body=body, at=format_datetime(now), post=_first_post(command))
    unposted = outcome.model_copy(update={"post": None})
    if command.state == State.PENDING:
        return command.changed(now, state=State.COMPLETED, result=outcome)
    if _is_cancellation(command, result):
        return None if command.cancellation else command.changed(now, cancellation=outcome)
    told = command.result if command.state == State.COMPLETED else command.late_result
    if told is None:
        return command.changed(now, late_result=unposted)
    if told.result == result:
        return None
    raise AlreadyEnded(f"the command has ended already, with {told.result}", field="result")


def _is_cancellation(command: Command, result: str) -> bool:
    was_reserved = command.result is not None and command.result.result == ACCEPTED
    return command.command == "RESERVE_NOW" and result == CANCELED_RESERVATION and was_reserved


def expired(command: Command, now: datetime) -> Command | None:
    """The command after its deadline; None when that has not come, or it ended before.

    Only who was told ACCEPTED is told of the end (CMD-05).
    """
    if command.state != State.PENDING or now < command.is_overdue_at:
        return None
    was_accepted = command.response is not None and command.response.result == ACCEPTED
    outcome = Outcome(
        result=TIMEOUT,
        body=write_json({"result": TIMEOUT}),
        at=format_datetime(now),
        post=_first_post(command) if was_accepted else None,
    )
    return command.changed(now, state=State.TIMED_OUT, result=outcome)


def is_open(command: Command) -> bool:
    """Tell whether whoever sent a command has not been told its end yet, nor an answer."""
    return command.response is None or command.state == State.PENDING or is_waiting(command.result)


def delivered(command: Command, webhook: str, now: datetime) -> Command | None:
    """The CSMS has the command, by one of its webhooks; None when that was known."""
    if webhook in command.delivered_to:
        return None
    return command.changed(now, delivered_to=(*command.delivered_to, webhook))


# -- posting a result --------------------------------------------------------------------------------


def _first_post(command: Command) -> Post | None:
    """A result that is still to be posted; None at who sent the command, where it ends."""
    return None if command.direction == Direction.SENT else Post()


def is_waiting(outcome: Outcome | None) -> bool:
    """Tell whether a result is still to be posted."""
    return outcome is not None and outcome.post is not None and outcome.post.status == PostStatus.WAITING


def would_overtake(command: Command, outcome: Outcome) -> bool:
    """Tell whether posting an outcome would overtake the command's result, which comes first (CMD-15)."""
    return outcome is not command.result and is_waiting(command.result)


def held_for_s(outcome: Outcome, now: datetime) -> float:
    """For how many seconds another worker holds a result; 0 when none does."""
    not_before = outcome.post.not_before if outcome.post else ""
    return max((parse_datetime(not_before) - now).total_seconds(), 0.0) if not_before else 0.0


def taken(outcome: Outcome, now: datetime) -> Outcome:
    """A result that a worker begins to post."""
    assert outcome.post is not None
    held = {"tries": outcome.post.tries + 1, "not_before": format_datetime(now + _HELD)}
    return outcome.model_copy(update={"post": outcome.post.model_copy(update=held)})


def posted(outcome: Outcome) -> Outcome:
    """A result that has arrived."""
    return _with_post(outcome, PostStatus.SENT, "")


def not_posted(outcome: Outcome, reason: str, is_final: bool) -> Outcome:
    """A result that did not arrive: it is tried again, or given up."""
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
