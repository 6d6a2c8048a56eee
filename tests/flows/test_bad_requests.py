"""Bad requests with a valid object: wrong paths, methods, tokens, routing headers and queries.

Chapters: transport_and_format, status_codes; STA-09, TRN-06 .. TRN-08, TRN-16, TRN-18, RTE-01, RTE-27,
PAG-14.
"""

from __future__ import annotations

import pytest

from chalicelib.protocol.json_text import Document
from tests.flows import wrong
from tests.flows.conftest import Guests
from tests.flows.stand import (
    Stand,
    at_every_node,
    at_receivers,
    at_senders,
    at_the_hub,
    of_each_module,
    table,
)
from tests.third_party.objects import LATER, tariff

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def routes(stand: Stand) -> dict[str, tuple[str, set[str]]]:
    """All paths of a node, with the methods that each offers."""
    line = stand.line
    paths = {
        "versions": (stand.node.versions_url, {"GET"}),
        "details": (line.details_url, {"GET"}),
        "credentials": (line.credentials_url, {"GET", "POST", "PUT", "DELETE"}),
    }
    if ("tariffs", "SENDER") in line.endpoints:
        paths["tariffs sender"] = (line.url("tariffs", "SENDER"), {"GET"})
        for level in range(4):
            ids = ("GOOD", "E1", "1")[:level]
            paths[f"locations sender {level}"] = (line.url("locations", "SENDER", *ids), {"GET"})
    if ("tariffs", "RECEIVER") in line.endpoints:
        paths["tariff"] = (
            line.url("tariffs", "RECEIVER", *stand.line.owned("GOOD")),
            {"GET", "PUT", "DELETE"},
        )
        for level in range(1, 4):
            url = line.url("locations", "RECEIVER", *stand.line.owned(*("GOOD", "E1", "1")[:level]))
            paths[f"location {level}"] = (url, {"GET", "PUT", "PATCH"})
    return paths


@at_every_node
def test_a_method_that_is_not_offered_is_a_405(stand: Stand, at: str) -> None:
    """Checks every path. Source: STA-09, CRD-16, TAR-01, TAR-03, LOC-10, TRN-16"""
    for name, (url, offered) in routes(stand).items():
        for method in METHODS:
            if method in offered:
                continue
            document: Document | None = {} if method in ("POST", "PUT", "PATCH") else None

            answer = stand.line.call(method, url, document)

            assert answer.codes == (405, 2001), (name, method, answer)
            stand.expect_discretion(answer)
    if stand.before:
        stand.expect_untouched("tariffs")
        stand.expect_untouched("locations")


@at_every_node
def test_a_request_without_a_token_is_answered_401(stand: Stand, at: str) -> None:
    """Checks every path and every method. Source: TRN-06, TRN-16"""
    expect_401(stand, None)


@at_the_hub
@table(wrong.AUTHORIZATIONS)
def test_a_request_with_an_unknown_token_is_answered_401(stand: Stand, at: str, row: str) -> None:
    """Checks every path and every method. Source: TRN-07, TRN-16"""
    expect_401(stand, row)


def expect_401(stand: Stand, authorization: str | None) -> None:
    for name, (url, offered) in routes(stand).items():
        for method in offered:
            document: Document | None = {} if method in ("POST", "PUT", "PATCH") else None

            answer = stand.line.call(method, url, document, headers={"Authorization": authorization})

            assert answer.codes == (401, 2001), (name, method, answer)
            stand.expect_discretion(answer)


@at_every_node
def test_token_a_is_not_valid_for_functional_modules(stand: Stand, at: str, guests: Guests) -> None:
    """Source: TRN-08"""
    line = guests.discover(guests.partner("CPO" if at == "emsp" else "EMSP"), stand.node)

    for name, (url, offered) in routes(stand).items():
        if name in ("versions", "details", "credentials"):
            continue
        for method in offered:
            document = tariff(stand.owner, "GOOD", last_updated=LATER) if method == "PUT" else None

            answer = line.call(method, url, document)

            assert answer.codes == (401, 2001), (name, method, answer)
    if stand.before:
        stand.expect_untouched("tariffs")


