"""One party that the runner plays: the modules it offers, its answers to nodes, and its registration at them.

It is both sides of the credentials module. As the calling side it sends POST, PUT and DELETE. As the called
side it answers them, fetches the node's version details first, and gives out new tokens. Its token for the
node is valid before it is sent, because the node calls back with it while the request is still open.

As an eMSP it answers authorizations as the scenario has set, and takes results of commands.
Source: OCPI 2.2.1 credentials, version_information_endpoint; CRD-02 to CRD-05, CRD-11 to CRD-14, VER-07,
TOK-11 to TOK-14, CMD-06
"""

from __future__ import annotations

import base64
import binascii
import secrets
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from certification.copies import Copies, Outcome
from certification.ocpi import Caller, Details, Party, Reply, discover, routing_headers
from certification.refuted import Refuted
from certification.spoken import in_spoken_words, in_words_of_scenarios, spoken_version
from certification.web import Unreachable, Web, below


@dataclass
class Received:
    """One request that reached a probe; `segments` is its path below the party's own URL, decoded."""

    method: str
    segments: tuple[str, ...]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    at: float = field(default_factory=time.monotonic)
    http_status: int = 0
    status_code: int = 0

    @property
    def token(self) -> str:
        """Token of the Authorization header before Base64; "" when there is none (TRN-03)."""
        scheme, _, encoded = self.headers.get("authorization", "").partition(" ")
        try:
            return base64.b64decode(encoded, validate=True).decode() if scheme == "Token" else ""
        except (binascii.Error, UnicodeDecodeError):
            return ""

    def party(self, which: str) -> Party:
        """Party in the routing headers; `which` is "from" or "to"."""
        headers = self.headers
        return Party(headers.get(f"ocpi-{which}-country-code", ""), headers.get(f"ocpi-{which}-party-id", ""))


@dataclass(frozen=True)
class ProbeReply:
    """A probe's answer."""

    http_status: int
    status_code: int
    data: object = None
    headers: dict[str, str] = field(default_factory=dict)

    def envelope(self) -> dict[str, object]:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        data = {} if self.data is None else {"data": in_spoken_words(self.data)}
        return {"status_code": self.status_code, "timestamp": now, **data}


