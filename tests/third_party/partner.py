"""An OCPI 2.2.1 partner, server and client, written from the specification alone.

It can have any role. Its paths are unusual on purpose, because a node must not derive them from a convention
(VER-07). It lists unknown versions and modules (VER-10). It expects tokens in Base64, or raw if configured
(TRN-05). Tests can make it misbehave (`faults.py`). It records all requests.
Chapters: credentials, version_information_endpoint, mod_locations, mod_tariffs.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from tests.third_party.connection import VERSION, Connection, Unusable
from tests.third_party.faults import Fault
from tests.third_party.objects import Object, Party, role
from tests.third_party.server import Received, Reply, Server, split_target
from tests.third_party.shelf import Outcome, Shelf
from tests.third_party.wire import write_json

ODD_PATHS = {
    ("versions", ""): "/where/we-are",
    ("details", ""): "/v/two-two-one.json",
    ("credentials", "RECEIVER"): "/knock-knock/",
    ("locations", "RECEIVER"): "/in/places",
    ("tariffs", "RECEIVER"): "/in/prices/",
    ("locations", "SENDER"): "/out/our_places/list",
    ("tariffs", "SENDER"): "/out/~prices",
    ("xxabc-foo", "SENDER"): "/custom",
}
TOKEN_MARK = "third-party/"
CONFIGURATION = ("versions", "details", "credentials")
INTERFACES_OF = {
    "CPO": ("SENDER",),
    "EMSP": ("RECEIVER",),
    "NSP": ("RECEIVER",),
    "HUB": ("SENDER", "RECEIVER"),
}
METHODS_OF = {
    ("tariffs", "RECEIVER"): ("GET", "PUT", "DELETE"),
    ("locations", "RECEIVER"): ("GET", "PUT", "PATCH"),
    ("tariffs", "SENDER"): ("GET",),
    ("locations", "SENDER"): ("GET",),
}


class Partner:
    """One platform with one party; its server starts at once on a free port. Close it with `stop`."""

    def __init__(
        self,
        role_name: str,
        party: Party,
        *,
        modules: Sequence[str] = ("locations", "tariffs"),
        raw_tokens: bool = False,
    ) -> None:
        self.role = role_name
        self.party = party
        self.roles = [role(role_name, party)]
        self.raw_tokens = raw_tokens
        self.shelves = {module: Shelf(module) for module in ("locations", "tariffs")}
        self.connections: list[Connection] = []
        self.invitations: set[str] = set()
        self.faults: dict[str, Fault] = {}
        self.versions = ["2.1.1", VERSION, "2.3.0"]
        offered = {("xxabc-foo", "SENDER"), ("credentials", "RECEIVER")}
        offered |= {(module, interface) for module in modules for interface in INTERFACES_OF[role_name]}
        self.paths = {key: path for key, path in ODD_PATHS.items() if key in offered or key[1] == ""}
        self.server = Server(self._answer, self._locate)

    def stop(self) -> None:
        self.server.stop()

    # For tests

    @property
    def versions_url(self) -> str:
        return self.url("versions")

    @property
    def received(self) -> list[Received]:
        return list(self.server.received)

    def url(self, module: str, interface: str = "") -> str:
        return self.server.base_url + self.paths[module, interface]

    def held(self, module: str, *key: str) -> Object | None:
        """The object that was pushed to us, or None. key: country_code, party_id, id."""
        return self.shelves[module].held.get(tuple(part.upper() for part in key))

    def offer(self, module: str, *objects: Object) -> None:
        self.shelves[module].offered.extend(objects)

    def pushes(self, module: str) -> list[Received]:
        """All requests to our RECEIVER interface of a module, except GET."""
        return [got for got in self.received if got.module == module and got.method != "GET"]

    def wait_for_push(
        self,
        module: str,
        *segments: str,
        method: str = "PUT",
        within: float = 45,
        count: int = 1,
    ) -> Received:
        folded = tuple(segment.upper() for segment in segments)

        def wanted(got: Received) -> bool:
            return (got.module, got.method, tuple(s.upper() for s in got.segments)) == (
                module,
                method,
                folded,
            )

        return self.server.wait_for(wanted, within=within, count=count)

    @contextmanager
    def misbehaving(self, module: str, fault: Fault) -> Iterator[None]:
        """Let a fault answer the requests of a module for the time of the `with` block.

        module: also "versions", "details", "credentials", or "*" for all.
        """
        self.faults[module] = fault
        try:
            yield
        finally:
            del self.faults[module]

    # Registration

    def new_token(self) -> str:
        return f"{TOKEN_MARK}{secrets.token_urlsafe(24)}"

    def credentials(self, token: str) -> Object:
        return {"token": token, "url": self.versions_url, "roles": self.roles}

    def invite(self) -> str:
        """Create a token A for a peer that will register with us. Source: CRD-01."""
        token = self.new_token()
        self.invitations.add(token)
        return token

    def adopt(self, connection: Connection) -> None:
        if connection not in self.connections:
            self.connections.append(connection)

    def discover(self, versions_url: str, token_a: str) -> Connection:
        """Discover a peer with its token A, without registering."""
        connection = Connection(self, versions_url, token_a)
        connection.discover()
        return connection

    def register(self, versions_url: str, token_a: str) -> Connection:
        """Register with a peer. Raises: AssertionError when it refuses."""
        connection = self.discover(versions_url, token_a)
        answer = connection.register()
        assert answer.codes in ((200, 1000), (201, 1000)), answer
        return connection

    def version_details(self) -> Object:
        endpoints = [
            {
                "identifier": module,
                "role": interface,
                "url": self.url(module, interface),
            }
            for module, interface in self.paths
            if interface
        ]
        return {"version": VERSION, "endpoints": endpoints}

    # Server side

    def reply(
        self,
        received: Received,
        status_code: int = 1000,
        *,
        http_status: int = 200,
        data: object = None,
        **headers: str,
    ) -> Reply:
        envelope: Object = {
            "status_code": status_code,
            "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        if data is not None:
            envelope["data"] = data
        answered = {"Content-Type": "application/json"}
        for name in ("x-request-id", "x-correlation-id"):
            answered[name] = received.headers.get(name, "")
        if received.module not in CONFIGURATION:
            for there, back in (("from", "to"), ("to", "from")):
                for part in ("country-code", "party-id"):
                    if value := received.headers.get(f"ocpi-{there}-{part}"):
                        answered[f"OCPI-{back}-{part}"] = value
        return Reply(http_status, write_json(envelope), answered | headers)

    def _locate(self, received: Received) -> Received:
        segments = split_target(received.target)
        for (module, interface), path in self.paths.items():
            mount = split_target(path)
            if segments[: len(mount)] == mount:
                return replace(
                    received,
                    module=module,
                    interface=interface,
                    segments=segments[len(mount) :],
                )
        return received

    def _answer(self, received: Received) -> Reply:
        for name in (received.module, "*"):
            fault = self.faults.get(name)
            reply = fault(self, received) if fault else None
            if reply:
                return reply
        return self.answer(received)

    def answer(self, received: Received) -> Reply:
        """Answer a request as the specification requires."""
        token = received.raw_token if self.raw_tokens else received.credentials_token
        connection = next((known for known in self.connections if token in known.inbound_tokens), None)
        invited = token in self.invitations
        if not connection and not (invited and received.module in CONFIGURATION):
            return self.reply(received, 2001, http_status=401)
        if received.module == "versions" and received.method == "GET":
            urls = {version: f"{self.server.base_url}/old/{version}" for version in self.versions}
            urls |= {VERSION: self.url("details")} if VERSION in self.versions else {}
            return self.reply(
                received,
                data=[{"version": version, "url": url} for version, url in urls.items()],
            )
        if received.module == "details" and received.method == "GET":
            return self.reply(received, data=self.version_details())
        if received.module == "credentials":
            return self._answer_credentials(received, str(token), connection)
        return self._answer_module(received)

    def _answer_credentials(self, received: Received, token: str, connection: Connection | None) -> Reply:
        handlers: dict[str, Callable[[], Reply]]
        if connection is None:
            handlers = {"POST": lambda: self._admit(received, token, Connection(self, "", ""))}
        else:
            handlers = {
                "GET": lambda: self.reply(received, data=self.credentials(token)),
                "PUT": lambda: self._admit(received, token, connection),
                "DELETE": lambda: self._forget(received, connection),
            }
        handler = handlers.get(received.method)
        return handler() if handler else self.reply(received, 2001, http_status=405)

    def _admit(self, received: Received, token: str, connection: Connection) -> Reply:
        """Call the peer back with the received token, then give it a new one.

        Source: CRD-04, CRD-05, CRD-11.
        """
        document = received.document
        tried = Connection(self, document["url"], document["token"])
        try:
            tried.discover()
        except Unusable as error:
            return self.reply(received, error.status_code)
        connection.versions_url, connection.outbound_token = (
            tried.versions_url,
            tried.outbound_token,
        )
        connection.details_url, connection.endpoints = (
            tried.details_url,
            tried.endpoints,
        )
        connection.roles = document["roles"]
        self.invitations.discard(token)
        issued = self.new_token()
        connection.inbound_tokens = {issued}
        self.adopt(connection)
        return self.reply(received, data=self.credentials(issued))

    def _forget(self, received: Received, connection: Connection) -> Reply:
        self.connections.remove(connection)
        connection.inbound_tokens = set()
        return self.reply(received)

    def _answer_module(self, received: Received) -> Reply:
        if received.method not in METHODS_OF.get((received.module, received.interface), ()):
            return self.reply(
                received,
                2001,
                http_status=405 if received.module in self.shelves else 404,
            )
        shelf = self.shelves[received.module]
        outcome: Outcome
        if received.interface == "RECEIVER":
            outcome = shelf.hold(received)
        else:
            outcome = shelf.page(received, self.url(received.module, "SENDER"))
        return self.reply(
            received,
            outcome.status_code,
            http_status=outcome.http_status,
            data=outcome.data,
            **outcome.headers,
        )
