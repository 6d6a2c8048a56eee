"""Tests of reading a partner's list to its end.

Source: OCPI 2.2.1 transport_and_format, Paginated Response; PAG-12, PAG-13
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from chalicelib.calls.client import PartnerFault
from chalicelib.partners.directory import Partner
from tests.calls.answering import AnsweringPartner, Received, answering_partner, envelope, reply
from tests.calls.calling import Answering, crawl, make_client


def pages(*answers: tuple[Any, dict[str, str]]) -> Answering:
    """Answer one page after another, for any URL."""
    following = iter(answers)

    def answer(handler: BaseHTTPRequestHandler, request: Received) -> None:
        data, headers = next(following)
        reply(handler, envelope(data), headers=headers)

    return answer


def link(url: str) -> dict[str, str]:
    return {"Link": f'<{url}>; rel="next"'}


def ids(objects: Iterator[dict[str, Any]]) -> list[Any]:
    return [found["id"] for found in objects]


def test_a_crawl_follows_links_unchanged(server: AnsweringPartner, partner: Partner) -> None:
    """Source: OCPI 2.2.1 transport_and_format, Paginated Response; PAG-12"""
    server.answer = pages(
        ([{"id": 1}, {"id": 2}], link(server.url("/other/path?cursor=a%2Fb+c&x=~"))),
        ([{"id": 3}], {"link": f"</third?cursor=z>; title=x; rel=next, <{server.url('/first')}>; rel=first"}),
        ([{"id": 4}], {"Link": f'<{server.url("/first")}>; rel="first"'}),
    )

    found = ids(crawl(make_client(), partner, date_from="2026-11-24T10:00:00Z", limit=2))

    assert found == [1, 2, 3, 4]
    assert [request.path for request in server.received] == [
        "/odd/sender/tariffs?date_from=2026-11-24T10%3A00%3A00Z&limit=2",
        "/other/path?cursor=a%2Fb+c&x=~",
        "/third?cursor=z",
    ]
    assert len({request.headers["x-request-id"] for request in server.received}) == 3


def test_a_link_to_another_host_is_not_followed(server: AnsweringPartner, partner: Partner) -> None:
    with answering_partner() as stranger:
        server.answer = pages(([{"id": 1}], link(stranger.url("/steal"))))
        objects = crawl(make_client(), partner)

        assert next(objects) == {"id": 1}
        with pytest.raises(PartnerFault, match="another host"):
            next(objects)

        assert stranger.received == []


@pytest.mark.parametrize("target", ["https://user@127.0.0.1/", "ftp://127.0.0.1/", "http://127.0.0.1:99999/"])
def test_a_link_that_is_no_plain_url_is_a_fault(
    server: AnsweringPartner, partner: Partner, target: str
) -> None:
    server.answer = pages(([{"id": 1}], link(target)))

    with pytest.raises(PartnerFault, match="gave a URL"):
        ids(crawl(make_client(), partner))


def test_a_dropped_total_makes_the_crawl_repeat_the_page_at_a_lower_offset(
    server: AnsweringPartner, partner: Partner
) -> None:
    """Source: OCPI 2.2.1 transport_and_format, Paginated Response NOTE; PAG-13"""
    stored = [{"id": number} for number in range(7)]

    def answer(handler: BaseHTTPRequestHandler, request: Received) -> None:
        offset = int(request.path.partition("offset=")[2] or 0)
        following = link(server.url(f"/list?limit=3&offset={offset + 3}")) if offset + 3 < len(stored) else {}
        reply(
            handler,
            envelope(stored[offset : offset + 3]),
            headers={"X-Total-Count": str(len(stored)), **following},
        )
        if offset == 0:
            # An object that was read already changes, so the date filter excludes it from now on.
            del stored[1]

    server.answer = answer

    found = ids(crawl(make_client(), partner))

    assert found == [0, 1, 2, 3, 4, 5, 6]
    assert [request.path.rpartition("=")[2] for request in server.received[1:]] == ["3", "2", "5"]


def test_a_dropped_total_with_an_opaque_link_does_not_stop_the_crawl(
    server: AnsweringPartner, partner: Partner
) -> None:
    server.answer = pages(
        ([{"id": 1}], {"X-Total-Count": "3", **link(server.url("/list?cursor=a"))}),
        ([{"id": 2}], {"X-Total-Count": "2"}),
    )

    assert ids(crawl(make_client(), partner)) == [1, 2]


def test_entries_are_given_as_they_came(server: AnsweringPartner, partner: Partner) -> None:
    """Source: OCPI 2.2.1 transport_and_format, GET; TRN-30"""
    entries = [{"id": 1}, "three", None, 4, [5]]
    server.answer = pages((entries, {}))

    assert list(crawl(make_client(), partner)) == entries


@pytest.mark.parametrize("data", [None, "", {}, []])
def test_an_empty_list_in_any_shape_is_empty(server: AnsweringPartner, partner: Partner, data: Any) -> None:
    server.answer = pages((data, {}))

    assert ids(crawl(make_client(), partner)) == []


def test_data_that_is_no_list_is_a_fault(server: AnsweringPartner, partner: Partner) -> None:
    server.answer = pages(({"id": 1}, {}))

    with pytest.raises(PartnerFault, match="no list"):
        ids(crawl(make_client(), partner))


def numbered(server: AnsweringPartner) -> bytes:
    """A page whose object is like that of no other."""
    return envelope([{"id": len(server.received)}])


def test_links_in_a_circle_end_the_crawl(server: AnsweringPartner, partner: Partner) -> None:
    server.answer = lambda handler, request: reply(
        handler, numbered(server), headers=link(server.url("/b" if request.path == "/a" else "/a"))
    )

    with pytest.raises(PartnerFault, match="circle"):
        ids(crawl(make_client(), partner))

    assert len(server.received) == 3


def test_a_long_circle_ends_the_crawl(server: AnsweringPartner, partner: Partner) -> None:
    """Only one URL is remembered, so the circle is followed a few times."""
    server.answer = lambda handler, request: reply(
        handler,
        numbered(server),
        headers=link(server.url(f"/list?cursor={len(server.received) % 30}")),
    )

    with pytest.raises(PartnerFault, match="circle"):
        ids(crawl(make_client(), partner))

    assert len(server.received) <= 3 * 30


def test_a_partner_that_ignores_the_offset_is_not_asked_for_ever(
    server: AnsweringPartner, partner: Partner
) -> None:
    """Every page is the first one, and its Link is a new one each time."""
    server.answer = lambda handler, request: reply(
        handler,
        envelope([{"id": 1}, {"id": 2}]),
        headers=link(server.url(f"/list?offset={2 * len(server.received)}")),
    )

    with pytest.raises(PartnerFault, match="circle"):
        ids(crawl(make_client(), partner))

    assert len(server.received) == 2


def test_the_objects_of_a_page_whose_link_is_its_own_url_are_read(
    server: AnsweringPartner, partner: Partner
) -> None:
    server.answer = lambda handler, request: reply(
        handler, envelope([{"id": 1}]), headers=link(server.url(request.path))
    )
    objects = crawl(make_client(), partner)

    assert next(objects) == {"id": 1}
    with pytest.raises(PartnerFault, match="circle"):
        next(objects)


def test_too_many_empty_pages_end_the_crawl(server: AnsweringPartner, partner: Partner) -> None:
    numbers = itertools.count()
    server.answer = lambda handler, request: reply(
        handler, envelope([]), headers=link(server.url(f"/list?cursor={next(numbers)}"))
    )

    with pytest.raises(PartnerFault, match="do not come to an end"):
        ids(crawl(make_client(), partner))


def test_a_total_that_keeps_dropping_ends_the_crawl(server: AnsweringPartner, partner: Partner) -> None:
    """Each answer has a lower total, so each page is requested again from a lower offset."""
    totals = itertools.count(1000, -1)
    server.answer = lambda handler, request: reply(
        handler,
        envelope([{"id": 1}]),
        headers={"X-Total-Count": str(next(totals)), **link(server.url("/list?offset=50"))},
    )

    with pytest.raises(PartnerFault):
        ids(crawl(make_client(), partner))

    assert len(server.received) < 100
