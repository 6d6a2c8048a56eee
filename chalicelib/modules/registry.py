"""The list of all modules, and what a node with certain roles offers of them.

Version details are made from here, and the endpoint answers on no interface that is not here, so what is
listed and what is mounted cannot differ. A new module is a folder with a `module.py`, and a line in
`MODULES`.

Source: OCPI 2.2.1 version_information_endpoint; docs/design.md, Roles; VER-06, VER-12
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from chalicelib.async_requests.objects import AsyncKind
from chalicelib.modules.cdrs.module import MODULE as CDRS
from chalicelib.modules.commands.module import MODULE as COMMANDS
from chalicelib.modules.credentials.module import MODULE as CREDENTIALS
from chalicelib.modules.invoice_reconciliation.module import MODULE as INVOICE_RECONCILIATION
from chalicelib.modules.locations.module import MODULE as LOCATIONS
from chalicelib.modules.module import Module
from chalicelib.modules.reconciliation.module import MODULE as RECONCILIATION
from chalicelib.modules.sessions.module import MODULE as SESSIONS
from chalicelib.modules.tariffs.module import MODULE as TARIFFS
from chalicelib.modules.tokens.module import MODULE as TOKENS
from chalicelib.modules.versions.module import MODULE as VERSIONS
from chalicelib.protocol.message import InterfaceRole

MODULES: tuple[Module, ...] = (
    VERSIONS,
    CREDENTIALS,
    TARIFFS,
    LOCATIONS,
    TOKENS,
    SESSIONS,
    COMMANDS,
    CDRS,
    RECONCILIATION,
    INVOICE_RECONCILIATION,
)
"""Every module. The order is that in which a new partner is sent their objects."""

_OTHER_SIDE: dict[InterfaceRole, InterfaceRole] = {"SENDER": "RECEIVER", "RECEIVER": "SENDER"}


class Offer(NamedTuple):
    """One line of version details."""

    identifier: str
    role: InterfaceRole
    path: str


def find_module(name: str) -> Module:
    """The module of a name.

    Raises: KeyError when there is none.
    """
    module = next((each for each in MODULES if each.name == name), None)
    if module is None:
        raise KeyError(name)
    return module


def is_pushed(module: str) -> bool:
    """Tell whether changes of a module's objects are pushed to partners; False for a name of no module."""
    return any(each.name == module and each.pushed for each in MODULES)


def pushed_modules() -> list[str]:
    """The names of the modules whose changes are pushed to partners."""
    return [module.name for module in MODULES if module.pushed]


def deletable_modules() -> list[str]:
    """The names of the modules whose objects can be deleted, and deletions are pushed."""
    return [module.name for module in MODULES if module.deletable]


def is_private(module: str) -> bool:
    """Tell whether each object of a module is for one partner only."""
    return any(each.name == module and each.is_private for each in MODULES)


def retention_days() -> dict[str, int | None]:
    """The days that objects are kept after their last change, for each kind of objects that expires."""
    return {module.name: module.retention_days for module in MODULES if module.expires}


def webhook_events() -> tuple[str, ...]:
    """The events that a webhook of the operator can subscribe to."""
    return tuple(event for module in MODULES for event in module.events)


def async_kinds() -> dict[str, AsyncKind]:
    """The asynchronous requests of each module that has some."""
    return {module.name: module.async_kind for module in MODULES if module.async_kind}


def load_interfaces() -> list[Any]:
    """The `INTERFACE` of each of the modules' files, for the mount."""
    return [
        importlib.import_module(f"{module.package}.{file}").INTERFACE
        for module in MODULES
        for file in module.interfaces
    ]


def load_keeping(name: str) -> Any:
    """The `keeping` of a module, whose `keep` stores an object that a partner sent."""
    return importlib.import_module(f"{find_module(name).package}.keeping")


def load_operator_routes() -> Iterator[Any]:
    """The routes of all modules at the operator API."""
    for module in MODULES:
        for name in module.operator_routes:
            yield from importlib.import_module(name).ROUTES


def offers(roles: Iterable[str], version: str) -> list[Offer]:
    """The lines of version details of a node with these roles; paths are relative to the version."""
    # `modules/versions/routes.py` lists credentials as RECEIVER as well.
    return [Offer("credentials", "SENDER", "/credentials")] + [
        Offer(module, role, interface_path(module, role))
        for module, role in sorted(mounted(roles))
        if has_module(version, module)
    ]


def has_module(version: str, module: str) -> bool:
    """Tell whether an OCPI version has a module."""
    return version >= find_module(module).first_version


def offers_as(role: str, roles: Iterable[str], version: str) -> list[Offer]:
    """The lines of version details of a node with these roles, for a connection of one of them.

    role: of this node in the connection; a hub's is that of the parties behind it.
    """
    sides = sides_of(role)
    return [
        offer for offer in offers(roles, version) if sides.get(offer.identifier, offer.role) == offer.role
    ]


def sides_of(role: str) -> dict[str, InterfaceRole]:
    """The interface of each module that a party of a role has: SENDER of what it owns."""
    return {
        module.name: "SENDER" if module.owner_role == role else "RECEIVER"
        for module in MODULES
        if module.offered_by
    }


def is_offered(module: str, role: InterfaceRole, own_roles: Iterable[str]) -> bool:
    """Tell whether a node with these roles offers one interface of a module."""
    offering = find_module(module).offered_by.get(role, ())
    return any(own in offering for own in own_roles)


def mounted(roles: Iterable[str]) -> frozenset[tuple[str, InterfaceRole]]:
    """The interfaces that a node with these roles offers."""
    played = set(roles)
    return frozenset(
        (module.name, role)
        for module in MODULES
        for role, offering in module.offered_by.items()
        if played & set(offering)
    )


def needed_of(roles: Iterable[str]) -> frozenset[tuple[str, InterfaceRole]]:
    """The interfaces of a partner that a node with these roles can use: the other sides of its own."""
    return frozenset((module, _OTHER_SIDE[role]) for module, role in mounted(roles))


def missing_of(
    endpoints: Iterable[tuple[str, str]], theirs: Iterable[str], ours: Iterable[str], version: str | None
) -> list[Any]:
    """The interfaces that a node with our roles can use of a partner with its roles, and that it lacks.

    endpoints: module and role of each endpoint that it has. version: the partner's. Returns module and role
    of each, sorted.
    """
    wanted = mounted(theirs) & needed_of(ours)
    return sorted(each for each in wanted - set(endpoints) if has_module(version or "", each[0]))


def interface_path(module: str, role: InterfaceRole) -> str:
    """The base of an interface; Sender and Receiver URLs look the same, so each has its own base (RTE-35)."""
    return f"/{role.lower()}/{module}"
