"""Tests of Retry-After. Source: RFC 9110, section 10.2.3; STA-15"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.calls.answers import PartnerFault, RawAnswer, judge
from chalicelib.calls.retry_after import LONGEST_S, read_retry_after

NOW = datetime(2026, 11, 30, 12, 0, 0, tzinfo=UTC)
DATE = "Mon, 30 Nov 2026 12:02:00 GMT"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("120", 120), (" 7 ", 7), ("9" * 400, LONGEST_S), (DATE, 120)],
)
def test_seconds_and_dates_are_read(text: str, seconds: int) -> None:
    assert read_retry_after({"retry-after": text}, NOW) == seconds


def test_a_date_is_compared_with_the_clock_of_the_partner() -> None:
    headers = {"retry-after": DATE, "date": "Mon, 30 Nov 2026 12:01:30 GMT"}

    assert read_retry_after(headers, NOW) == 30


def test_a_date_in_the_past_is_no_wait() -> None:
    assert read_retry_after({"retry-after": DATE}, NOW + timedelta(days=1)) == 0


@pytest.mark.parametrize("text", ["", "soon", "-5", "1.5", "Mon, 99 Nov 2026 12:02:00 GMT", "٣", "\x00"])
def test_what_cannot_be_read_is_no_wait_at_all(text: str) -> None:
    assert read_retry_after({"retry-after": text}, NOW) is None


@pytest.mark.parametrize("status", [429, 503, 500, 408])
def test_a_fault_names_the_seconds_that_the_partner_asks_for(status: int) -> None:
    with pytest.raises(PartnerFault) as caught:
        judge(RawAnswer(status, {"retry-after": "30"}, b"", timedelta()))

    assert caught.value.retry_after_s == 30


def test_other_faults_name_none() -> None:
    with pytest.raises(PartnerFault) as caught:
        judge(RawAnswer(401, {"retry-after": "30"}, b"", timedelta()))

    assert caught.value.retry_after_s is None
