"""Table of all OCPI modules of this node: the interfaces that each role mounts.

Both the version details and the endpoint read this table, so the node lists exactly the interfaces that it
answers on. To add a module: create a folder, add an entry here, and add its routes in app.py.

Source: OCPI 2.2.1 version_information_endpoint; docs/design.md, Roles; VER-06, VER-12
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from chalicelib.protocol.message import Interface, InterfaceRole

VERSION = "2.2.1"

MOUNTED: dict[str, frozenset[tuple[str, InterfaceRole]]] = {
    "CPO": frozenset(
        {
            ("locations", "SENDER"),
            ("tariffs", "SENDER"),
            ("tokens", "RECEIVER"),
            ("sessions", "SENDER"),
            ("commands", "RECEIVER"),
            ("cdrs", "SENDER"),
            ("cdrs", "RECEIVER"),
        }
    ),
    "HUB": frozenset(
        {
            ("locations", "SENDER"),
            ("locations", "RECEIVER"),
            ("tariffs", "SENDER"),
            ("tariffs", "RECEIVER"),
            ("tokens", "SENDER"),
            ("tokens", "RECEIVER"),
            ("sessions", "SENDER"),
            ("sessions", "RECEIVER"),
            ("commands", "SENDER"),
            ("commands", "RECEIVER"),
            ("cdrs", "SENDER"),
            ("cdrs", "RECEIVER"),
        }
    ),
    "EMSP": frozenset(
        {
            ("locations", "RECEIVER"),
            ("tariffs", "RECEIVER"),
            ("tokens", "SENDER"),
            ("sessions", "RECEIVER"),
            ("commands", "SENDER"),
            ("cdrs", "RECEIVER"),
        }
    ),
}
"""The interfaces that each role offers."""


class Offer(NamedTuple):
    """One line of version details."""

    identifier: str
    role: InterfaceRole
    path: str


def offers(roles: Iterable[str]) -> list[Offer]:
    """List the version details of a node with these roles; paths are relative to the version."""
    mounted = sorted(frozenset().union(*(MOUNTED[role] for role in roles)))
    # Spec: credentials is listed once, as SENDER, for every set of roles (VER-04, VER-05).
    return [Offer("credentials", "SENDER", "/credentials")] + [
        Offer(module, role, interface_path(module, role)) for module, role in mounted
    ]


def interface_path(module: str, role: InterfaceRole) -> str:
    """Return the base path of an interface.

    Sender and Receiver URLs have the same shape, so each interface has its own base (RTE-35).
    """
    return f"/{role.lower()}/{module}"


def is_mounted(interface: Interface, roles: Iterable[str]) -> bool:
    """Return True when a node with these roles answers on an interface."""
    mounted = (interface.module, interface.role)
    return not interface.functional or any(mounted in MOUNTED[role] for role in roles)


def needed_of(roles: Iterable[str]) -> frozenset[tuple[str, InterfaceRole]]:
    """Return the interfaces that a node with these roles calls at a partner: the counterparts of its own."""
    other: dict[InterfaceRole, InterfaceRole] = {"SENDER": "RECEIVER", "RECEIVER": "SENDER"}
    return frozenset((module, other[role]) for played in roles for module, role in MOUNTED[played])
