"""Calls and routes: what a handler is given, and how a module declares what it answers.

A `Request` is what came over the wire. A `Call` is a request whose caller is known and may make it, with the
items that were read together with the caller's token. The operator API has an `OperatorCall`.

A route declares the kind of document that it takes and gives. The endpoint converts both when the caller's
OCPI version is not the canonical one; handlers see canonical documents only.

Source: OCPI 2.2.1 transport_and_format; docs/design.md, Versions
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Generic, TypeVar

from chalicelib.errors import InvalidParameters
from chalicelib.findings.reporting import report
from chalicelib.node import Node
from chalicelib.partners.connection import connection_facts
from chalicelib.partners.directory import Partner
from chalicelib.protocol.auth import TokenReading
from chalicelib.protocol.headers import UNROUTED_MODULES
from chalicelib.protocol.kinds import Kind
from chalicelib.protocol.message import InterfaceRole, Party, Reply, Request
from chalicelib.reading.reader import LIST_OF_ONE
from chalicelib.storage.table import Item, Key
from chalicelib.versions.supported import to_canonical, traits_of
from chalicelib.versions.version import NOTHING_KNOWN, Known, Traits


@dataclass(frozen=True)
class Call:
    """An OCPI request of a partner that may make it.

    caller: the partner. token: the credentials token that it used, plain. snapshot: the stored items that the
    route's `keys` asked for, read in the same call as the caller's token. takes: the kind of the body.
    reading: the way in which the token was read. module: the module that is called.
    """

    node: Node
    request: Request
    caller: Partner
    token: str
    snapshot: Mapping[Key, Item]
    takes: Kind | None = None
    reading: TokenReading = "base64"
    module: str = ""

    def json_object(self, takes: Kind | None = None) -> dict[str, Any]:
        """The body as a canonical document. takes: its kind, where the route has bodies of several kinds.

        Raises: WrongContentType, BadJson; InvalidParameters when it is no JSON object, or cannot be
        converted.
        """
        document: dict[str, Any] = to_canonical(
            self.request.version, takes or self.takes, self._object_in_body(), self._known()
        )
        return document

    def _known(self) -> Known:
        """Facts for the conversion of the body; only a version without roles needs them."""
        if traits_of(self.request.version).has_roles:
            return NOTHING_KNOWN
        path, node = self.request.path, self.node
        owner = Party(path["country_code"], path["party_id"]) if "party_id" in path else None
        ours = (own.role for own in node.settings.roles)
        return connection_facts(self.caller, ours, self._arrival(), owner, self.request.method)

    def _arrival(self) -> datetime:
        """The time for a PATCH that has none: now, or that of the stored object if it is later (V211-09)."""
        stored = max((item["lu"] for item in self.snapshot.values() if "lu" in item), default="")
        now = self.node.clock()
        return max(now, datetime.fromisoformat(stored).replace(tzinfo=UTC)) if stored else now

    def _object_in_body(self) -> dict[str, Any]:
        """The object in the body, also if it came in a list of one."""
        document = self.request.json()
        if isinstance(document, list) and len(document) == 1 and not self.caller.strict:
            report(self.node, self.caller, self.module, [LIST_OF_ONE])
            document = document[0]
        if not isinstance(document, dict):
            raise InvalidParameters("expected a JSON object", field="body")
        return document


@dataclass(frozen=True)
class OperatorCall:
    """A request of the operator, whose key is valid. snapshot: as in `Call`."""

    node: Node
    request: Request
    snapshot: Mapping[Key, Item]


C = TypeVar("C", Call, OperatorCall)


@dataclass(frozen=True)
class Route(Generic[C]):
    """One method on one path.

    path: relative to the interface, "" or "/{location_id}/{evse_uid}". keys: the stored items to read
    together with the caller's token, so that a request costs one read; called before the caller is known.
    takes, gives: the kinds of the body and of `data`, None where they are the same in all versions.
    only_with: the trait of the OCPI versions that have this method, "" for all versions.
    """

    method: str
    path: str
    handler: Callable[[C], Reply]
    keys: Callable[[Node, Request], Sequence[Key]] | None = None
    takes: Kind | None = None
    gives: Kind | None = None
    only_with: str = ""

    def is_in(self, traits: Traits) -> bool:
        """Tell whether an OCPI version has this method."""
        return not self.only_with or bool(getattr(traits, self.only_with))


OcpiRoute = Route[Call]
OperatorRoute = Route[OperatorCall]


@dataclass(frozen=True)
class Interface:
    """One side of a module: its data owner's (SENDER), or the one that takes pushes (RECEIVER).

    role_mounted: stands below `/{role}/{module}` and is offered by nodes with certain roles only; otherwise
    every node offers it, to partners without an approved role as well. allows_token_a: may be called
    before registration (TRN-08). relay: at a hub, a request for another party is sent on as it came
    (`hub/relay.py`); otherwise the handlers send it on, because the hub keeps something of it.
    """

    module: str
    role: InterfaceRole
    routes: tuple[OcpiRoute, ...]
    role_mounted: bool = True
    allows_token_a: bool = False
    relay: bool = True

    @property
    def routed(self) -> bool:
        """Tell whether its requests and answers have the routing headers."""
        return self.module not in UNROUTED_MODULES


def gather_by_path(routes: Iterable[Route[C]]) -> list[tuple[str, dict[str, Route[C]]]]:
    """The routes of each path, by method."""
    ordered = sorted(routes, key=lambda route: route.path)
    return [
        (path, {route.method: route for route in group}) for path, group in groupby(ordered, lambda r: r.path)
    ]
