"""The descriptor of the sessions module."""

from __future__ import annotations

from chalicelib.modules.module import Module
from chalicelib.protocol.kinds import Kind

MODULE = Module(
    "sessions",
    __name__.rpartition(".")[0],
    interfaces=("sender", "receiver"),
    operator_routes=("chalicelib.operator_api.sessions",),
    offered_by={"SENDER": ("CPO", "HUB"), "RECEIVER": ("HUB", "EMSP")},
    viewer_roles=("EMSP", "HUB"),
    pushed=True,
    kind=Kind.SESSION,
    id_name="session_id",
    retention_days=400,
)
