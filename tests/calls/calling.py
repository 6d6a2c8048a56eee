"""Clients and partners for tests of the client, with one token."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

from chalicelib.calls.client import Exchange, OcpiClient, PartnerFault, join_url
from chalicelib.calls.pages import Crawl, read_page
from chalicelib.calls.urls import UrlPolicy
from chalicelib.partners.directory import Endpoint, Partner
from tests.calls.answering import AnsweringPartner, Received

TOKEN = "example-token"
TOKEN_HEADER = "Token ZXhhbXBsZS10b2tlbg=="

Answering = Callable[[BaseHTTPRequestHandler, Received], None]


class Tokens:
    """A directory with one token, which records the noted oddities of partners."""

    def __init__(self) -> None:
        self.noted: list[tuple[str, str]] = []

    def token_for(self, partner: Partner) -> str:
        return TOKEN

    def note_odd_answer(self, partner_id: str, oddity: str) -> bool:
        self.noted.append((partner_id, oddity))
        return True


def make_client(policy: UrlPolicy | None = None, **options: Any) -> OcpiClient:
    ids = itertools.count(1)
    directory: Any = Tokens()
    return OcpiClient(
        policy or UrlPolicy(allow_loopback=True), directory, lambda: f"id-{next(ids)}", **options
    )


def make_partner(*endpoints: Endpoint, **values: Any) -> Partner:
    known = {"id": "p1", "name": "Partner", "status": "REGISTERED", "last_updated": "2026-11-24T10:00:00Z"}
    return Partner.model_validate({**known, "endpoints": endpoints, **values})


def make_endpoint(url: str, identifier: str = "tariffs", role: str = "RECEIVER") -> Endpoint:
    return Endpoint(identifier=identifier, role=role, url=url)


def put(client: OcpiClient, partner: Partner, **options: Any) -> Any:
    return client.send(partner, "tariffs", "RECEIVER", ("PT", "ABC", "T1"), Exchange("PUT", **options))


def crawl(client: OcpiClient, partner: Partner, module: str = "tariffs", **query: str | int) -> Iterator[Any]:
    """Read a partner's list to its end."""
    following: Crawl | None = Crawl(url=join_url(str(partner.endpoint(module, "SENDER")), (), query))
    while following is not None:
        answer = client.follow(partner, module, "SENDER", following.url, Exchange("GET"))
        page = read_page(following, answer, module)
        following = page.following
        yield from page.objects
        if page.endless:
            raise PartnerFault(page.endless)


def drip(server: AnsweringPartner, start: bytes, drop: bytes) -> Answering:
    """Send `start`, then `drop` again and again, each well within any read timeout."""

    def answer(handler: BaseHTTPRequestHandler, request: Received) -> None:
        handler.wfile.write(start)
        while not server.stopped.wait(0.02):
            handler.wfile.write(drop)

    return answer
