"""Concurrency limit for each partner, within one process."""

from __future__ import annotations

import threading

import pytest

from chalicelib.pushing.concurrency_limit import AT_ONCE, STUCK_S, CallLater, ConcurrencyLimit


class Seconds:
    """A monotonic clock that tests move."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def limit(seconds: Seconds) -> ConcurrencyLimit:
    return ConcurrencyLimit(seconds)


def test_few_pushes_to_a_partner_run_at_a_time(limit: ConcurrencyLimit) -> None:
    with limit.slot("one", "a", 0), limit.slot("one", "b", 0):
        with pytest.raises(CallLater), limit.slot("one", "c", 0):
            pass
        with limit.slot("two", "c", 0):
            pass
    assert AT_ONCE == 2


def test_no_push_waits_for_a_stuck_push(limit: ConcurrencyLimit, seconds: Seconds) -> None:
    with limit.slot("one", "a", 0), limit.slot("one", "b", 0):
        seconds.now += STUCK_S
        with pytest.raises(CallLater), limit.slot("one", "c", 1000):
            pass


class SeenWaiting(threading.Condition):
    """A condition that records its waiters, and ends a wait only by a notification."""

    def __init__(self) -> None:
        super().__init__()
        self.waited_for: list[float | None] = []
        self.waits = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        self.waited_for.append(timeout)
        self.waits.set()
        return super().wait(10)


def test_a_waiting_push_gets_a_slot_as_soon_as_another_push_ends(seconds: Seconds) -> None:
    """The clock is stopped and the wait is ten seconds, so only a notification can end it."""
    limit, changed = ConcurrencyLimit(seconds), SeenWaiting()
    vars(limit)["_changed"] = changed
    entered = threading.Event()

    def third() -> None:
        with limit.slot("one", "c", 1.5):
            entered.set()

    waiting = threading.Thread(target=third)
    with limit.slot("one", "a", 0):
        with limit.slot("one", "b", 0):
            waiting.start()
            assert changed.waits.wait(5)
            assert not entered.is_set()
        assert entered.wait(5)
    waiting.join(5)

    assert changed.waited_for == [1.5]


def test_a_waiting_push_is_sent_back_as_soon_as_the_partner_does_not_answer(seconds: Seconds) -> None:
    limit, changed = ConcurrencyLimit(seconds), SeenWaiting()
    vars(limit)["_changed"] = changed
    call_later = threading.Event()

    def third() -> None:
        with pytest.raises(CallLater), limit.slot("one", "c", 1.5):
            pass
        call_later.set()

    waiting = threading.Thread(target=third)
    with limit.slot("one", "a", 0), limit.slot("one", "b", 0):
        waiting.start()
        assert changed.waits.wait(5)
        limit.pause("one", "a", 30)
        assert call_later.wait(5)
    waiting.join(5)


def test_during_a_pause_only_the_object_that_got_no_answer_is_tried(
    limit: ConcurrencyLimit, seconds: Seconds
) -> None:
    limit.pause("one", "a", 5)

    with pytest.raises(CallLater) as call_later, limit.slot("one", "b", 0):
        pass
    assert call_later.value.seconds == 5
    with limit.slot("one", "a", 0), limit.slot("two", "b", 0):
        pass

    seconds.now += 5
    with limit.slot("one", "b", 0):
        pass


def test_an_answer_ends_the_pause_for_every_object(limit: ConcurrencyLimit) -> None:
    limit.pause("one", "a", 5)
    limit.resume("one")

    with limit.slot("one", "b", 0):
        pass


def test_a_fault_of_another_object_does_not_take_over_the_pause(limit: ConcurrencyLimit) -> None:
    """Otherwise two objects could block each other."""
    limit.pause("one", "a", 5)
    limit.pause("one", "b", 50)

    with limit.slot("one", "a", 0):
        pass


def test_a_slot_is_freed_also_when_the_push_fails(limit: ConcurrencyLimit) -> None:
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), limit.slot("one", "a", 0):
            raise ZeroDivisionError
