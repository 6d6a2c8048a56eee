"""The state machine of a command.

Source: OCPI 2.2.1 mod_commands_flow; CMD-05, CMD-15 … CMD-17
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.async_requests.objects import AsyncRequest, Direction, PostStatus, RequestState, Response
from chalicelib.async_requests.rules import (
    TRIES,
    AlreadyEnded,
    Taken,
    answered,
    expired,
    is_waiting,
    not_posted,
    posted,
    take,
    unanswered,
    with_result,
)
from chalicelib.async_requests.store import read_request
from chalicelib.modules.commands.kind import COMMAND

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(seconds=31)
ACCEPTED = Response(result="ACCEPTED", timeout=35)


def command(direction: Direction = Direction.RECEIVED, **fields: Any) -> AsyncRequest:
    made: dict[str, Any] = {
        "id": "c1",
        "command": "RESERVE_NOW",
        "direction": direction,
        "body": "{}",
        "digest": "d",
        "correlation_id": "x",
        "received": "2026-03-01T12:00:00Z",
        "deadline": "2026-03-01T12:00:30Z",
        "last_updated": "2026-03-01T12:00:00Z",
        "response": ACCEPTED,
        **fields,
    }
    return AsyncRequest(**made)


def with_(one: AsyncRequest, result: str, now: datetime = NOW) -> AsyncRequest:
    changed = with_result(COMMAND, one, result, f'{{"result":"{result}"}}', now)
    assert changed is not None
    return changed


def taken(one: AsyncRequest) -> AsyncRequest:
    """Return the request after a worker took its result."""
    request = take(one, "result", NOW, 1).request
    assert request is not None
    return request


@pytest.mark.parametrize("direction", [Direction.RECEIVED, Direction.RELAYED])
def test_a_result_completes_a_command_and_is_posted(direction: Direction) -> None:
    ended = with_(command(direction), "ACCEPTED")

    assert (ended.state, is_waiting(ended.result)) == (RequestState.COMPLETED, True)


def test_an_emsp_does_not_post_a_result() -> None:
    ended = with_(command(Direction.SENT), "ACCEPTED")

    assert (ended.state, is_waiting(ended.result)) == (RequestState.COMPLETED, False)


@pytest.mark.parametrize("timeout", [86_401, 10**12, 10**30])
def test_a_timeout_above_one_day_is_cut_to_one_day(timeout: int) -> None:
    """A partner may send any number: it causes no date error and no command that stays open for years."""
    waiting = answered(
        command(Direction.SENT, response=None),
        Response(result="ACCEPTED", timeout=timeout),
        NOW,
        timedelta(0),
    )

    assert (waiting.state, waiting.deadline) == (RequestState.PENDING, "2026-03-02T12:00:00Z")


def test_the_grace_is_added_to_the_timeout() -> None:
    waiting = answered(command(Direction.SENT, response=None), ACCEPTED, NOW, timedelta(seconds=10))

    assert waiting.deadline == "2026-03-01T12:00:45Z"


def test_the_same_result_changes_nothing_and_another_one_is_an_error() -> None:
    ended = with_(command(), "FAILED")

    assert with_result(COMMAND, ended, "FAILED", "{}", NOW) is None
    with pytest.raises(AlreadyEnded):
        with_result(COMMAND, ended, "ACCEPTED", "{}", NOW)


def test_a_command_ends_at_its_deadline_and_not_before() -> None:
    assert expired(COMMAND, command(), NOW) is None
    ended = expired(COMMAND, command(), LATER)
    assert ended is not None and ended.result is not None
    assert (ended.state, ended.result.result, is_waiting(ended.result)) == (
        RequestState.TIMED_OUT,
        "TIMEOUT",
        True,
    )
    assert expired(COMMAND, ended, LATER) is None
    assert expired(COMMAND, with_(command(), "ACCEPTED"), LATER) is None


def test_timeout_is_not_posted_to_a_sender_that_was_not_answered_accepted() -> None:
    """Source: CMD-05"""
    ended = expired(COMMAND, command(Direction.RELAYED, response=None), LATER)

    assert ended is not None and not is_waiting(ended.result)


def test_a_late_result_is_stored_and_not_posted() -> None:
    ended = expired(COMMAND, command(), LATER)
    assert ended is not None

    late = with_(ended, "ACCEPTED", LATER)

    assert late.late_result is not None and late.result is not None
    assert (late.state, late.late_result.result, late.late_result.post) == (
        RequestState.TIMED_OUT,
        "ACCEPTED",
        None,
    )
    assert late.result.result == "TIMEOUT"
    assert with_result(COMMAND, late, "ACCEPTED", "{}", LATER) is None


def test_a_reservation_may_be_cancelled_once_after_it_was_accepted() -> None:
    """Source: CMD-15"""
    cancelled = with_(with_(command(), "ACCEPTED"), "CANCELED_RESERVATION")

    assert cancelled.result is not None and cancelled.result.result == "ACCEPTED"
    assert is_waiting(cancelled.follow_up)
    assert with_result(COMMAND, cancelled, "CANCELED_RESERVATION", "{}", NOW) is None


def test_only_an_accepted_reservation_can_be_cancelled() -> None:
    with pytest.raises(AlreadyEnded):
        with_result(
            COMMAND, with_(command(command="START_SESSION"), "ACCEPTED"), "CANCELED_RESERVATION", "{}", NOW
        )
    with pytest.raises(AlreadyEnded):
        with_result(COMMAND, with_(command(), "FAILED"), "CANCELED_RESERVATION", "{}", NOW)


def test_an_answer_moves_the_deadline_and_a_refusal_ends_the_command() -> None:
    sent = command(Direction.SENT, response=None)

    accepted = answered(sent, ACCEPTED, NOW, timedelta(seconds=5))
    refused = answered(sent, Response(result="REJECTED"), NOW, timedelta(0))

    assert (accepted.state, accepted.deadline) == (RequestState.PENDING, "2026-03-01T12:00:40Z")
    assert refused.state == RequestState.REFUSED


def test_a_result_may_arrive_before_the_answer() -> None:
    ended = with_(command(Direction.SENT, response=None), "ACCEPTED")

    assert answered(ended, ACCEPTED, NOW, timedelta(0)).state == RequestState.COMPLETED
    assert unanswered(ended, "did not answer in time", NOW, is_over=True).state == RequestState.COMPLETED


def test_a_result_from_before_the_acceptance_is_posted_after_it() -> None:
    """The answer got lost and the command is sent again. Source: CMD-05, TRN-20"""
    unanswered_one = unanswered(
        command(Direction.RELAYED, response=None), "did not answer", NOW, is_over=True
    )
    known = with_(unanswered_one, "ACCEPTED")

    accepted = answered(known, ACCEPTED, NOW, timedelta(0))

    assert accepted.result is not None
    assert (accepted.state, accepted.result.result) == (RequestState.COMPLETED, "ACCEPTED")
    assert is_waiting(accepted.result) and accepted.late_result is None


def test_a_timeout_without_an_answer_is_undone_when_the_repeated_command_is_accepted() -> None:
    """The node died before its answer, and the deadline passed. Source: CMD-05"""
    ended = expired(COMMAND, command(Direction.RELAYED, response=None), LATER)
    assert ended is not None

    again = answered(ended, ACCEPTED, LATER, timedelta(0))
    with_late = answered(with_(ended, "FAILED", LATER), ACCEPTED, LATER, timedelta(0))
    refused = answered(ended, Response(result="REJECTED"), LATER, timedelta(0))

    assert (again.state, again.result, again.deadline) == (RequestState.PENDING, None, "2026-03-01T12:01:06Z")
    assert with_late.result is not None and with_late.result.result == "FAILED"
    assert is_waiting(with_late.result)
    assert (refused.state, refused.result) == (RequestState.REFUSED, None)


def test_a_timeout_after_the_answer_is_final() -> None:
    ended = expired(COMMAND, command(Direction.RELAYED), LATER)
    assert ended is not None

    assert answered(ended, ACCEPTED, LATER, timedelta(0)).result == ended.result


def test_a_result_of_a_refused_command_is_stored_and_not_posted() -> None:
    refused = unanswered(command(Direction.RELAYED, response=None), "did not answer", NOW, is_over=True)

    late = with_(refused, "ACCEPTED")

    assert (late.state, late.result) == (RequestState.REFUSED, None)
    assert late.late_result is not None and late.late_result.post is None


def test_one_worker_at_a_time_holds_a_result() -> None:
    held = taken(with_(command(), "ACCEPTED"))

    assert take(held, "result", NOW, 1) == Taken(None, 15)
    assert take(held, "result", NOW + timedelta(seconds=16), 1).request is not None
    assert take(not_posted(held, "result", NOW, "HTTP 500", is_final=False), "result", NOW, 1).request
    assert take(posted(held, "result", NOW), "result", NOW, 1) == Taken(None, 0)


def test_a_follow_up_waits_until_the_result_was_posted_or_given_up() -> None:
    """Source: CMD-15"""
    cancelled = with_(with_(command(), "ACCEPTED"), "CANCELED_RESERVATION")

    assert take(cancelled, "follow_up", NOW, 3) == Taken(None, 4)
    assert take(posted(cancelled, "result", NOW), "follow_up", NOW, 3).request is not None


def test_a_result_is_given_up_after_the_last_try_or_a_refusal() -> None:
    ended = with_(command(), "ACCEPTED")
    for _ in range(TRIES - 1):
        ended = not_posted(taken(ended), "result", NOW, "HTTP 500", is_final=False)
    assert is_waiting(ended.result)

    given_up = not_posted(taken(ended), "result", NOW, "HTTP 500", is_final=False).result

    assert given_up is not None and given_up.post is not None
    assert (given_up.post.status, given_up.post.tries, given_up.post.reason) == (
        PostStatus.GIVEN_UP,
        TRIES,
        "HTTP 500",
    )
    refused = not_posted(taken(ended), "result", NOW, "HTTP 404", is_final=True)
    assert not is_waiting(refused.result)


def test_a_stored_command_is_read_back_unchanged() -> None:
    one = with_(command(sender=("PT", "EVI")), "ACCEPTED")

    assert read_request(one.model_dump_json(exclude_defaults=True)) == one


def test_a_late_result_completes_a_request_at_the_node_that_sent_it() -> None:
    """Its operator sees what really happened, once; nothing is posted there."""
    ended = expired(COMMAND, command(direction=Direction.SENT), LATER)
    assert ended is not None and ended.state == RequestState.TIMED_OUT

    late = with_(ended, "ACCEPTED", LATER)

    assert late.result is not None and late.late_result is not None
    assert (late.state, late.result.result, late.result.post) == (RequestState.COMPLETED, "ACCEPTED", None)
    assert with_result(COMMAND, late, "ACCEPTED", "{}", LATER) is None
    with pytest.raises(AlreadyEnded):
        with_result(COMMAND, late, "FAILED", "{}", LATER)


def test_a_timeout_that_the_receiver_posted_is_replaced_by_its_result() -> None:
    timed_out = with_(command(direction=Direction.SENT), "TIMEOUT")

    assert with_(timed_out, "ACCEPTED").result == with_(command(direction=Direction.SENT), "ACCEPTED").result
