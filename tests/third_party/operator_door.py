"""A client of the operator API of a node under test.

The operator API is plain JSON: a Bearer key, objects without an envelope, RFC 9457 problems. Tests use it to
invite and register a third party, and to write the node's own objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from tests.third_party.objects import Object, Party, tariff
from tests.third_party.wire import Answer, request, write_json


def plain(document: Mapping[str, Any]) -> Object:
    """An object as an operator writes it, without owner and last_updated, which the node fills in."""
    return {
        name: value
        for name, value in document.items()
        if name not in ("country_code", "party_id", "last_updated")
    }


@dataclass(frozen=True)
class Node:
    """A running node: its OCPI URLs, and its operator API with a key."""

    role: str
    versions_url: str
    operator_url: str
    operator_key: str
    party: Party
    offered: set[str] = field(default_factory=set, compare=False)

    @classmethod
    def read(cls, role: str, description: Mapping[str, Any]) -> Node:
        """Read one entry of sandbox.json."""
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
        """Send a request that must succeed; returns its document. Raises: AssertionError on an error."""
        answer = self.call(method, *segments, document=document, query=query)
        assert answer.http_status < 300, (method, segments, answer)
        return answer.document if answer.body else None

    # Partners

    def invite(self, name: str, **options: object) -> Object:
        """Invite a partner; returns `{"versions_url", "token"}`, with which it registers at this node."""
        invitation: Object = self.ask("POST", "partners", "invitations", document={"name": name, **options})
        return invitation

    def register_with(self, name: str, versions_url: str, token: str, **options: object) -> Answer:
        """Have the node register at a partner."""
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
        """Create or replace a tariff of the node; returns its owner and id as a partner sees them."""
        self.ask("PUT", "tariffs", tariff_id, document=plain(tariff(self.party, tariff_id, **fields)))
        self.offered.add(tariff_id)
        return (*self.party, tariff_id)

    def withdraw(self) -> None:
        """Delete all tariffs that `offer` created."""
        while self.offered:
            self.call("DELETE", "tariffs", self.offered.pop())

    def all(self, *segments: str) -> list[Object]:
        """All objects of a list, read page by page."""
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
        """The pending, delivered and refused objects of one partner."""
        entries = self.ask("GET", "broadcasts")
        return next(
            (entry for entry in entries if partner_id in (entry.get("partner_id"), entry.get("id"))),
            {},
        )
