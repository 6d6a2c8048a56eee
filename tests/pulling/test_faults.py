"""Partners that fail, ask to be called later, are away, or answer nonsense.

Source: TRN-30, TRP-22; RFC 9110, Retry-After; docs/reliability.md
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.calls.pages import MAX_EMPTY_PAGES
from chalicelib.protocol.message import Party
from chalicelib.protocol.types import format_datetime
from chalicelib.pulling.objects import PullState
from chalicelib.pulling.steps import AWAY_S, MOST_TRIES
from tests.harness.nodes import START
from tests.pulling.world import EMSP, World, raw, raw_text, tokens

TOKENS = ("emsp", "tokens")
OTHER = Party("DE", "OTH")


@pytest.fixture
def world() -> World:
    """A CPO with an eMSP that has 50 tokens on five pages."""
    world = World("CPO")
    world.join("emsp", ("EMSP", EMSP))
    world.partners.objects[TOKENS] = tokens(50)
    world.partners.page = 10
    return world


def link(url: str) -> dict[str, str]:
    return {"Link": f'<{url}>; rel="next"'}


# -- later ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    "headers",
    [
        {"Retry-After": "2000"},
        {"Retry-After": "Sun, 01 Mar 2026 12:33:20 GMT", "Date": "Sun, 01 Mar 2026 12:00:00 GMT"},
    ],
    ids=["seconds", "date"],
)
def test_a_partner_that_asks_to_be_called_later_is(
    world: World, status: int, headers: dict[str, str]
) -> None:
    """A message waits for 900 seconds at most."""
    world.partners.answers[TOKENS] = [None, raw(None, headers, status)]
    world.start("emsp", full=True)
    world.work()

    pull = world.pull("emsp", "tokens")
    assert (pull.state, pull.waits, pull.retry_at) == (PullState.WAITING, 1, "2026-03-01T12:33:20Z")
    assert world.queue.delays == [900]
    world.settle()

    assert len(world.partners.asked) == 6
    assert (world.clock() - START).total_seconds() == pytest.approx(2000, abs=2)
    pull = world.pull("emsp", "tokens")
    assert (pull.state, pull.kept, pull.error, pull.retry_at) == (PullState.DONE, 50, None, None)


def test_a_second_request_joins_a_pull_that_waits_for_long(world: World) -> None:
    world.partners.answers[TOKENS] = [raw(None, {"Retry-After": "20000"}, 503)]
    world.start("emsp", full=True)
    world.work()
    world.clock.forward(hours=3)

    world.start("emsp", full=True)
    world.settle()

    assert len(world.partners.asked) == 6


BROKEN = {
    "HTTP 500": raw(None, http_status=500),
    "3000": raw(None, status_code=3000),
    "a web page": raw_text("<html>maintenance</html>"),
    "half of the JSON": raw_text('{"status_code": 1000, "data": [{"uid": "A"'),
    "no list": raw({"uid": "A"}),
    "nothing": raw_text(""),
    "401": raw(None, http_status=401),
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
def test_a_failed_page_is_asked_for_again_and_the_pull_goes_on(world: World, answer: Any) -> None:
    world.partners.answers[TOKENS] = [None, None, answer, answer]

    world.start("emsp", full=True)
    world.settle()

    offsets = [query.get("offset", "0") for query in world.partners.of(*TOKENS)]
    assert offsets == ["0", "10", "20", "20", "20", "30", "40"]
    assert (world.pull("emsp", "tokens").state, len(world.stored("tokens"))) == (PullState.DONE, 50)
    assert (world.clock() - START).total_seconds() >= 30 + 60


def test_a_partner_that_keeps_failing_is_left_alone_with_the_reason(world: World) -> None:
    world.partners.answers[TOKENS] = [BROKEN["HTTP 500"]] * 100

    world.start("emsp", full=True)
    world.settle()

    pull = world.pull("emsp", "tokens")
    assert len(world.partners.asked) == MOST_TRIES + 1
    assert (pull.state, pull.finished) == (PullState.FAILED, format_datetime(world.clock()))
    assert "500" in str(pull.error)
    assert (world.clock() - START).total_seconds() < 2 * 3600


def test_the_pull_after_a_failed_one_begins_where_the_last_good_one_did(world: World) -> None:
    world.start("emsp")
    world.settle()
    world.clock.forward(days=1)
    world.partners.answers[TOKENS] = [BROKEN["HTTP 500"]] * (MOST_TRIES + 1)
    world.start("emsp")
    world.settle()

    world.start("emsp")
    world.settle()

    assert world.partners.of(*TOKENS)[-1]["date_from"] == "2026-03-01T11:00:00Z"


def test_a_failing_partner_delays_no_other(world: World) -> None:
    world.join("other", ("EMSP", OTHER))
    world.partners.objects["other", "tokens"] = tokens(5, OTHER)
    world.partners.answers[TOKENS] = [BROKEN["HTTP 500"]] * 100
    world.start("emsp")
    world.start("other")

    world.work()

    assert world.pull("other", "tokens").state == PullState.DONE


def test_a_partner_that_is_offline_is_read_when_it_is_back(world: World) -> None:
    away = world.partner("emsp")
    away = world.node.directory.save(away.model_copy(update={"connection": "OFFLINE"}), away)
    world.start("emsp")
    for _ in range(5):
        world.work()
        world.clock.forward(AWAY_S)
    assert not world.partners.asked
    assert world.pull("emsp", "tokens").state == PullState.WAITING

    world.node.directory.save(away.model_copy(update={"connection": "CONNECTED"}), away)
    world.settle()

    assert len(world.stored("tokens")) == 50


def test_a_partner_that_leaves_is_not_read_any_more(world: World) -> None:
    world.start("emsp")
    partner = world.partner("emsp")
    world.node.directory.save(partner.model_copy(update={"status": "UNREGISTERED"}), partner)

    world.settle()

    assert not world.partners.asked
    assert world.pull("emsp", "tokens").state == PullState.FAILED


# -- refusals ------------------------------------------------------------------------------------------


def test_a_partner_that_refuses_the_limit_is_asked_without_it(world: World) -> None:
    world.partners.answers[TOKENS] = [raw(None, status_code=2001)]

    world.start("emsp", date_from="2026-01-01T00:00:00Z")
    world.settle()

    first, second, *_ = world.partners.of(*TOKENS)
    assert ("limit" in first, "limit" in second) == (True, False)
    assert second["date_from"] == first["date_from"]
    assert world.pull("emsp", "tokens").kept == 50


def test_what_a_partner_wrote_is_shown_to_the_operator_and_not_logged(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """A body may quote a driver's data."""
    secret = raw_text('{"status_code": 1000, "data": [{"uid": "CARD-4711"')
    world.partners.answers[TOKENS] = [secret] * (MOST_TRIES + 1)

    world.start("emsp")
    world.settle()

    assert "CARD-4711" in str(world.pull("emsp", "tokens").error)
    assert "a pull failed" in caplog.text
    assert not any("CARD-4711" in str(vars(record)) for record in caplog.records)


