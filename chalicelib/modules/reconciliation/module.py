"""The descriptor of reconciliation: not an OCPI module, but with entries that expire and a webhook event."""

from __future__ import annotations

from chalicelib.calls.webhook_events import RECONCILIATION
from chalicelib.modules.module import Module

MODULE = Module(
    "reconciliation",
    __name__.rpartition(".")[0],
    operator_routes=("chalicelib.operator_api.reconciliation",),
    id_name="session_id",
    retention_days=400,
    events=(RECONCILIATION,),
)
