"""OCPI 2.2.1 as a calling partner: headers, envelope, version discovery, and the crawl of a list by `Link`.

This is written from the specification alone, not from the node's code, so that a mistake there is not
repeated here. In every scenario, every answer must follow the transport rules: it is an envelope and returns
both message ids.
Source: OCPI 2.2.1 transport_and_format, version_information_endpoint; TRN-02, TRN-03, TRN-13, TRN-16 to
TRN-19, PAG
"""

from __future__ import annotations

import base64
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from certification.refuted import Refuted
from certification.spoken import in_spoken_words, in_words_of_scenarios, spoken_version
from certification.web import Answer, Web, with_query

Document = dict[str, Any]
"""A JSON object: an OCPI object or a body."""
MOST_PAGES = 5000


class Party(NamedTuple):
    """A party as the routing headers name it."""

    country_code: str
    party_id: str

    def __str__(self) -> str:
        return f"{self.country_code}/{self.party_id}"

    def is_same(self, country_code: str | None, party_id: str | None) -> bool:
        """Compare as CiStrings (TYP-01)."""
        return (
            self.country_code.upper() == (country_code or "").upper()
            and self.party_id.upper() == (party_id or "").upper()
        )


@dataclass(frozen=True)
class Caller:
    """A party of the runner that calls a node: its token, the sender and the receiver.

    sender, receiver: None for the configuration modules, which carry no routing headers (RTE-03).
    """

    web: Web
    token: str
    sender: Party | None = None
    receiver: Party | None = None

    def call(self, method: str, url: str, body: object = None, request_id: str | None = None) -> Reply:
        """Send one OCPI request. Raises: Refuted when the answer breaks the transport rules."""
        sent_id = request_id or str(uuid.uuid4())
        headers = {
            "Authorization": authorization(self.token),
            "X-Request-ID": sent_id,
            "X-Correlation-ID": str(uuid.uuid4()),
            **routing_headers(self.sender, self.receiver),
        }
        answer = self.web.send(method, url, headers, in_spoken_words(body))
        reply = read_reply(answer)
        for name in ("X-Request-ID", "X-Correlation-ID"):
            if answer.headers.get(name.lower()) != headers[name]:
                raise Refuted(f"{answer}: gives back the request's {name}")
        if self.sender is not None and reply.http_status != 401:
            _check_swapped(answer, self.sender)
        return reply

    def crawl(self, url: str, query: Mapping[str, object]) -> list[ListPage]:
        """Read a whole list; each page's Link gives the next page (PAG-06, PAG-12).

        Raises: Refuted when a page is refused, lacks its headers, or the links lead in a circle.
        """
        pages: list[ListPage] = []
        next_url: str | None = with_query(url, query)
        seen: set[str] = set()
        while next_url is not None:
            if next_url in seen or len(pages) >= MOST_PAGES:
                raise Refuted(f"{next_url}: the next links of a crawl come to an end")
            seen.add(next_url)
            page = read_page(self.call("GET", next_url))
            pages.append(page)
            next_url = page.next_url
        return pages


@dataclass(frozen=True)
class Reply:
    """An answer in OCPI's envelope; `data` is None when it is absent."""

    answer: Answer
    status_code: int
    status_message: str
    data: object

    @property
    def http_status(self) -> int:
        return self.answer.http_status

    @property
    def is_success(self) -> bool:
        """Judge by the status code; HTTP 3xx and above is never a success (STA-15)."""
        return 1000 <= self.status_code < 2000 and self.http_status < 300

    def object(self) -> dict[str, object]:
        """Return `data` as an object. Raises: Refuted when it is not an object (TRN-14)."""
        if not isinstance(self.data, dict):
            raise Refuted(f"{self}: data is an object")
        return self.data

    def __str__(self) -> str:
        message = f" {self.status_message!r}" if self.status_message else ""
        return f"{self.answer}, status_code {self.status_code}{message}"


@dataclass(frozen=True)
class ListPage:
    """One page of a list, with the values of its headers."""

    reply: Reply
    items: Sequence[dict[str, object]]
    total: int
    limit: int
    next_url: str | None

    @property
    def url(self) -> str:
        return self.reply.answer.url


class Endpoint(NamedTuple):
    """One entry of a node's version details."""

    identifier: str
    role: str
    url: str


@dataclass(frozen=True)
class Details:
    """The interfaces that a node offers in the version of a run."""

    versions_url: str
    endpoints: tuple[Endpoint, ...]

    def url(self, identifier: str, role: str) -> str:
        """Return the endpoint's URL without a trailing slash. Raises: Refuted when it is not offered."""
        for endpoint in self.endpoints:
            if endpoint.identifier == identifier and (endpoint.role == role or identifier == "credentials"):
                return endpoint.url.rstrip("/")
        raise Refuted(f"{self.versions_url}: offers {identifier} {role}")


