"""The operator's side of a node under test: its plain JSON door, used as a person with curl would.

Not OCPI: a Bearer key, bare objects, RFC 9457 problems. It is how a story invites and registers a third
party, and how the node's own objects come to be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from tests.third_party.objects import Object, Party, tariff
from tests.third_party.wire import Answer, request, write_json


def plain(document: Mapping[str, Any]) -> Object:
    """As an operator writes it: the node fills in whose it is and when it changed."""
    return {
        name: value
        for name, value in document.items()
        if name not in ("country_code", "party_id", "last_updated")
    }


@dataclass(frozen=True)
class Node:
    """A running node: where the world calls it, and where its operator does."""

    role: str
    versions_url: str
    operator_url: str
    operator_key: str
    party: Party
    offered: set[str] = field(default_factory=set, compare=False)

    @classmethod
    def read(cls, role: str, description: Mapping[str, Any]) -> Node:
        """One entry of sandbox.json."""
        urls = (
            description["versions_url"],
            description["operator_url"].rstrip("/"),
            description["operator_key"],
        )
        return cls(role, *urls, Party(description["country_code"], description["party_id"]))

    def call(self, method: str, *segments: str, document: object = None, query: str = "") -> Answer:
        path = "/".join(quote(segment, safe="") for segment in segments)
        headers = {"Authorization": f"Bearer {self.operator_key}"}
        if document is not None:
            headers["Content-Type"] = "application/json"
        body = None if document is None else write_json(document)
        return request(method, f"{self.operator_url}/{path}{query}", headers, body)

    def ask(self, method: str, *segments: str, document: object = None, query: str = "") -> Any:
        """The answer's document. Raises: AssertionError when the door refuses."""
        answer = self.call(method, *segments, document=document, query=query)
        assert answer.http_status < 300, (method, segments, answer)
        return answer.document if answer.body else None

    # Partners

    def invite(self, name: str, **options: object) -> Object:
        """`{"versions_url", "token"}` for somebody who shall register with this node."""
        invitation: Object = self.ask("POST", "partners", "invitations", document={"name": name, **options})
        return invitation

    def register_with(self, name: str, versions_url: str, token: str, **options: object) -> Answer:
        """Have the node register with somebody."""
        document = {
            "name": name,
            "versions_url": versions_url,
            "token": token,
            **options,
        }
        return self.call("POST", "partners", "registrations", document=document)

    def partners(self) -> list[Object]:
        return self.all("partners")

    def partner(self, name: str) -> Object | None:
        return next((known for known in self.partners() if known["name"] == name), None)

    def status_of(self, name: str) -> str | None:
        known = self.partner(name)
        return str(known["status"]) if known else None

    # Objects

    def offer(self, tariff_id: str, **fields: object) -> tuple[str, str, str]:
        """Create or replace a tariff of the node's; returns its key as a partner sees it."""
        self.ask("PUT", "tariffs", tariff_id, document=plain(tariff(self.party, tariff_id, **fields)))
        self.offered.add(tariff_id)
        return (*self.party, tariff_id)

    def withdraw(self) -> None:
        """Delete every tariff that was offered."""
        while self.offered:
            self.call("DELETE", "tariffs", self.offered.pop())

    def all(self, *segments: str) -> list[Object]:
        """Every object of a list, page after page."""
        answer = self.call("GET", *segments)
        found: list[Object] = []
        while True:
            assert answer.http_status == 200, answer
            found += answer.document
            if answer.next_link is None:
                return found
            answer = request(
                "GET",
                answer.next_link,
                {"Authorization": f"Bearer {self.operator_key}"},
            )

    def broadcasts_to(self, partner_id: str) -> Object:
        """What is waiting for, delivered to and refused by one partner."""
        entries = self.ask("GET", "broadcasts")
        return next(
            (entry for entry in entries if partner_id in (entry.get("partner_id"), entry.get("id"))),
            {},
        )
