"""The descriptor of the credentials module."""

from __future__ import annotations

from chalicelib.calls.webhook_events import ROLES_PENDING
from chalicelib.modules.module import Module

MODULE = Module(
    "credentials",
    __name__.rpartition(".")[0],
    interfaces=("routes",),
    operator_routes=("chalicelib.operator_api.partners",),
    events=(ROLES_PENDING,),
)
