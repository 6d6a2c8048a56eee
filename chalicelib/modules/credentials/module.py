"""The descriptor of the credentials module."""

from __future__ import annotations

from chalicelib.modules.module import Module

MODULE = Module(
    "credentials",
    __name__.rpartition(".")[0],
    interfaces=("routes",),
    operator_routes=("chalicelib.operator_api.partners",),
    events=("partner_roles_pending",),
)
