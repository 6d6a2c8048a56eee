"""The descriptor of the CDRs module.

A CDR that a hub made is shown to its CPO as well, so CPO is one of the viewer roles. CDRs are kept as long as
invoices have to be.
"""

from __future__ import annotations

from chalicelib.modules.module import Module
from chalicelib.protocol.kinds import Kind

MODULE = Module(
    "cdrs",
    __name__.rpartition(".")[0],
    interfaces=("sender", "receiver"),
    operator_routes=("chalicelib.operator_api.cdrs",),
    offered_by={"SENDER": ("CPO", "HUB"), "RECEIVER": ("CPO", "HUB", "EMSP")},
    viewer_roles=("EMSP", "HUB", "CPO"),
    pushed=True,
    push_method="POST",
    kind=Kind.CDR,
    id_name="cdr_id",
    retention_days=3660,
)