def test_a_refusal_ends_the_pull_with_the_partner_s_words(world: World) -> None:
    refusal = raw_text('{"status_code": 2001, "status_message": "no lists today"}')
    world.partners.answers[TOKENS] = [refusal, refusal]

    world.start("emsp")
    world.settle()

    pull = world.pull("emsp", "tokens")
    assert pull.state == PullState.FAILED
    assert "no lists today" in str(pull.error)
    assert len(world.partners.asked) == 2


# -- hostile lists -------------------------------------------------------------------------------------


def test_a_link_to_another_host_is_not_followed(world: World) -> None:
    world.partners.answers[TOKENS] = [raw(tokens(10), link("https://elsewhere.example/tokens"))] * 20

    world.start("emsp")
    world.settle()

    pull = world.pull("emsp", "tokens")
    assert (pull.state, pull.kept) == (PullState.FAILED, 10)
    assert "another host" in str(pull.error)


@pytest.mark.parametrize(
    ("headers", "state"),
    [({}, PullState.FAILED), ({"X-Total-Count": "50"}, PullState.FAILED), ({"X-Total-Count": "10"}, "DONE")],
)
def test_a_last_page_with_a_link_to_itself_is_stored(
    world: World, headers: dict[str, str], state: str
) -> None:
    """With a total that is reached, nothing is missing."""
    (first,) = world.start("emsp")
    assert first.crawl is not None
    world.partners.answers[TOKENS] = [raw(tokens(10), {**link(first.crawl.url), **headers})]

    world.settle()

    pull = world.pull("emsp", "tokens")
    assert (pull.state, pull.kept, len(world.stored("tokens"))) == (state, 10, 10)
    assert ("circle" in str(pull.error)) is (state == PullState.FAILED)
    assert (pull.finished is not None, pull.succeeded is not None) == (True, state == PullState.DONE)


