"""The runner's OCPI client accepts answers that follow the specification, and refuses others."""

from __future__ import annotations

import json

import pytest

from certification.ocpi import Details, Endpoint, next_link, read_page, read_reply
from certification.refuted import Refuted
from certification.web import Answer


def answer(document: object, http_status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    return Answer("GET", "http://x", http_status, headers or {}, json.dumps(document).encode(), 0.0, 0.1)


def envelope(data: object, status_code: int = 1000) -> dict[str, object]:
    return {"status_code": status_code, "timestamp": "2026-01-01T00:00:00Z", "data": data}


def test_success_is_judged_by_the_status_code() -> None:
    """Source: OCPI 2.2.1 status_codes; STA-15"""
    assert read_reply(answer(envelope({}))).is_success
    assert not read_reply(answer(envelope({}, 2001))).is_success


@pytest.mark.parametrize(
    "document", ["text", {"status_code": "1000", "timestamp": "x"}, {"status_code": 1000}]
)
def test_an_answer_without_an_envelope_is_refuted(document: object) -> None:
    """Source: OCPI 2.2.1 transport_and_format_response_format; TRN-13"""
    with pytest.raises(Refuted, match="envelope"):
        read_reply(answer(document))


def test_a_page_needs_its_headers() -> None:
    """Source: OCPI 2.2.1 transport_and_format_paginated_response; PAG-10"""
    with pytest.raises(Refuted, match="X-Total-Count"):
        read_page(read_reply(answer(envelope([]), headers={"x-limit": "100"})))


def test_the_link_of_a_page_gives_the_next_page() -> None:
    headers = {"x-total-count": "3", "x-limit": "100", "link": '<http://x?offset=2>; rel="next"'}

    page = read_page(read_reply(answer(envelope([{"id": "1"}]), headers=headers)))

    assert (page.total, page.limit, page.next_url) == (3, 100, "http://x?offset=2")


def test_only_a_link_named_next_is_followed() -> None:
    assert next_link('<http://x/first>; rel="first", <http://x/next>; rel="next"') == "http://x/next"
    assert next_link('<http://x/first>; rel="first"') is None


def test_the_role_of_the_credentials_endpoint_is_ignored() -> None:
    """Source: OCPI 2.2.1 version_information_endpoint_endpoint_class; VER-05"""
    details = Details("http://x/versions", (Endpoint("credentials", "RECEIVER", "http://x/c/"),))

    assert details.url("credentials", "SENDER") == "http://x/c"
    with pytest.raises(Refuted, match="tariffs SENDER"):
        details.url("tariffs", "SENDER")
