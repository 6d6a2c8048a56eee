"""Circuit breaker: pauses before calls to a failing partner. Source: TRN-32, HCI-10"""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from pydantic import ValidationError

from chalicelib.partners.breaker import Breaker
from tests.harness.nodes import START

WINDOW = timedelta(seconds=60)


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_a_partner_that_never_failed_may_be_called() -> None:
    breaker = Breaker()

    assert not breaker.is_failing
    assert not breaker.is_slow(START)
    assert breaker.wait_s(START) == 0


def test_the_pauses_between_trials_grow_and_end_with_the_window() -> None:
    breaker, now, pauses = Breaker(), START, []
    for _ in range(7):
        breaker = breaker.after_failure(now, WINDOW, "answered 3000")
        pauses.append(breaker.wait_s(now))
        now += timedelta(seconds=pauses[-1])

    assert pauses == [1, 2, 4, 8, 16, 29, 1]
    assert breaker.failed_for(now) == timedelta(seconds=61)
    assert breaker.reason == "answered 3000"


def test_during_a_trial_no_other_push_may_start() -> None:
    breaker = Breaker().after_failure(START, WINDOW, "").begin_trial(after(1), timedelta(seconds=10))

    assert breaker.wait_s(after(5)) == 6
    assert breaker.wait_s(after(11)) == 0


def test_a_success_ends_the_failing_state() -> None:
    breaker = Breaker().after_failure(START, WINDOW, "").after_success(after(5), is_slow=False)

    assert (breaker.is_failing, breaker.wait_s(after(5)), breaker.is_slow(after(5))) == (False, 0, False)


def test_a_partner_that_answered_slowly_counts_as_slow_for_a_while() -> None:
    breaker = Breaker().after_success(START, is_slow=True)

    assert breaker.is_slow(after(29 * 60))
    assert not breaker.is_slow(after(31 * 60))
    assert breaker.after_success(after(5), is_slow=False).is_slow(after(29 * 60))


def test_the_first_outage_is_probed_by_the_next_run_of_the_timer() -> None:
    breaker = Breaker().open(START, WINDOW, "did not answer in time", None)

    assert (breaker.opened, breaker.wait_s(START)) == (1, 0)


def test_each_outage_soon_after_a_return_has_a_longer_pause_up_to_an_hour() -> None:
    breaker, minutes = Breaker(), []
    for _ in range(9):
        breaker = breaker.open(START, WINDOW, "", None)
        minutes.append(breaker.wait_s(START) / 60)
        breaker = breaker.close(START)
        assert breaker.wait_s(START) == 0

    assert minutes == [0, 2, 4, 8, 16, 32, 60, 60, 60]


@pytest.mark.parametrize(("taken_at_minute", "opened"), [(None, 3), (9, 3), (10, 1), (500, 1)])
def test_the_count_restarts_when_pushes_have_succeeded_for_a_while(
    taken_at_minute: int | None, opened: int
) -> None:
    """A quiet time without pushes is not enough."""
    returned = Breaker(opened=2).close(START)
    taken_at = None if taken_at_minute is None else after(60 * taken_at_minute)

    assert returned.open(after(60 * 600), WINDOW, "", taken_at).opened == opened


def test_a_probe_that_fails_counts_as_an_outage() -> None:
    breaker = Breaker(opened=1).after_failed_probe(START, WINDOW, "answered 3000")

    assert (breaker.opened, breaker.wait_s(START), breaker.reason) == (2, 120, "answered 3000")


@pytest.mark.parametrize(
    ("window_s", "pauses"),
    [
        (20, [1, 2, 4, 8, 5, 1]),
        (60, [1, 2, 4, 8, 16, 29, 1]),
        (600, [1, 2, 4, 8, 16, 32, 64, 128, 256, 89, 1]),
    ],
)
def test_pauses_are_at_most_half_a_long_window_and_never_past_its_end(
    window_s: int, pauses: list[int]
) -> None:
    breaker, now, found = Breaker(), START, []
    for _ in pauses:
        breaker = breaker.after_failure(now, timedelta(seconds=window_s), "")
        found.append(breaker.wait_s(now))
        now += timedelta(seconds=found[-1])

    assert found == pauses


def test_a_pause_is_at_most_half_a_window() -> None:
    failing = Breaker(failing_since="2026-03-01T11:00:00Z")

    assert failing.after_failure(START, timedelta(hours=3), "").wait_s(START) == 3601
    assert failing.after_failure(START, timedelta(minutes=100), "").wait_s(START) == 40 * 60


def test_a_partner_is_slow_after_a_slow_answer_or_a_failure_only() -> None:
    slow = Breaker(slow_until="2026-03-01T12:00:10Z")

    assert slow.is_slow(after(9)) and not slow.is_slow(after(10))
    assert Breaker().after_failure(START, WINDOW, "").is_slow(after(9999))
    assert Breaker().failed_for(START) == timedelta()


def test_the_error_of_an_unreadable_entry_does_not_quote_it() -> None:
    with pytest.raises(ValidationError) as caught:
        Breaker.model_validate({"opened": "PRIVATE"})

    assert "PRIVATE" not in str(caught.value)