def authorization(token: str) -> str:
    """Write the Authorization header's value.

    >>> authorization("example-token")
    'Token ZXhhbXBsZS10b2tlbg=='

    Source: OCPI 2.2.1 transport_and_format_authorization_header; TRN-03
    """
    return f"Token {base64.b64encode(token.encode()).decode()}"


def routing_headers(sender: Party | None, receiver: Party | None) -> dict[str, str]:
    """Write the message routing headers. Source: OCPI 2.2.1 transport_and_format_message_routing; RTE-01"""
    headers = {}
    for name, party in (("from", sender), ("to", receiver)):
        if party is not None:
            headers[f"OCPI-{name}-country-code"] = party.country_code
            headers[f"OCPI-{name}-party-id"] = party.party_id
    return headers


def read_reply(answer: Answer) -> Reply:
    """Open an envelope. Raises: Refuted when the body is not an envelope (TRN-13, TRN-16)."""
    try:
        document = answer.json()
    except ValueError:
        raise Refuted(f"{answer}: the body is an OCPI envelope, not {answer.body[:80]!r}") from None
    if not isinstance(document, dict):
        raise Refuted(f"{answer}: the body is an OCPI envelope")
    status_code = document.get("status_code")
    if not isinstance(status_code, int) or not isinstance(document.get("timestamp"), str):
        raise Refuted(f"{answer}: the envelope has status_code and timestamp")
    data = in_words_of_scenarios(document.get("data"))
    return Reply(answer, status_code, str(document.get("status_message") or ""), data)


def read_page(reply: Reply) -> ListPage:
    """Read a page's list and headers. Raises: Refuted when a header is missing (PAG-10, TRN-14)."""
    if not reply.is_success:
        raise Refuted(f"{reply}: a list is answered with 1000")
    if not isinstance(reply.data, list) or not all(isinstance(item, dict) for item in reply.data):
        raise Refuted(f"{reply}: data is a list of objects")
    numbers = {}
    for name in ("X-Total-Count", "X-Limit"):
        text = reply.answer.headers.get(name.lower(), "")
        if not text.isdigit():
            raise Refuted(f"{reply}: {name} is a number, not {text!r}")
        numbers[name] = int(text)
    return ListPage(
        reply=reply,
        items=reply.data,
        total=numbers["X-Total-Count"],
        limit=numbers["X-Limit"],
        next_url=next_link(reply.answer.headers.get("link", "")),
    )


def next_link(header: str) -> str | None:
    """Read the URL of the next page from a Link header.

    >>> next_link('<https://example.com/tariffs?offset=2&limit=2>; rel="next"')
    'https://example.com/tariffs?offset=2&limit=2'
    >>> next_link("") is None
    True
    """
    found = re.search(r'<([^>]*)>\s*;[^,]*rel="?next"?', header)
    return found[1] if found else None


def discover(web: Web, versions_url: str, token: str, version: str = "") -> Details:
    """Read a platform's versions and its details of a version; of this run's by default.

    Raises: Refuted when it does not offer them.

    Source: OCPI 2.2.1 version_information_endpoint; VER-01, VER-02, VER-04
    """
    caller, version = Caller(web, token), version or spoken_version()
    versions = caller.call("GET", versions_url)
    if not versions.is_success or not isinstance(versions.data, list):
        raise Refuted(f"{versions}: the versions are a list")
    urls = [str(entry.get("url")) for entry in versions.data if entry.get("version") == version]
    if not urls:
        raise Refuted(f"{versions}: version {version} is listed")
    details = caller.call("GET", urls[0])
    entries = details.object().get("endpoints")
    if details.object().get("version") != version or not isinstance(entries, list):
        raise Refuted(f"{details}: the details of {version} have a list of endpoints")
    endpoints = tuple(Endpoint(*(str(entry.get(name)) for name in Endpoint._fields)) for entry in entries)
    credentials = [endpoint for endpoint in endpoints if endpoint.identifier == "credentials"]
    # Some software looks for RECEIVER, so both roles may be listed, with one URL.
    roles, urls_of_credentials = [each.role for each in credentials], {each.url for each in credentials}
    if roles.count("SENDER") != 1 or len(urls_of_credentials) != 1:
        raise Refuted(f"{details}: credentials is listed once as SENDER, and under one URL")
    return Details(versions_url, endpoints)


def _check_swapped(answer: Answer, sender: Party) -> None:
    """Check RTE-02: the answer is addressed to the party that sent the request."""
    headers = answer.headers
    if not sender.is_same(headers.get("ocpi-to-country-code"), headers.get("ocpi-to-party-id")):
        raise Refuted(f"{answer}: the answer is addressed (OCPI-to) to {sender}, who asked")
