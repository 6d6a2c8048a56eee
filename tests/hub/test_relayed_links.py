"""Tests of the Link and Location headers that a hub relays.

Source: OCPI 2.2.1 transport_and_format, Paginated Response
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from chalicelib.hub.relayed_links import LINK
from chalicelib.modules.locations import sender as locations_sender
from chalicelib.modules.tariffs import receiver as tariffs_receiver
from tests.calls.answering import AnsweringPartner, Received, envelope, reply
from tests.harness.partner_api import CPO, EMSP, OTHER_CPO, Answer
from tests.hub.relaying import OTHER_EMSP, Hub, answering


def following(answer: Answer) -> str:
    """The query of the Link, which must be a URL of the hub."""
    link = answer.headers["Link"]
    assert link.startswith("<https://node.example/ocpi/2.2.1/sender/") and link.endswith('>; rel="next"')
    return urlsplit(link[1:].partition(">")[0]).query


def pages_behind(url: str) -> Callable[..., None]:
    """Answer a list of five objects, two on a page; its Links are this URL with the offset appended."""

    def answer(handler: Any, request: Received) -> None:
        start = int(request.path.rpartition("offset=")[2]) if "offset=" in request.path else 0
        found = [{"id": str(number)} for number in range(start, min(start + 2, 5))]
        link = {"Link": f'<{url}{start + 2}>; rel="next"'} if start + 2 < 5 else None
        reply(handler, envelope(found), headers=link)

    return answer


def test_a_link_is_rewritten_to_the_hub_with_a_readable_query(hub: Hub) -> None:
    """Source: RTE-34, PAG-06"""
    hub.there.answer = pages_behind(hub.there.url("/cpo/sender/locations/?date_from=x&limit=2&offset="))

    pages = hub.interface(locations_sender.INTERFACE).pages("limit=2&date_from=x", to=CPO)

    assert [found["id"] for page in pages for found in page] == ["0", "1", "2", "3", "4"]
    assert following(hub.list_locations()) == "date_from=x&limit=2&offset=2"


@pytest.mark.parametrize(
    "path",
    [
        "/elsewhere/p?offset=",
        "/cpo/sender/locations/next?offset=",
        "/cpo/sender/locations?a=1&a=2&offset=",
        "/cpo/sender/locations?x&offset=",
        "/cpo/sender/locations?x=%FF&offset=",
    ],
)
def test_a_link_with_another_path_is_rewritten_to_the_hub_as_well(hub: Hub, path: str) -> None:
    """Source: RTE-34"""
    hub.there.answer = pages_behind(hub.there.url(path))

    pages = hub.interface(locations_sender.INTERFACE).pages(to=CPO)

    assert [found["id"] for page in pages for found in page] == ["0", "1", "2", "3", "4"]
    assert [hop.path for hop in hub.there.received[1:]] == [f"{path}2", f"{path}4"]


def test_a_relative_link_is_resolved_against_the_receiver_s_url(hub: Hub) -> None:
    hub.there.answer = answering(envelope([]), headers={"Link": '<?offset=9>; rel="next"'})

    assert following(hub.list_locations()) == "offset=9"


def test_a_link_to_another_host_is_a_4000_because_the_list_would_end_unnoticed(hub: Hub) -> None:
    hub.there.answer = answering(envelope([]), headers={"Link": '<https://other.example/x>; rel="next"'})

    assert hub.list_locations().codes == (200, 4000)


def test_only_the_caller_that_got_a_link_can_follow_it_unchanged(hub: Hub) -> None:
    """Source: RTE-34, TRP-23"""
    another = hub.client("another", ("EMSP", OTHER_EMSP))
    hub.client("other", ("CPO", OTHER_CPO))
    hub.there.answer = pages_behind(hub.there.url("/elsewhere?offset="))
    query = following(hub.list_locations())
    assert query.startswith(f"{LINK}=")
    hub.there.received.clear()

    tampered = query[:-4] + ("AAAA" if not query.endswith("AAAA") else "BBBB")
    answers = [
        hub.list_locations(tampered),
        hub.list_locations(f"{LINK}=x"),
        hub.list_locations(f"{LINK}=%C3%A9"),
        hub.list_locations(query, to=OTHER_CPO),
        hub.interface(locations_sender.INTERFACE, another).call("GET", query=query, to=CPO),
    ]

    assert [answer.codes for answer in answers] == [(200, 2001)] * len(answers)
    assert hub.there.received == []
    assert hub.list_locations(query).codes == (200, 1000)


def test_a_location_header_is_rewritten_to_the_hub(hub: Hub) -> None:
    """Source: RTE-34"""
    hub.there.answer = answering(http_status=201, headers={"Location": "/made/T1"})
    location = hub.put_tariff().headers["Location"]

    hub.there.answer = answering(envelope({"id": "T1"}))
    looked = hub.interface(tariffs_receiver.INTERFACE).call(
        "GET", *CPO, "T1", query=urlsplit(location).query, to=EMSP
    )

    assert location.startswith("https://node.example/ocpi/2.2.1/receiver/tariffs")
    assert (hub.there.received[-1].path, looked.data) == ("/made/T1", {"id": "T1"})


def test_a_location_on_another_host_is_left_out(hub: Hub) -> None:
    hub.there.answer = answering(http_status=201, headers={"Location": "https://other.example/T1"})

    answer = hub.put_tariff()

    assert answer.codes == (201, 1000)
    assert "Location" not in answer.headers


def test_a_link_that_cannot_be_read_is_a_4000(hub: Hub) -> None:
    hub.there.answer = answering(envelope([]), headers={"Link": '<//[::1>; rel="next"'})

    assert hub.list_locations().codes == (200, 4000)


def test_a_location_that_cannot_be_read_is_left_out(hub: Hub) -> None:
    hub.there.answer = answering(http_status=201, headers={"Location": "//["})

    answer = hub.put_tariff()

    assert answer.codes == (201, 1000)
    assert "Location" not in answer.headers


def test_relays_are_counted_and_a_circle_ends(hub: Hub) -> None:
    hub.list_locations()
    hub.list_locations(headers={"x-relay-count": "2"})
    hub.list_locations(headers={"x-relay-count": "none"})
    sent = [hop.headers["x-relay-count"] for hop in hub.there.received]

    refused = hub.list_locations(headers={"x-relay-count": "4"})

    assert sent == ["1", "3", "1"]
    assert refused.codes == (200, 4000)
    assert "circle" in refused.message
    assert len(hub.there.received) == 3


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_link_parameter_is_ignored_except_with_get(hub: Hub, there: AnsweringPartner, method: str) -> None:
    """Only the page of a list is requested by it."""
    there.answer = answering(envelope(None))

    answer = hub.interface(tariffs_receiver.INTERFACE).call(
        method, *CPO, "T1", to=EMSP, document={} if method == "PUT" else None, query=f"{LINK}=elsewhere"
    )

    assert answer.codes == (200, 1000)
    assert there.received[-1].path.startswith("/emsp/receiver/tariffs/PT/EDP/T1?")