def test_a_huge_page_is_read_and_noted_in_parts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.pulling.store._DIGESTS_PER_ITEM", 300)
    world.partners.answers[TOKENS] = [raw(tokens(1200))]

    world.start("emsp", full=True)
    world.settle()

    pull = world.pull("emsp", "tokens")
    assert (pull.state, pull.kept, pull.vanished) == (PullState.DONE, 1200, 0)
    assert not [key for key in world.dynamodb.items if key[0].startswith("pulled#")]


def test_links_in_a_circle_end_the_pull(world: World) -> None:
    pages = [
        raw(tokens(10, start=number), link(f"https://emsp.example/tokens?cursor={number % 7}"))
        for number in range(99)
    ]
    world.partners.answers[TOKENS] = list(pages)
    world.partners.seconds = 15.0

    world.start("emsp")
    world.settle()

    pull = world.pull("emsp", "tokens")
    assert (pull.state, len(world.partners.asked) < 25) == (PullState.FAILED, True)
    assert "circle" in str(pull.error)


def test_empty_pages_without_an_end_end_the_pull(world: World) -> None:
    urls = [f"https://emsp.example/tokens?cursor={number}" for number in range(99)]
    world.partners.answers[TOKENS] = [raw([], link(url)) for url in urls]
    world.partners.seconds = 15.0

    world.start("emsp")
    world.settle()

    assert len(world.partners.asked) == MAX_EMPTY_PAGES
    assert "do not come to an end" in str(world.pull("emsp", "tokens").error)


def test_objects_that_cannot_be_stored_stop_no_other(world: World) -> None:
    """Source: TRN-30"""
    good = tokens(4)
    bad: list[Any] = [
        None, 7, "token", [], {}, {"uid": 1}, tokens(1)[0] | {"uid": ".."}, tokens(1)[0] | {"uid": ""},
        tokens(1)[0] | {"party_id": {"a": 1}}, tokens(1)[0] | {"uid": "x" * 4000},
        tokens(1)[0] | {"party_id": "ZZZ"}, tokens(1)[0] | {"valid": []},
    ]  # fmt: skip
    mixed = [entry for pair in zip(bad, [good[0]] * len(bad), strict=True) for entry in pair] + good
    world.partners.answers[TOKENS] = [raw_text(_envelope(mixed))]

    world.start("emsp")
    world.settle()

    pull = world.pull("emsp", "tokens")
    assert (pull.state, pull.objects, pull.refused) == (PullState.DONE, len(mixed), len(bad))
    assert sorted(world.stored("tokens")) == [each["uid"] for each in good]


def _envelope(data: list[Any]) -> str:
    return json.dumps({"status_code": 1000, "timestamp": "2026-03-01T12:00:00Z", "data": data}, default=str)
