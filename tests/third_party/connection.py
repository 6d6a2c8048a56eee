"""A third party's side of one OCPI connection: the peer's URLs, the two tokens, and calls to the peer.

All URLs come from the peer's version details.
Chapters: credentials_registration, version_information_endpoint, transport_and_format.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from tests.third_party.objects import Party
from tests.third_party.wire import Answer, authorization, request, write_json

if TYPE_CHECKING:
    from tests.third_party.partner import Partner

VERSION = "2.2.1"


class Unusable(AssertionError):
    """The peer's versions or details could not be used. Source: STA-12 (3001, 3002)."""

    def __init__(self, status_code: int, answer: object) -> None:
        super().__init__(f"{status_code}: {answer}")
        self.status_code = status_code


class Connection:
    """One peer. We call it with `outbound_token`; it can call us with the `inbound_tokens`."""

    def __init__(self, partner: Partner, versions_url: str, outbound_token: str) -> None:
        self.partner = partner
        self.versions_url = versions_url
        self.outbound_token = outbound_token
        self.inbound_tokens: set[str] = set()
        self.details_url = ""
        self.endpoints: dict[tuple[str, str], str] = {}
        self.roles: list[dict[str, Any]] = []

    @property
    def peer(self) -> Party:
        return Party(self.roles[0]["country_code"], self.roles[0]["party_id"])

    # Discovery and registration

    def discover(self) -> None:
        """GET versions, then the details of 2.2.1, with the outbound token. Raises: Unusable."""
        versions = self._usable(self.call("GET", self.versions_url))
        urls = [entry["url"] for entry in versions if entry["version"] == VERSION]
        if not urls:
            raise Unusable(3002, versions)
        self.details_url = urls[0]
        endpoints = self._usable(self.call("GET", self.details_url))["endpoints"]
        self.endpoints = {(entry["identifier"], entry["role"]): entry["url"] for entry in endpoints}

    @staticmethod
    def _usable(answer: Answer) -> Any:
        try:
            assert answer.codes == (200, 1000), answer
        except AssertionError as error:
            raise Unusable(3001, answer) from error
        return answer.data

    @property
    def credentials_url(self) -> str:
        return next(url for (identifier, _), url in self.endpoints.items() if identifier == "credentials")

    def credentials(self, method: str, document: object | None = None, **options: Any) -> Answer:
        return self.call(method, self.credentials_url, document, **options)

    def register(self, **changes: object) -> Answer:
        """POST our credentials; token B is valid before they are sent. Source: CRD-02, CRD-03, CRD-07."""
        return self._exchange("POST", changes)

    def rotate(self, **changes: object) -> Answer:
        """PUT new credentials; the old tokens stay valid until the answer comes. Source: CRD-12, CRD-22."""
        return self._exchange("PUT", changes)

    def _exchange(self, method: str, changes: Mapping[str, object]) -> Answer:
        before = set(self.inbound_tokens)
        document = self.partner.credentials(self.partner.new_token()) | dict(changes)
        self.inbound_tokens.add(str(document["token"]))
        self.partner.adopt(self)
        answer = self.credentials(method, document)
        if answer.http_status in (200, 201) and answer.status_code == 1000:
            self.inbound_tokens = {str(document["token"])}
            self.outbound_token = answer.data["token"]
            self.roles = answer.data["roles"]
        else:
            self.inbound_tokens = before
        return answer

    def unregister(self) -> Answer:
        answer = self.credentials("DELETE")
        if answer.status_code == 1000:
            self.inbound_tokens = set()
        return answer

    # Functional modules

    def owned(self, *ids: str) -> tuple[str, ...]:
        """The path of an own object: country_code, party_id, and its ids."""
        return (*self.partner.party, *ids)

    def url(self, module: str, interface: str, *segments: str) -> str:
        """The URL of an object: the endpoint, one slash, and the encoded segments. Source: TRP-21."""
        path = "/".join(quote(segment, safe="") for segment in segments)
        return self.endpoints[module, interface].rstrip("/") + (f"/{path}" if path else "")

    def push(
        self,
        method: str,
        module: str,
        segments: tuple[str, ...],
        document: object = None,
        **options: Any,
    ) -> Answer:
        return self.call(
            method,
            self.url(module, "RECEIVER", *segments),
            document,
            routed=True,
            **options,
        )

    def put(self, module: str, document: Mapping[str, Any], *children: str, **options: Any) -> Answer:
        """PUT an own object under its owner and id. children: the ids of an EVSE and a connector in it."""
        owner = (document["country_code"], document["party_id"], document["id"])
        return self.push("PUT", module, (*owner, *children), document, **options)

    def look(self, module: str, *segments: str, **options: Any) -> Answer:
        """GET an own object from the peer's RECEIVER interface."""
        return self.call("GET", self.url(module, "RECEIVER", *segments), routed=True, **options)

    def fetch(self, module: str, *segments: str, **options: Any) -> Answer:
        """GET one object from the peer's SENDER interface."""
        return self.call("GET", self.url(module, "SENDER", *segments), routed=True, **options)

    def page(self, module: str, query: Mapping[str, object] | None = None, **options: Any) -> Answer:
        url = self.url(module, "SENDER") + (f"?{urlencode(query)}" if query else "")
        return self.call("GET", url, routed=True, **options)

    def pages(self, module: str, query: Mapping[str, object] | None = None) -> Iterator[Answer]:
        """Get all pages of a list: follow the Link, unchanged, until there is none. Source: PAG-12."""
        answer = self.page(module, query)
        while True:
            assert answer.codes == (200, 1000), answer
            yield answer
            if answer.next_link is None:
                return
            answer = self.call("GET", answer.next_link, routed=True)

    def pull(self, module: str, **query: object) -> list[dict[str, Any]]:
        return [found for answer in self.pages(module, query) for found in answer.data]

    # One call

    def call(
        self,
        method: str,
        url: str,
        document: object = None,
        *,
        routed: bool = False,
        body: bytes | None = None,
        headers: Mapping[str, str | None] | None = None,
        timeout: float = 30,
    ) -> Answer:
        """Send a request with the headers that OCPI requires of a client.

        headers: replace the usual ones (None leaves one out).
        routed: for a functional module, with the four routing headers (RTE-01, RTE-03).
        Checks that every answer has both message ids (TRN-18, TRN-19).
        """
        content = body if body is not None else (None if document is None else write_json(document))
        sent: dict[str, str | None] = {
            "Authorization": authorization(self.outbound_token, raw=self.partner.raw_tokens),
            "X-Request-ID": str(uuid.uuid4()),
            "X-Correlation-ID": str(uuid.uuid4()),
        }
        if content is not None:
            sent["Content-Type"] = "application/json"
        if routed:
            sent |= routing(self.partner.party, self.peer if self.roles else None)
        sent |= headers or {}
        present = {name: value for name, value in sent.items() if value is not None}
        answer = request(method, url, present, content, timeout=timeout)
        for name in ("X-Request-ID", "X-Correlation-ID"):
            if name in present:
                assert answer.headers.get(name.lower()) == present[name], (
                    name,
                    present,
                    answer,
                )
        return answer


def routing(sender: Party | None, receiver: Party | None) -> dict[str, str | None]:
    """The four routing headers; None leaves out the pair of FROM or TO headers."""
    return {
        "OCPI-from-country-code": sender and sender.country_code,
        "OCPI-from-party-id": sender and sender.party_id,
        "OCPI-to-country-code": receiver and receiver.country_code,
        "OCPI-to-party-id": receiver and receiver.party_id,
    }
