"""A crawl is compared with the expected objects: each fault of a list is found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from certification.crawling import check_pages
from certification.nodes import Nodes
from certification.ocpi import ListPage, Reply
from certification.refuted import Refuted
from certification.trial import Trial
from certification.web import Answer, Web

ITEMS = [{"country_code": "PT", "party_id": "ABC", "id": f"T{number}"} for number in range(3)]
WINDOW = {"date_from": "2026-01-01T00:00:00Z", "limit": 2}
LINK = "http://x?date_from=2026-01-01T00%3A00%3A00Z&limit=2&offset=2"


@pytest.fixture
def trial(some_nodes: Nodes) -> Iterator[Trial]:
    yield Trial(some_nodes, None, Web(), 0.1)


def page(items: list[dict[str, Any]], total: int = 3, next_url: str | None = None) -> ListPage:
    reply = Reply(Answer("GET", "http://x", 200, {}, b"", 0.0, 0.1), 1000, "", items)
    return ListPage(reply, items, total, 100, next_url)


def test_a_correct_crawl_is_accepted(trial: Trial) -> None:
    check_pages(trial, [page(ITEMS[:2], next_url=LINK), page(ITEMS[2:])], ITEMS, WINDOW)


@pytest.mark.parametrize(
    ("pages", "why"),
    [
        ([page(ITEMS[:2], next_url=LINK), page(ITEMS[2:], total=2)], "X-Total-Count is 3, not 2"),
        ([page(ITEMS[:2], next_url=LINK), page(ITEMS[1:])], "comes once"),
        ([page(ITEMS[:2], next_url=LINK), page([])], "missing T2"),
        ([page(ITEMS[:2], next_url=LINK), page([{**ITEMS[2], "id": "T9"}])], "too many T9"),
        (
            [page(ITEMS[:2], next_url=LINK), page([{**ITEMS[2], "price": 1}])],
            "as the operator API shows it",
        ),
        ([page(ITEMS)], "no more objects than the limit"),
        ([page(ITEMS[:2], next_url="http://x?limit=2&offset=2"), page(ITEMS[2:])], "Link keeps date_from"),
        ([page(ITEMS[:2], next_url=LINK.replace("http://x", "/x")), page(ITEMS[2:])], "absolute"),
        ([page(ITEMS[:2], next_url=LINK.replace("&offset=2", "")), page(ITEMS[2:])], "offset and limit"),
    ],
)
def test_each_fault_of_a_crawl_is_found(trial: Trial, pages: list[ListPage], why: str) -> None:
    """Source: OCPI 2.2.1 transport_and_format_paginated_response; PAG-06 to PAG-08"""
    with pytest.raises(Refuted, match=why):
        check_pages(trial, pages, ITEMS, WINDOW)
