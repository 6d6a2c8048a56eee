"""A node with one partner that speaks exactly 2.1.1, over real connections.

The partner refuses each document that is not right by the letter of 2.1.1, and routing headers. It sends its
token raw, and neither message ids nor routing headers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from chalicelib.calls.client import OcpiClient
from chalicelib.calls.urls import UrlPolicy
from chalicelib.modules import registry
from chalicelib.partners.directory import Endpoint, HeldToken
from chalicelib.protocol.json_text import JsonText, read_json, write_json
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import Write
from tests.calls.answering import AnsweringPartner, Received, answering_partner, envelope, reply
from tests.harness.nodes import Answer, Host
from tests.pushing.pushing import World, partner
from tests.versions.letter_of_2_1_1 import problems

TOKEN = "raw-token-of-glp"
PUBLIC = "https://node.example"
_KINDS = {
    "locations": ("Location", "EVSE", "Connector"),
    "sessions": ("Session",),
    "cdrs": ("CDR",),
    "tariffs": ("Tariff",),
    "tokens": ("Token",),
}
_COMMANDS = {
    "START_SESSION": "StartSession",
    "STOP_SESSION": "StopSession",
    "RESERVE_NOW": "ReserveNow",
    "UNLOCK_CONNECTOR": "UnlockConnector",
}


class Connection:
    """A node and its partner. answers: data that the partner answers, by module."""

    def __init__(self, world: World, server: AnsweringPartner, role: str) -> None:
        self.world, self.server, self.role = world, server, role
        self.answers: dict[str, Any] = {}
        self.statuses: dict[str, tuple[int, int]] = {}
        server.answer = self._answer
        node = world.node
        client = OcpiClient(UrlPolicy(True), node.directory, node.new_id, clock=node.clock)
        settings = dataclasses.replace(node.settings, public_url=PUBLIC, allow_loopback=True)
        world.node = dataclasses.replace(node, client=client, settings=settings)
        self.host = Host(world.node, tuple(registry.load_interfaces()))
        held = HeldToken(fingerprint=node.directory.fingerprint(TOKEN), kind="C")
        self.partner = world.join(
            partner(
                role,
                "glp",
                version="2.1.1",
                token_encoding="raw",
                held_tokens=(held,),
                versions_url=server.url("/versions"),
                endpoints=tuple(
                    Endpoint(identifier=name, role=side, url=server.url(f"/{name}"))
                    for name, side in registry.sides_of(role).items()
                ),
            )
        )

    # -- the partner as a server

    def _answer(self, handler: Any, request: Received) -> None:
        module = request.path.strip("/").split("/")[0].split("?")[0]
        found = self.problems_of(module, request)
        if found:
            reply(handler, envelope(None, 2001, status_message="; ".join(found)[:200]))
            return
        http_status, status_code = self.statuses.get(module, (200, 1000))
        reply(handler, envelope(self.answers.get(module), status_code), http_status=http_status)

    def problems_of(self, module: str, request: Received) -> list[str]:
        """List the headers and fields that a partner of 2.1.1 refuses in a request."""
        found = [f"header {name}" for name in request.headers if name.startswith("ocpi-")]
        if not request.body:
            return found
        return found + problems(self._kind_of(module, request), read_json(request.body.decode()))

    def _kind_of(self, module: str, request: Received) -> str:
        segments = request.path.partition("?")[0].strip("/").split("/")[1:]
        if module == "commands":
            return _COMMANDS[segments[0]]
        if segments[-1:] == ["authorize"]:
            return "LocationReferences"
        return "CommandResponse" if module == "results" else _KINDS[module][max(0, len(segments) - 3)]

    def bodies(self, module: str) -> list[Any]:
        """The documents that the partner received of a module."""
        return [read_json(each.body.decode()) for each in self.requests(module) if each.body]

    def requests(self, module: str) -> list[Received]:
        """The requests that the partner received of a module."""
        return [each for each in self.server.received if each.path.startswith(f"/{module}")]

    # -- the partner as a client

    def call(self, method: str, path: str, document: Any = None) -> Answer:
        """Call a path below `/ocpi/2.1.1`."""
        headers = {"authorization": f"Token {TOKEN}", "content-type": "application/json"}
        body = None if document is None else write_json(document)
        return self.host.receive(method, f"/ocpi/2.1.1{path}", headers, body)

    # -- the node

    def put(self, module: str, document: dict[str, Any], partition: str = "", **extra: Any) -> Ref:
        """Store an object of this node, and push it."""
        world = self.world
        world.clock.forward(1)
        owner = document["country_code"], document["party_id"]
        name = document["uid" if module == "tokens" else "id"]
        ref = Ref(module, *owner, name, document["type"] if module == "tokens" else "")
        write = Write(JsonText(write_json(document)), document["last_updated"], extra=extra)
        partition = partition or f"{module}#{owner[0]}*{owner[1]}"
        world.node.objects.change(ref, lambda _: write, partition=partition, source="")
        world.settle()
        return ref


@contextmanager
def connected(node_role: str) -> Iterator[Connection]:
    """A node with a partner of 2.1.1 that plays the opposite role; a hub with an eMSP."""
    with answering_partner() as server:
        connection = Connection(
            World(node_role), server, {"CPO": "EMSP", "EMSP": "CPO", "HUB": "EMSP"}[node_role]
        )
        server.received.clear()
        yield connection
