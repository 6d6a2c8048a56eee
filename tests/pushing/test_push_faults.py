"""Decisions about faults, without a table. Source: TRN-32, TRP-10"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.partners.breaker import Breaker
from chalicelib.pushing.deliveries import Delivery
from chalicelib.pushing.push_decisions import Seen
from chalicelib.pushing.push_faults import FaultRun, gives_up_object, retry_delay_s
from tests.pushing.pushing import partner

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
WINDOW = timedelta(seconds=60)


def run(lasts_s: float = 0, left_s: float = 0, is_last_try: bool = False) -> FaultRun:
    lasts, left = timedelta(seconds=lasts_s), timedelta(seconds=left_s)
    return FaultRun(Delivery(), is_recorded=False, is_last_try=is_last_try, lasts=lasts, left=left)


def seen(breaker: Breaker | None = None) -> Seen:
    receiver = partner("one").model_copy(update={"breaker": breaker})
    return Seen(partner=receiver, item=None, evse=None, delivery=Delivery())


@pytest.mark.parametrize(
    ("lasts_s", "left_s", "delay_s"), [(0, 60, 1), (7, 53, 8), (29.5, 30.5, 30), (57, 3, 3), (59.9, 0.1, 1)]
)
def test_a_retry_waits_as_long_as_the_fault_has_lasted(lasts_s: float, left_s: float, delay_s: int) -> None:
    assert retry_delay_s(run(lasts_s, left_s), WINDOW) == delay_s


def test_only_the_object_is_given_up_when_the_partner_took_another_one() -> None:
    assert gives_up_object(run(), seen(), NOW - WINDOW / 2, NOW, WINDOW)
    assert not gives_up_object(run(), seen(), NOW - WINDOW, NOW, WINDOW)
    assert not gives_up_object(run(), seen(), None, NOW, WINDOW)


def test_the_last_try_of_an_object_does_not_set_the_partner_offline() -> None:
    assert gives_up_object(run(is_last_try=True), seen(), None, NOW, WINDOW)


def test_a_partner_that_is_known_to_fail_becomes_offline() -> None:
    failing = Breaker().after_failure(NOW, WINDOW, "answered HTTP 500")

    assert not gives_up_object(run(is_last_try=True), seen(failing), NOW, NOW, WINDOW)
