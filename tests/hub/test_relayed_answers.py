"""Tests of the answers that a hub relays, and of its own codes when there is none.

Source: OCPI 2.2.1 transport_and_format_message_routing; RTE-28 … RTE-31, TRP-19
"""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.hub import relay
from chalicelib.hub.relayed_answers import message_with
from chalicelib.partners.directory import Endpoint
from chalicelib.versions.version import Loss
from tests.calls.answering import envelope
from tests.hub.relaying import Hub, answering


def test_an_answer_is_relayed_without_its_other_headers(hub: Hub) -> None:
    """Source: RTE-30, TRP-19"""
    counts = {"X-Total-Count": "7", "X-Limit": "3", "Set-Cookie": "x=1", "Server": "theirs"}
    sent = envelope([{"price": 0.25, "mobie_x": None}], 1001, status_message="hm")
    hub.there.answer = answering(sent, headers=counts)

    answer = hub.list_locations()

    assert answer.codes == (200, 1001)
    assert (answer.data, answer.message) == (sent["data"], "hm")
    assert (answer.headers["X-Total-Count"], answer.headers["X-Limit"]) == ("7", "3")
    assert not {"Set-Cookie", "Server", "Date", "Content-Length", "Link"} & set(answer.headers)


def test_an_answer_too_large_to_relay_is_a_4000(hub: Hub) -> None:
    hub.there.answer = answering(envelope(["ä" * 1_100_000]), headers={"X-Total-Count": "9"})

    answer = hub.list_locations()

    assert answer.codes == (200, 4000)
    assert "smaller limit" in answer.message
    assert "X-Total-Count" not in answer.headers


def test_http_201_is_relayed(hub: Hub) -> None:
    hub.there.answer = answering(http_status=201)

    answer = hub.put_tariff()

    assert answer.codes == (201, 1000)
    assert not answer.has_data


@pytest.mark.parametrize("body", [b"", b"OK", b"{}"])
def test_an_odd_success_is_relayed_if_no_data_is_needed(hub: Hub, body: bytes) -> None:
    hub.there.answer = answering(body)

    assert hub.put_tariff().codes == (200, 1000)
    assert hub.list_locations().codes == (200, 4000)


@pytest.mark.parametrize(
    ("http_status", "document", "codes"),
    [
        (200, envelope({"x": 1}, 2003, status_message="no"), (200, 2003)),
        (404, envelope(None, 2001), (404, 2001)),
        (400, envelope(None, 2001), (400, 2001)),
        (405, envelope(None, 2001), (405, 2001)),
        (200, envelope(None, 3000), (200, 3000)),
        (200, envelope(None, 4001), (200, 4001)),
        (401, envelope(None, 2001), (200, 4003)),
        (403, b"no", (200, 4003)),
        (500, envelope(None, 3000), (200, 4000)),
        (503, b"<html>", (200, 4000)),
        (200, b"<html>", (200, 4000)),
        (404, b"<html>", (200, 4000)),
        (302, b"", (200, 4000)),
    ],
)
def test_the_receiver_s_own_codes_are_relayed_and_other_failures_get_the_hub_s_codes(
    hub: Hub, http_status: int, document: Any, codes: tuple[int, int]
) -> None:
    """Source: RTE-28 … RTE-31"""
    hub.there.answer = answering(document, http_status)

    answer = hub.put_tariff()

    assert answer.codes == codes
    if codes == (200, 2003):
        assert (answer.data, answer.message) == ({"x": 1}, "no")


def test_a_receiver_that_asked_to_be_left_alone_is_not_called_and_the_sender_is_answered_at_once(
    hub: Hub,
) -> None:
    hub.there.answer = answering(http_status=503, headers={"Retry-After": "60"})

    first, second = hub.put_tariff(), hub.put_tariff()

    assert (first.codes, second.codes) == ((200, 4000), (200, 4000))
    assert "Retry-After" in second.message
    assert len(hub.there.received) == 1
    hub.there.answer = answering()
    assert hub.list_locations().codes[1] == 1000, "another receiver is not concerned"


def test_a_receiver_that_takes_too_long_is_a_4002(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Source: RTE-28"""
    monkeypatch.setattr(relay, "RELAY_S", 0.3)
    hub.there.answer = lambda handler, _: hub.there.stopped.wait(30) and None

    assert hub.put_tariff().codes == (200, 4002)


def test_a_receiver_without_an_open_port_is_a_4003(hub: Hub) -> None:
    """Source: RTE-29"""
    closed = Endpoint(identifier="tariffs", role="RECEIVER", url=hub.there.url(host="127.0.0.2"))
    hub.change(hub.emsp, endpoints=(closed,))

    assert hub.put_tariff().codes == (200, 4003)


def test_losses_that_quote_a_long_value_are_cut() -> None:
    losses = [Loss(f"/{'x' * 10_000}", "y" * 10_000)] * 100

    message = message_with("hello", "left out", losses)

    assert message is not None and message.startswith("hello; left out: /xxx")
    assert message.endswith(" and 95 more") and len(message) < 2_000
