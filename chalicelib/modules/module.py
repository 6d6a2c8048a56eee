"""The descriptor of an OCPI module: every fact about it that other parts of the node need.

Each folder of `modules/` has a `module.py` with its `MODULE`; `registry.py` lists them. The descriptor is
data and imports no handler, so everything may read it: the mount in app.py, version details, visibility, the
outbox, pushes, retention, the operator API and webhooks.

Source: docs/design.md, Roles
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from chalicelib.async_requests.objects import AsyncKind
from chalicelib.protocol.kinds import Kind
from chalicelib.protocol.message import InterfaceRole


@dataclass(frozen=True)
class Module:
    """One module.

    name: the ModuleID in version details. first_version: the OCPI version that introduced it, "" if all
    supported ones have it; versions sort as texts. package: the Python package of its folder. interfaces: the
    files of the folder that have an `INTERFACE`. operator_routes: Python modules that have `ROUTES` for the
    operator API. offered_by: per interface, the roles of a node that offer it; none for a module that every
    node offers, or that is not part of OCPI.

    owner_roles: the roles that own its objects. viewer_roles: for a module whose objects are for one partner
    each, the roles in which a partner may be shown them; empty for a module whose objects are for all
    partners of the opposite role. hidden_field: a boolean field; objects where it is false are not shown to
    partners that only display. pushed: changes are pushed to partners, with push_method: `POST_ONCE` is a
    POST of a new object and a PUT of a changed one. unpushed_variants: variants of its objects that partners
    ask for only when they need them. deletable: a deletion is pushed as well. kind: what its
    objects are. id_name: name of an object's id in URLs. retention_days: how long its objects are kept after
    their last change unless the operator configures another time; None for ever. events: webhook events that
    it sends to the operator. async_kind: its requests whose result follows later
    (`chalicelib/async_requests/`), None where it has none.
    """

    name: str
    package: str
    interfaces: tuple[str, ...] = ()
    operator_routes: tuple[str, ...] = ()
    offered_by: Mapping[InterfaceRole, tuple[str, ...]] = field(default_factory=dict)
    owner_roles: tuple[str, ...] = ("CPO",)
    viewer_roles: tuple[str, ...] = ()
    hidden_field: str = ""
    pushed: bool = False
    push_method: Literal["PUT", "POST", "POST_ONCE"] = "PUT"
    unpushed_variants: tuple[str, ...] = ()
    deletable: bool = False
    kind: Kind | None = None
    id_name: str = ""
    retention_days: int | None = None
    events: tuple[str, ...] = ()
    async_kind: AsyncKind | None = None
    first_version: str = ""

    @property
    def owner_role(self) -> str:
        """The first role that owns its objects."""
        return self.owner_roles[0]

    @property
    def is_private(self) -> bool:
        """Tell whether each of its objects is for one partner only."""
        return bool(self.viewer_roles)

    @property
    def expires(self) -> bool:
        """Tell whether its objects are deleted after a time, because they are about drivers."""
        return self.retention_days is not None
