"""Calls of a partner to one interface of a node, through the endpoint and into the store (moto)."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

from chalicelib.endpoint import absolute_path, serve
from chalicelib.node import Node
from chalicelib.partners.directory import Partner
from chalicelib.protocol.auth import write_authorization
from chalicelib.protocol.headers import write_routing
from chalicelib.protocol.json_text import read_json, write_json
from chalicelib.protocol.message import Party, Request, Routing
from chalicelib.routes import Interface, gather_by_path
from chalicelib.versions.supported import CANONICAL

CPO = Party("PT", "EDP")
OTHER_CPO = Party("NL", "TNM")
HUB = Party("PT", "HUB")
EMSP = Party("PT", "GLP")


class Answer:
    """The answer to a call. codes: the HTTP status and the OCPI status code."""

    def __init__(self, status: int, headers: dict[str, str], body: str) -> None:
        envelope = read_json(body)
        self.codes = (status, envelope["status_code"])
        self.headers = headers
        self.data = envelope.get("data")
        self.has_data = "data" in envelope
        self.message = envelope.get("status_message", "")


class PartnerApi:
    """One interface of a node, called by one of its partners."""

    def __init__(self, node: Node, interface: Interface, caller: Partner) -> None:
        self.node = node
        self.caller = caller
        self._interface = interface
        self._routes = gather_by_path(interface.routes)

    def call(
        self,
        method: str,
        *ids: str,
        document: object = None,
        body: str | None = None,
        query: str = "",
        to: Party | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Call the interface's URL followed by these ids.

        body: raw text instead of a document. to: the party in the OCPI-to headers.
        """
        path, routes = next((p, r) for p, r in self._routes if p.count("/") == len(ids))
        version = self.caller.version or CANONICAL
        names = [part.strip("{}") for part in path.split("/") if part]
        routing = write_routing(Routing(sender=self.caller.roles[0].party, receiver=to))
        request = Request(
            method=method,
            url="https://node.example" + absolute_path(self._interface, "").replace("{version}", version),
            base_url="https://node.example/ocpi",
            version=version,
            path=dict(zip(names, ids, strict=True)),
            query=dict(parse_qsl(query)),
            headers={
                "authorization": write_authorization(token_of(self.caller)),
                "content-type": "application/json",
                **{name.lower(): value for name, value in routing.items()},
                **(headers or {}),
            },
            body=body if document is None else write_json(document),
            request_id="r",
            correlation_id="c",
        )
        return Answer(*serve(self.node, self._interface, routes, request))

    def pages(self, query: str = "", to: Party | None = None) -> list[list[Any]]:
        """Return all pages of the list, by following the Link header."""
        pages = []
        while True:
            answer = self.call("GET", query=query, to=to)
            assert answer.codes == (200, 1000), answer.message
            pages.append(answer.data)
            if "Link" not in answer.headers:
                return pages
            query = urlsplit(answer.headers["Link"].split(">")[0].removeprefix("<")).query


def token_of(partner: Partner) -> str:
    """Return the credentials token of a partner in these tests."""
    return f"token-of-{partner.id}"
