"""The three nodes under test: URLs, operator keys, party ids.

The shape is that of `.local/sandbox.json`, so that a file with the same shape describes deployed nodes too.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from urllib.parse import urlsplit

from certification.web import Unreachable, Web


class NoNodes(Exception):
    """Raised when the nodes' description is missing or incomplete, or the nodes cannot be started."""


@dataclass(frozen=True)
class Node:
    """One node: its URLs for partners and for its operator, and its party."""

    role: str
    versions_url: str
    operator_url: str
    operator_key: str
    country_code: str
    party_id: str

    def __repr__(self) -> str:  # without the key: reprs end up in reports
        return f"Node({self.role} {self.country_code}*{self.party_id} at {self.versions_url})"

    @property
    def is_on_loopback(self) -> bool:
        """Tell whether the node runs on this machine, where it can reach a probe on loopback."""
        host = urlsplit(self.versions_url).hostname or ""
        if host == "localhost":
            return True
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False


@dataclass(frozen=True)
class Nodes:
    """The platforms of the plan: a CPO, the hub that plays MOBI.E, and an eMSP behind the hub."""

    cpo: Node
    hub: Node
    emsp: Node

    def __iter__(self) -> Iterator[Node]:
        return iter((self.cpo, self.hub, self.emsp))


ROLES = tuple(field.name for field in fields(Nodes))
NODE_FIELDS = tuple(field.name for field in fields(Node) if field.name != "role")


def read_nodes(document: Mapping[str, object]) -> Nodes:
    """Read a description `{"cpo": {"versions_url": …}, "hub": …, "emsp": …}`; other keys are ignored.

    Raises: NoNodes naming what is missing.
    """
    nodes = {}
    for role in ROLES:
        entry = document.get(role)
        if not isinstance(entry, Mapping):
            raise NoNodes(f"no {role!r} in the description of the nodes")
        missing = [name for name in NODE_FIELDS if not isinstance(entry.get(name), str)]
        if missing:
            raise NoNodes(f"{role}: {', '.join(missing)} missing in the description of the nodes")
        nodes[role] = Node(role=role.upper(), **{name: str(entry[name]) for name in NODE_FIELDS})
    return Nodes(**nodes)


def read_nodes_file(path: Path) -> Nodes:
    """Read a description from a file. Raises: NoNodes when it is missing or not one."""
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise NoNodes(f"{path}: {error}") from error
    if not isinstance(document, Mapping):
        raise NoNodes(f"{path}: not a JSON object")
    return read_nodes(document)


def all_answer(nodes: Nodes, web: Web) -> bool:
    """Tell whether each node answers at its versions URL; HTTP 401 without a token counts as an answer."""
    for node in nodes:
        try:
            web.send("GET", node.versions_url)
        except Unreachable:
            return False
    return True