class ProbePartner:
    """A party of the runner.

    failing: the requests that shall fail: "versions", "details". decisions: answers to authorizations, by uid
    and type of the token.
    """

    def __init__(
        self,
        web: Web,
        url: str,
        name: str,
        role: str,
        country_code: str,
        party_id: str,
        modules: Iterable[tuple[str, str]],
    ) -> None:
        self.url = url
        self.name = name
        self.role = role
        self.party = Party(country_code, party_id)
        self.business_details: dict[str, object] = {"name": name}
        self.modules = set(modules)
        self.failing: set[str] = set()
        self.copies = Copies()
        self.decisions: dict[tuple[str, str], ProbeReply] = {}
        self.received: list[Received] = []
        self.accepted: list[str] = []  # tokens that nodes may call us with
        self.token: str | None = None  # our token at the node, None when not registered
        self.details: Details | None = None
        self._web = web
        self._lock = threading.Lock()

    @property
    def versions_url(self) -> str:
        return f"{self.url}/versions"

    # The calling side

    def post_credentials(self, details: Details, token_a: str) -> Reply:
        """Register at a node that gave us `token_a`; on success its token for us is `self.token`."""
        return self._send_credentials("POST", details, token_a)

    def put_credentials(self) -> Reply:
        """Send a new token for the node, with our present endpoints and business details."""
        return self._send_credentials("PUT", self.registered_details(), self.registered_token())

    def delete_credentials(self) -> Reply:
        """Leave the node. Its token for us is removed only when it agreed."""
        url = self.registered_details().url("credentials", "SENDER")
        reply = Caller(self._web, self.registered_token()).call("DELETE", url)
        if reply.is_success:
            self.token, self.accepted = None, []
        return reply

    def caller(self, receiver: Party | None = None) -> Caller:
        """Return this party's client for functional modules; without `receiver`, for configuration ones."""
        sender = None if receiver is None else self.party
        return Caller(self._web, self.registered_token(), sender, receiver)

    def registered_token(self) -> str:
        if self.token is None:
            raise Refuted(f"{self.name} is registered")
        return self.token

    def registered_details(self) -> Details:
        if self.details is None:
            raise Refuted(f"{self.name} knows the node's version details")
        return self.details

    def _send_credentials(self, method: str, details: Details, token: str) -> Reply:
        ours = secrets.token_urlsafe(24)
        self.accepted.append(ours)
        reply = Caller(self._web, token).call(
            method, details.url("credentials", "SENDER"), self._credentials(ours)
        )
        if reply.is_success:
            self.token, self.details, self.accepted = str(reply.object().get("token")), details, [ours]
        else:
            self.accepted.remove(ours)
        return reply

    # The called side

    def invite(self) -> str:
        """Return a token A, with which a node may register here."""
        token = secrets.token_urlsafe(24)
        self.accepted.append(token)
        return token

    def answer(self, received: Received) -> ProbeReply:
        """Answer a node's request and record both."""
        try:
            received.body = in_words_of_scenarios(received.body)
            reply = self._answer(received)
        except Refuted:
            reply = ProbeReply(400, 2001)
        received.http_status, received.status_code = reply.http_status, reply.status_code
        with self._lock:
            self.received.append(received)
        return reply

    def received_since(self, moment: float, *start: str) -> list[Received]:
        """Return the requests after `moment` (monotonic) whose path begins with `start`, oldest first."""
        with self._lock:
            return [
                each for each in self.received if each.at >= moment and each.segments[: len(start)] == start
            ]

    def _answer(self, received: Received) -> ProbeReply:
        if received.token not in self.accepted:
            return ProbeReply(401, 2001)
        match received.segments:
            case ("versions" | "details" as path,) if received.method == "GET":
                if path in self.failing:
                    return ProbeReply(500, 3000)
                return ProbeReply(200, 1000, self._versions() if path == "versions" else self._details())
            case ("credentials",):
                return self._answer_credentials(received)
            case ("sender", module) if received.method == "GET" and (module, "SENDER") in self.modules:
                return ProbeReply(
                    200, 1000, [], {"X-Total-Count": "0", "X-Limit": "100", **_swapped(received)}
                )
            case ("sender", "tokens", uid, "authorize") if received.method == "POST":
                return self._decide(uid, received)
            case ("sender", "commands", *_) if received.method == "POST":
                return ProbeReply(200, 1000, headers=_swapped(received))
            case ("receiver", module, *ids) if (module, "RECEIVER") in self.modules:
                outcome = self.copies.answer(
                    received.method, module, ids, received.body, received.query.get("type")
                )
                headers = _swapped(received) | self._location(received, outcome)
                return ProbeReply(outcome.http_status, outcome.status_code, outcome.data, headers)
        return ProbeReply(404, 2001, headers=_swapped(received))

    def _location(self, received: Received, outcome: Outcome) -> dict[str, str]:
        """Header with the URL of a posted CDR (CDR-03)."""
        if received.method != "POST" or outcome.http_status != 201:
            return {}
        ids = (str(received.body[name]) for name in ("country_code", "party_id", "id"))
        return {"Location": below(f"{self.url}/receiver/cdrs", *ids)}

    def _decide(self, uid: str, received: Received) -> ProbeReply:
        """Answer whether a token may be used; a token without a set answer is unknown (TOK-14)."""
        decision = self.decisions.get((uid, received.query.get("type", "RFID")), ProbeReply(404, 2004))
        return replace(decision, headers=_swapped(received))

    def _answer_credentials(self, received: Received) -> ProbeReply:
        if received.method == "GET":
            return ProbeReply(200, 1000, self._credentials(received.token))
        if (self.token is None) != (received.method == "POST"):
            return ProbeReply(405, 2001)
        if received.method == "DELETE":
            self.token, self.accepted = None, []
            return ProbeReply(200, 1000)
        if received.method not in ("POST", "PUT") or not isinstance(received.body, dict):
            return ProbeReply(405, 2001)
        token = str(received.body.get("token"))
        try:
            self.details = discover(self._web, str(received.body.get("url")), token)
        except (Refuted, Unreachable):
            return ProbeReply(200, 3001)
        ours = secrets.token_urlsafe(24)
        self.token, self.accepted = token, [ours]
        return ProbeReply(200, 1000, self._credentials(ours))

    def _credentials(self, token: str) -> dict[str, object]:
        role = {
            "role": self.role,
            "country_code": self.party.country_code,
            "party_id": self.party.party_id,
            "business_details": dict(self.business_details),
        }
        return {"token": token, "url": self.versions_url, "roles": [role]}

    def _versions(self) -> list[dict[str, str]]:
        return [{"version": spoken_version(), "url": f"{self.url}/details"}]

    def _details(self) -> dict[str, object]:
        offered = [("credentials", "SENDER", f"{self.url}/credentials")]
        offered += [
            (module, role, f"{self.url}/{role.lower()}/{module}") for module, role in sorted(self.modules)
        ]
        endpoints = [{"identifier": module, "role": role, "url": url} for module, role, url in offered]
        return {"version": spoken_version(), "endpoints": endpoints}


def _swapped(received: Received) -> dict[str, str]:
    """Write the routing headers of the answer to a request that had some (RTE-02, RTE-16)."""
    if "ocpi-from-party-id" not in received.headers:
        return {}
    return routing_headers(received.party("to"), received.party("from"))
