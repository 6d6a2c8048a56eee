"""Failure record of a partner: the results of pushes. Source: TRN-32"""

from __future__ import annotations

import pytest

from chalicelib.errors import ServerError
from chalicelib.partners.breaker import Breaker
from chalicelib.partners.directory import Directory, Partner
from chalicelib.pushing.failure_record import (
    QUICK_S,
    TRIAL_S,
    begin_trial,
    breaker_of,
    note_answer,
    note_failure,
)
from tests.pushing.pushing import World


def breaker(world: World) -> Breaker:
    return breaker_of(world.partner("one"))


def test_of_several_simultaneous_failures_one_is_written(world: World) -> None:
    note_failure(world.node, "one", "did not answer in time")
    revision = world.partner("one").revision
    world.clock.forward(0.5)

    note_failure(world.node, "one", "answered 3000")

    assert world.partner("one").revision == revision
    assert breaker(world).reason == "did not answer in time"


def test_each_trial_that_fails_is_written(world: World) -> None:
    note_failure(world.node, "one", "did not answer in time")
    world.clock.forward(8)
    assert begin_trial(world.node, "one")

    note_failure(world.node, "one", "did not answer in time", is_trial=True)

    assert breaker(world).wait_s(world.clock()) == 9


def test_one_process_gets_the_trial(world: World) -> None:
    note_failure(world.node, "one", "did not answer in time")
    assert not begin_trial(world.node, "one")
    world.clock.forward(1)

    assert [begin_trial(world.node, "one") for _ in range(3)] == [True, False, False]

    world.clock.forward(TRIAL_S)
    assert begin_trial(world.node, "one"), "the worker of the last trial died"


def test_an_answer_ends_the_failing_state(world: World) -> None:
    note_failure(world.node, "one", "did not answer in time")

    note_answer(world.node, world.partner("one"), latency_s=0.1)

    assert (breaker(world).is_failing, breaker(world).is_slow(world.clock())) == (False, False)


def test_an_answer_of_a_working_partner_costs_no_call(world: World) -> None:
    one = world.partner("one")
    world.dynamodb.calls.clear()

    note_answer(world.node, one, latency_s=0.1)

    assert world.dynamodb.calls == []


def test_repeated_slow_answers_are_written_once_in_a_while(world: World) -> None:
    note_answer(world.node, world.partner("one"), latency_s=4)
    assert breaker(world).is_slow(world.clock())
    one = world.partner("one")
    world.clock.forward(60)

    note_answer(world.node, one, latency_s=4)
    assert world.partner("one").revision == one.revision
    world.clock.forward(900)
    note_answer(world.node, one, latency_s=4)

    assert world.partner("one").revision == one.revision + 1


def test_a_push_succeeds_even_if_its_answer_cannot_be_recorded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    note_failure(world.node, "one", "did not answer in time")
    one = world.partner("one")

    def fail(self: Directory, partner_id: str, change: object) -> Partner:
        raise ServerError("throttled")

    monkeypatch.setattr(Directory, "update", fail)

    note_answer(world.node, one, latency_s=0.1)


def test_a_partner_that_is_offline_is_not_written(world: World) -> None:
    world.node.directory.update("one", lambda one: one.model_copy(update={"connection": "OFFLINE"}))
    one = world.partner("one")

    note_failure(world.node, "one", "did not answer in time")
    note_answer(world.node, one, latency_s=9)

    assert world.partner("one") == one


@pytest.mark.parametrize(("latency_s", "is_slow"), [(QUICK_S, False), (QUICK_S + 0.1, True)])
def test_a_partner_that_takes_longer_than_the_limit_is_slow(
    world: World, latency_s: float, is_slow: bool
) -> None:
    note_answer(world.node, world.partner("one"), latency_s)

    assert breaker(world).is_slow(world.clock()) is is_slow


def test_a_slow_answer_of_a_failing_partner_ends_the_failing_state_and_counts_as_slow(world: World) -> None:
    note_failure(world.node, "one", "did not answer in time")

    note_answer(world.node, world.partner("one"), latency_s=4)

    assert (breaker(world).is_failing, breaker(world).is_slow(world.clock())) == (False, True)


def test_the_trial_of_a_working_partner_is_not_written(world: World) -> None:
    one = world.partner("one")

    assert begin_trial(world.node, "one")

    assert world.partner("one") == one


def test_an_answer_counts_only_while_the_partner_is_connected(world: World) -> None:
    note_failure(world.node, "one", "did not answer in time")
    as_read = world.partner("one")
    world.node.directory.update("one", lambda one: one.model_copy(update={"connection": "OFFLINE"}))

    note_answer(world.node, as_read, latency_s=0.1)

    assert breaker(world).is_failing