@at_every_node
def test_an_unknown_path_is_a_404(stand: Stand, at: str) -> None:
    """The answer has an envelope. Source: TRN-16, STA-03"""
    base = stand.node.versions_url.rstrip("/").rsplit("/", 1)[0]
    urls = [f"{base}/nonsense", f"{base}/2.0", f"{base}/2.2.1/nonsense", f"{base}/2.2.1/credentials/1"]
    urls += [f"{url.rstrip('/')}/a/b/c/d/e/f/g" for url in stand.line.endpoints.values()]

    for url in urls:
        answer = stand.line.call("GET", url)

        assert answer.http_status in (404, 405), (url, answer)
        assert 2000 <= answer.status_code < 3000, (url, answer)
        stand.expect_discretion(answer)


@at_receivers
@of_each_module
def test_an_unusual_id_in_the_url_causes_no_failure(stand: Stand, at: str, module: str) -> None:
    """Source: TYP-02, TYP-05"""
    for raw_id in wrong.RAW_IDS:
        url = stand.line.url(module, "RECEIVER", *stand.owner) + f"/{raw_id}"

        answer = stand.line.call("GET", url, routed=True)

        assert answer.http_status in (200, 400, 404, 414), (raw_id, answer)
        assert 2000 <= answer.status_code < 3000, (raw_id, answer)
        stand.expect_discretion(answer)


# Routing headers


@at_receivers
def test_an_incomplete_routing_header_is_refused(stand: Stand, at: str) -> None:
    """Source: RTE-01"""
    for headers in (
        {"OCPI-from-party-id": None},
        {"OCPI-to-country-code": None},
        {"OCPI-from-country-code": "PRT"},
        {"OCPI-to-party-id": "TOOLONG"},
    ):
        answer = stand.line.put("tariffs", tariff(stand.owner, "BAD"), headers=headers)

        stand.expect(answer, (200, 2001))
    stand.expect_untouched("tariffs", "BAD")


@at_the_hub
def test_an_unknown_receiver_is_a_4001(stand: Stand, at: str) -> None:
    """Source: RTE-27"""
    headers = {"OCPI-to-country-code": "XX", "OCPI-to-party-id": "ZZZ"}

    answer = stand.line.put("tariffs", tariff(stand.owner, "BAD"), headers=headers)

    stand.expect(answer, (200, 4001))
    stand.expect_untouched("tariffs", "BAD")


@pytest.mark.parametrize("at", ["cpo", "emsp"])
def test_only_a_hub_answers_with_routing_errors(stand: Stand, at: str) -> None:
    """Source: STA-14"""
    headers = {"OCPI-to-country-code": "XX", "OCPI-to-party-id": "ZZZ"}
    if at == "cpo":
        answer = stand.line.page("tariffs", headers=headers)
    else:
        answer = stand.line.put("tariffs", tariff(stand.owner, "GOOD"), headers=headers)

    assert answer.status_code < 4000
    stand.expect_discretion(answer)


@at_senders
@of_each_module
def test_an_invalid_query_is_refused(stand: Stand, at: str, module: str) -> None:
    """Source: PAG-14"""
    line = stand.lines[-1]

    for query in wrong.QUERIES:
        answer = line.call("GET", f"{line.url(module, 'SENDER')}?{query}", routed=True)

        assert answer.codes == (200, 2001), (query, answer)
        stand.expect_discretion(answer)


@at_senders
@of_each_module
def test_an_invented_cursor_causes_no_failure(stand: Stand, at: str, module: str) -> None:
    line = stand.lines[-1]

    for cursor in wrong.CURSORS:
        answer = line.call("GET", f"{line.url(module, 'SENDER')}?cursor={cursor}", routed=True)

        assert answer.codes in ((200, 2001), (200, 1000)), (cursor, answer)
        stand.expect_discretion(answer)
