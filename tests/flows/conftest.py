"""Fixtures: the three nodes of the sandbox, started once per worker, and third parties for each test.

The nodes are shared by all tests. Each test registers partners of its own, with unique party ids, and removes
them at its end, so that no test depends on another one.
"""

from __future__ import annotations

import itertools
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.local.sandbox import Sandbox
from tests.flows.stand import ROLES_AT, Stand
from tests.oracle.recorder import recording
from tests.third_party.connection import Connection
from tests.third_party.objects import Party
from tests.third_party.operator_door import Node
from tests.third_party.partner import TOKEN_MARK, Partner

ROLES = ("cpo", "hub", "emsp")
MEETINGS = [
    ("cpo", "EMSP"),
    ("cpo", "HUB"),
    ("hub", "CPO"),
    ("hub", "EMSP"),
    ("emsp", "CPO"),
    ("emsp", "HUB"),
]
FRESHNESS_SECONDS = 6
TOKENS: set[str] = set()
PARTY_IDS = map(
    "".join, itertools.product("XYZ", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
)


class Guests:
    """The third parties of one test, removed when it ends."""

    def __init__(self, nodes: dict[str, Node]) -> None:
        self.nodes = nodes
        self._partners: list[Partner] = []
        self._visited: list[tuple[Node, str]] = []

    def partner(self, role: str, party: Party | None = None, **options: Any) -> Partner:
        """Start a partner with a party of its own, not connected to any node."""
        partner = Partner(role, party or Party("PT", next(PARTY_IDS)), **options)
        self._partners.append(partner)
        return partner

    def invitation(self, partner: Partner, node: Node, **options: object) -> tuple[str, str]:
        """Have a node's operator invite a partner. Returns the versions URL and token A."""
        self.expect(partner, node)
        if partner.raw_tokens:
            options.setdefault("token_encoding", "raw")
        options.setdefault("hub", partner.role == "HUB")
        invited = node.invite(name_of(partner), **options)
        return invited["versions_url"], invited["token"]

    def discover(self, partner: Partner, node: Node, **options: object) -> Connection:
        """Invite a partner, and have it discover the node with token A, without a registration."""
        return partner.discover(*self.invitation(partner, node, **options))

    def connect(self, partner: Partner, node: Node, **options: object) -> Connection:
        """Register a partner at a node."""
        return partner.register(*self.invitation(partner, node, **options))

    def join(self, role: str, node: Node, **options: Any) -> Connection:
        """Start a new partner and register it at a node; the connection's `partner` is the partner."""
        return self.connect(self.partner(role, **options), node)

    def expect(self, partner: Partner, node: Node) -> None:
        """Have the partner removed from the node when the test ends."""
        self._visited.append((node, name_of(partner)))

    def leave(self) -> None:
        for node in self.nodes.values():
            node.withdraw()
        for node in {node.role: node for node, _ in self._visited}.values():
            names = {name for visited, name in self._visited if visited.role == node.role}
            for known in node.partners():
                if known["name"] in names and known["status"] != "UNREGISTERED":
                    node.call("DELETE", "partners", known["id"])
        for partner in self._partners:
            TOKENS.update(line.outbound_token for line in partner.connections)
            partner.stop()


def name_of(partner: Partner) -> str:
    return f"Third party {partner.party.party_id}"


@pytest.fixture(scope="package")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with what the nodes have sent and answered."""
    return tmp_path_factory.mktemp("recorded")


@pytest.fixture(scope="package")
def nodes(recorded: Path) -> Iterator[dict[str, Node]]:
    environment = recording(recorded)
    for role in ROLES:
        environment[role]["OCPI_FRESHNESS_SECONDS"] = str(FRESHNESS_SECONDS)
    with Sandbox(seed_sites=5, environment=environment, app="tests.flows.quick_timers:app") as sandbox:
        described = sandbox.describe()
        yield {role: Node.read(role, described[role]) for role in ROLES}
        logs = {file.name: file.read_text() for file in (sandbox.state_dir / "logs").iterdir()}
    expect_quiet_logs(logs, {described[role]["operator_key"] for role in ROLES})


def expect_quiet_logs(logs: dict[str, str], keys: set[str]) -> None:
    """Check the nodes' logs: no unexpected failure, in spite of the bad input, and no token in any line."""
    assert logs
    for name, text in logs.items():
        assert "unforeseen failure" not in text, name
        assert "unexpected failure" not in text, name
        assert "failed by our own fault" not in text, name
        for token in {*TOKENS, *keys, TOKEN_MARK, b64encode(TOKEN_MARK.encode()).decode()}:
            assert token not in text, name


@pytest.fixture
def cpo(nodes: dict[str, Node]) -> Node:
    return nodes["cpo"]


@pytest.fixture
def hub(nodes: dict[str, Node]) -> Node:
    return nodes["hub"]


@pytest.fixture
def emsp(nodes: dict[str, Node]) -> Node:
    return nodes["emsp"]


@pytest.fixture
def guests(nodes: dict[str, Node]) -> Iterator[Guests]:
    guests = Guests(nodes)
    yield guests
    guests.leave()


@pytest.fixture(scope="module")
def module_guests(nodes: dict[str, Node]) -> Iterator[Guests]:
    """Third parties shared by the tests of a module, which must not change their registrations."""
    guests = Guests(nodes)
    yield guests
    guests.leave()


@pytest.fixture(scope="package")
def stands(nodes: dict[str, Node]) -> Iterator[dict[str, Stand]]:
    """The targets of bad input, one per node; checks at the end that the stored objects did not change.

    Their partners are strict ones, whose documents are read by the letter.
    """
    guests = Guests(nodes)
    stands = {
        at: Stand(node, [guests.connect(guests.partner(role), node, strict=True) for role in ROLES_AT[at]])
        for at, node in nodes.items()
    }
    for at in ("hub", "emsp"):
        stands[at].put_good_objects()
    yield stands
    for stand in stands.values():
        for module, before in stand.before.items():
            assert stand.stored(module) == before
    guests.leave()


@pytest.fixture
def stand(at: str, stands: dict[str, Stand]) -> Stand:
    return stands[at]
