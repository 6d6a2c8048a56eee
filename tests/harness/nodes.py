"""Nodes inside the test's process: real code over an emulated AWS, with a fixed clock.

`make_network` makes several nodes that call each other's endpoint directly, so a handshake between two real
nodes is a plain function call. Tests with real connections are in tests/flows.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from chalicelib.calls.answers import PartnerFault, RawAnswer, judge
from chalicelib.calls.client import OcpiClient
from chalicelib.calls.urls import UrlPolicy
from chalicelib.endpoint import METHODS, absolute_path, serve
from chalicelib.modules.credentials import routes as credentials
from chalicelib.modules.versions import routes as versions
from chalicelib.node import Node, new_secret
from chalicelib.partners.directory import Directory
from chalicelib.protocol.auth import write_authorization
from chalicelib.protocol.json_text import read_json, write_json
from chalicelib.protocol.message import Party, Request
from chalicelib.queues import Queues
from chalicelib.routes import Interface, gather_by_path
from chalicelib.settings import OwnRole, Settings
from chalicelib.storage.locations import LocationStore
from chalicelib.storage.objects import ObjectStore
from chalicelib.storage.table import Table
from chalicelib.versions import supported
from tests.harness.account import Account

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
PARTIES = {"CPO": Party("PT", "ABC"), "HUB": Party("PT", "MOB"), "EMSP": Party("PT", "EVI")}
CONFIGURATION = (versions.INTERFACE, credentials.INTERFACE)


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.moment = START

    def __call__(self) -> datetime:
        return self.moment

    def forward(self, seconds: float = 0.0, **duration: float) -> None:
        """Let time pass: `forward(5)`, `forward(minutes=6)`."""
        self.moment += timedelta(seconds=seconds, **duration)


class Answer:
    """An endpoint's answer."""

    def __init__(self, status: int, headers: dict[str, str], body: str) -> None:
        self.status, self.headers, self.text = status, headers, body
        self.raw = RawAnswer(
            status, {name.lower(): value for name, value in headers.items()}, body.encode(), timedelta()
        )

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return read_json(self.text)


class Host:
    """One node and the interfaces that answer under its public URL."""

    def __init__(self, node: Node, interfaces: tuple[Interface, ...]) -> None:
        self.node = node
        self.broken: str | None = None
        self._paths = [
            (absolute_path(interface, path), interface, routes)
            for interface in interfaces
            for path, routes in gather_by_path(interface.routes)
        ]

    def call(
        self, method: str, path: str, token: str | None = None, document: object = None, **headers: str
    ) -> Answer:
        """Call a path below the public URL, such as `/ocpi/versions`."""
        all_headers = {name.replace("_", "-").lower(): value for name, value in headers.items()}
        if token is not None:
            all_headers["authorization"] = write_authorization(token)
        body = document if isinstance(document, str) or document is None else write_json(document)
        return self.receive(method, path, all_headers, body)

    def receive(self, method: str, path: str, headers: dict[str, str], body: str | None) -> Answer:
        """Answer a request whose headers are in lower case. path: may have a query."""
        path, _, query = path.partition("?")
        for pattern, interface, routes in self._paths:
            parameters = _match(pattern, path)
            if parameters is not None and method in METHODS:
                public = self.node.settings.public_url
                request = Request(
                    method=method, url=f"{public}{path}", base_url=f"{public}/ocpi",
                    version=parameters.pop("version", ""), path=parameters, query=dict(parse_qsl(query)),
                    headers=headers, body=body, request_id=headers.get("x-request-id", "generated-request"),
                    correlation_id=headers.get("x-correlation-id", "generated-correlation"),
                )  # fmt: skip
                return Answer(*serve(self.node, interface, routes, request))
        raise AssertionError(f"no route for {method} {path}")


class DirectClient(OcpiClient):
    """The node's real client, but it calls other nodes of the same process directly."""

    def __init__(self, directory: Directory, new_id: Any, hosts: dict[str, Host]) -> None:
        super().__init__(UrlPolicy(True, resolve=lambda *_: []), directory, new_id)
        self._hosts = hosts
        self.calls: list[tuple[str, str]] = []

    def call_url(self, url: str, method: str, token: str, encoding: Any = "base64", **options: Any) -> Any:
        """Call a URL without a network."""
        public, _, path = url.partition("/ocpi")
        self.calls.append((method, url))
        host = self._hosts.get(public)
        if host is None:
            return super().call_url(url, method, token, encoding, **options)
        if host.broken and host.broken in url:
            raise PartnerFault("cannot be reached", not_connected=True, never_sent=True)
        headers = {
            "authorization": write_authorization(token, encoding),
            "x-request-id": self._new_id(),
            "x-correlation-id": self._new_id(),
            "content-type": "application/json",
        }
        document = options.get("document")
        body = None if document is None else write_json(document)
        return judge(host.receive(method, "/ocpi" + path, headers, body).raw, gives=options.get("gives"))


def make_node(
    settings: Settings,
    table: Table,
    clock: Clock,
    *,
    directory: Directory,
    queues: Queues,
    client: Any,
    **more: Any,
) -> Node:
    """Make a node whose stores are in a table."""
    return Node(
        settings=settings,
        table=table,
        objects=ObjectStore(table, clock),
        locations=LocationStore(table, clock),
        directory=directory,
        queues=queues,
        client=client,
        clock=clock,
        **more,
    )


def make_network(
    account: Account,
    interfaces: tuple[Interface, ...] = CONFIGURATION,
    **roles: str,
) -> dict[str, Host]:
    """Make nodes that can call each other: `make_network(account, cpo="CPO", hub="HUB")`."""
    hosts: dict[str, Host] = {}
    made = {}
    for name, role in roles.items():
        environment = account.resources()
        public = f"https://{name}.example"
        settings = Settings(
            roles=(OwnRole(role, PARTIES[role], {"name": f"{name} company"}),),
            table=environment["OCPI_TABLE"],
            broadcasts_queue_url=environment["OCPI_BROADCASTS_QUEUE_URL"],
            kms_key_id=environment["OCPI_KMS_KEY_ID"],
            public_url=public,
            commands_queue_url=environment["OCPI_COMMANDS_QUEUE_URL"],
            background_queue_url=environment["OCPI_BACKGROUND_QUEUE_URL"],
            # Two nodes take the newest version; the tests are about 2.2.1, or name another one.
            ocpi_versions=tuple(number for number in supported.VERSIONS if number != "2.3.0"),
        )
        numbers = itertools.count(1)

        def new_id(numbers: Iterator[int] = numbers, name: str = name) -> str:
            return f"{name}-{next(numbers):08d}"

        clock = Clock()
        table = account.table(settings.table)
        directory = Directory(table, account.vault(settings.kms_key_id), new_secret)
        node = make_node(
            settings,
            table,
            clock,
            directory=directory,
            queues=Queues(
                account("sqs"),
                settings.broadcasts_queue_url,
                settings.commands_queue_url,
                background_url=settings.background_queue_url,
            ),
            client=DirectClient(directory, new_id, hosts),
            new_id=new_id,
        )
        hosts[public] = made[name] = Host(node, interfaces)
    return made


def _match(pattern: str, path: str) -> dict[str, str] | None:
    wanted, given = pattern.split("/"), path.rstrip("/").split("/")
    if len(wanted) != len(given):
        return None
    parameters = {}
    for pattern_part, part in zip(wanted, given, strict=True):
        if pattern_part.startswith("{"):
            parameters[pattern_part[1:-1]] = part
        elif pattern_part != part:
            return None
    return parameters
