"""Tests of Retry-After. Source: RFC 9110, section 10.2.3; STA-15"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.calls.answers import PartnerFault, RawAnswer, judge
from chalicelib.calls.client import OcpiClient
from chalicelib.calls.retry_after import LONGEST_S, read_retry_after
from chalicelib.calls.urls import UrlPolicy
from chalicelib.partners.breaker import Breaker
from chalicelib.partners.directory import Partner
from tests.calls.answering import AnsweringPartner, reply
from tests.calls.calling import Tokens, crawl, put

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


class Waits(Tokens):
    """A directory that records how long partners asked to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, float]] = []

    def note_retry_after(self, partner_id: str, now: datetime, seconds: float) -> None:
        self.asked.append((partner_id, seconds))


def a_client(directory: Any) -> OcpiClient:
    return OcpiClient(UrlPolicy(allow_loopback=True), directory, lambda: "id", clock=lambda: NOW)


def test_the_partner_s_wish_is_recorded_for_all_calls(server: AnsweringPartner, partner: Partner) -> None:
    server.answer = lambda handler, _: reply(handler, http_status=503, headers={"Retry-After": "30"})
    directory = Waits()
    client = a_client(directory)

    with pytest.raises(PartnerFault):
        put(client, partner)

    assert directory.asked == [("p1", 30)]


def test_the_wish_about_a_list_is_left_to_who_reads_it(server: AnsweringPartner, partner: Partner) -> None:
    """A limit of a partner's lists is not one of its pushes and commands."""
    server.answer = lambda handler, _: reply(handler, http_status=429, headers={"Retry-After": "600"})
    directory = Waits()

    with pytest.raises(PartnerFault) as caught:
        list(crawl(a_client(directory), partner))

    assert (caught.value.retry_after_s, directory.asked) == (600, [])


def test_a_partner_that_asked_to_wait_is_not_called(server: AnsweringPartner, partner: Partner) -> None:
    waiting = partner.model_copy(update={"breaker": Breaker().asked_to_wait(NOW, 30)})
    client = a_client(Waits())

    for call in (lambda: put(client, waiting), lambda: list(crawl(client, waiting))):
        with pytest.raises(PartnerFault, match="asked not to be called yet") as caught:
            call()
        assert caught.value.retry_after_s == 30

    assert server.received == []
    earlier = partner.model_copy(update={"breaker": Breaker().asked_to_wait(NOW - timedelta(seconds=31), 30)})
    assert put(client, earlier).status_code == 1000


def test_a_shorter_wish_does_not_end_a_longer_one() -> None:
    asked = Breaker().asked_to_wait(NOW, 100)

    assert asked.asked_to_wait(NOW, 5) is asked
    assert asked.asked_to_wait(NOW, 200).asked_wait_s(NOW) == 200
    assert asked.asked_to_wait(NOW, 86_400).asked_wait_s(NOW) == 900
