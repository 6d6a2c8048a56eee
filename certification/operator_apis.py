"""Clients of the nodes' operator APIs: plain JSON under `/operator`.

They do what a person would do in an acceptance test (invite a partner, create a tariff, look at received
objects), with the operator's key and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from certification.nodes import Node
from certification.ocpi import Document, Party, next_link
from certification.refuted import Refuted
from certification.web import Answer, Web, below, with_query

CONNECTED = ("REGISTERED", "OFFLINE")


class OperatorApi:
    """The operator API of one node."""

    def __init__(self, web: Web, node: Node) -> None:
        self.node = node
        self.party = Party(node.country_code, node.party_id)
        self._web = web

    @property
    def name(self) -> str:
        """Name of this node in the evidence."""
        return {"CPO": "the CPO", "HUB": "the hub", "EMSP": "the eMSP"}[self.node.role]

    def call(self, method: str, path: str, body: object = None) -> Answer:
        """Send one request; `path` is below the operator's URL, its ids already encoded."""
        return self._call(method, f"{self.node.operator_url.rstrip('/')}{path}", body)

    def ask(
        self, method: str, path: str, body: object = None, status: Sequence[int] = (200, 201, 204)
    ) -> Any:
        """Send one request and read its JSON. Raises: Refuted when the HTTP status is not in `status`."""
        return self._read(self.call(method, path, body), status)

    def list_all(self, path: str) -> list[Document]:
        """Read a whole list, page by page."""
        items: list[Document] = []
        url: str | None = f"{self.node.operator_url.rstrip('/')}{path}"
        while url is not None:
            answer = self._call("GET", url)
            page = self._read(answer, (200,))
            if not isinstance(page, list):
                raise Refuted(f"{answer}: {self.name}'s operator API lists as a JSON array")
            items.extend(page)
            url = next_link(answer.headers.get("link", ""))
        return items

    def find(self, module: str, owner: Party, object_id: str, since: str | None = None) -> Document | None:
        """Find an object in the list of all objects of this node, of any owner.

        since: lower bound of the object's `last_updated`; it keeps the list short on a large network.
        """
        for item in self.list_all(with_query(f"/{module}", {"date_from": since} if since else {})):
            is_owned = owner.is_same(item.get("country_code"), item.get("party_id"))
            if is_owned and str(item.get("id")).upper() == object_id.upper():
                return item
        return None

    def own(self, module: str, *ids: str, query: Mapping[str, object] | None = None) -> Document | None:
        """Get one of the operator's own objects; None when the answer is 404."""
        answer = self.call("GET", with_query(path_of(module, *ids), query or {}))
        if answer.http_status == 404:
            return None
        found = self._read(answer, (200,))
        if not isinstance(found, dict):
            raise Refuted(f"{answer}: {self.name}'s operator API gives one object")
        return found

    def held(
        self, module: str, owner: Party, object_id: str, query: Mapping[str, object] | None = None
    ) -> Document | None:
        """Get one object of an owner; None when the answer is 404."""
        party = {"party": f"{owner.country_code}*{owner.party_id}"}
        return self.own(module, object_id, query={**(query or {}), **party})

    def partners(self) -> list[Document]:
        return self.list_all("/partners")

    def partner(self, partner_id: str) -> Document | None:
        """Return the partner with that id as the operator API shows it now."""
        return next((each for each in self.partners() if each.get("id") == partner_id), None)

    def partner_playing(self, role: str, party: Party) -> Document | None:
        """Return the connected partner that plays `role` for `party`; there is at most one (CRD-25)."""
        having = self.partners_having(role, party, among=("roles",))
        return next((partner for partner in having if partner.get("status") in CONNECTED), None)

    def partners_having(
        self, role: str, party: Party, among: Sequence[str] = ("roles", "reserved_roles")
    ) -> list[Document]:
        """Return the partners that play a role for a party, or for which it is reserved after they left."""
        return [
            partner
            for partner in self.partners()
            if any(
                entry.get("role") == role and party.is_same(entry.get("country_code"), entry.get("party_id"))
                for name in among
                for entry in partner.get(name) or []
            )
        ]

    def invite(self, name: str, settings: Mapping[str, object] | None = None) -> Document:
        """Invite a partner. Returns token A and our versions URL, to be given to it outside OCPI (CRD-01)."""
        return self._checked(
            self.ask("POST", "/partners/invitations", {"name": name, **(settings or {})}, (201,)),
            "id",
            "versions_url",
            "token",
        )

    def register(
        self, name: str, versions_url: str, token: str, settings: Mapping[str, object] | None = None
    ) -> Document:
        """Make this node register at a partner that gave it `token`."""
        body = {"name": name, "versions_url": versions_url, "token": token, **(settings or {})}
        return self._checked(self.ask("POST", "/partners/registrations", body, (201,)), "id", "status")

    def renew(self, partner_id: str) -> None:
        """Make this node PUT its credentials at the partner: new tokens, endpoints announced again."""
        self.ask("PUT", path_of("partners", partner_id, "credentials"), {})

    def forget(self, partner_id: str) -> None:
        """Make this node DELETE its credentials at the partner; it may have left already."""
        self.ask("DELETE", path_of("partners", partner_id), status=(200, 202, 204, 404, 409, 410))

    def _call(self, method: str, url: str, body: object = None) -> Answer:
        return self._web.send(method, url, {"Authorization": f"Bearer {self.node.operator_key}"}, body)

    def _read(self, answer: Answer, status: Sequence[int]) -> Any:
        if answer.http_status not in status:
            body = answer.body[:300].decode(errors="replace")
            raise Refuted(
                f"{answer}: {self.name}'s operator API answers {' or '.join(map(str, status))}, not {body}"
            )
        if not answer.body:
            return None
        try:
            return answer.json()
        except ValueError:
            raise Refuted(f"{answer}: {self.name}'s operator API answers JSON") from None

    def _checked(self, document: Any, *names: str) -> Document:
        if not isinstance(document, dict) or not all(isinstance(document.get(name), str) for name in names):
            raise Refuted(f"{self.name}'s operator API answers an object with {', '.join(names)}")
        return document


def path_of(*parts: str) -> str:
    """Write a path of the operator API.

    >>> path_of("locations", "LSB 1", "PT*1")
    '/locations/LSB%201/PT%2A1'
    """
    return below("", *parts)
