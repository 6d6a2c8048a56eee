"""Every module this node speaks, and which role mounts which interface.

Version details are made from here and nowhere else, and the endpoint answers on no interface that
is not here, so what is promised and what is mounted cannot differ. A new module is a folder, an
entry here, and its routes in app.py.

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
"""Which interfaces a role offers."""


class Offer(NamedTuple):
    """One line of version details."""

    identifier: str
    role: InterfaceRole
    path: str


def offers(roles: Iterable[str]) -> list[Offer]:
    """What a node with these roles lists in its version details; paths are relative to the version."""
    mounted = sorted(frozenset().union(*(MOUNTED[role] for role in roles)))
    # Spec: credentials stands once, as SENDER, whatever the roles (VER-04, VER-05).
    return [Offer("credentials", "SENDER", "/credentials")] + [
        Offer(module, role, interface_path(module, role)) for module, role in mounted
    ]


def interface_path(module: str, role: InterfaceRole) -> str:
    """Sender and Receiver URLs have the same shape, so each has a base of its own (RTE-35)."""
    return f"/{role.lower()}/{module}"


def is_mounted(interface: Interface, roles: Iterable[str]) -> bool:
    """Tell whether a node with these roles answers on an interface."""
    mounted = (interface.module, interface.role)
    return not interface.functional or any(mounted in MOUNTED[role] for role in roles)


def needed_of(roles: Iterable[str]) -> frozenset[tuple[str, InterfaceRole]]:
    """The interfaces at a partner that are of use to a node with these roles: the other sides of its own."""
    other: dict[InterfaceRole, InterfaceRole] = {"SENDER": "RECEIVER", "RECEIVER": "SENDER"}
    return frozenset((module, other[role]) for played in roles for module, role in MOUNTED[played])
