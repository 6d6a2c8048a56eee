"""The descriptor of the locations module."""

from __future__ import annotations

from chalicelib.modules.module import Module
from chalicelib.protocol.kinds import Kind

MODULE = Module(
    "locations",
    __name__.rpartition(".")[0],
    interfaces=("sender", "receiver", "reservation"),
    operator_routes=("chalicelib.operator_api.locations", "chalicelib.operator_api.location_ids"),
    offered_by={"SENDER": ("CPO", "HUB"), "RECEIVER": ("HUB", "EMSP")},
    hidden_field="publish",
    pushed=True,
    kind=Kind.LOCATION,
    id_name="location_id",
)
