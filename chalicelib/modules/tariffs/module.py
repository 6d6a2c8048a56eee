"""The descriptor of the tariffs module."""

from __future__ import annotations

from chalicelib.modules.module import Module
from chalicelib.protocol.kinds import Kind

MODULE = Module(
    "tariffs",
    __name__.rpartition(".")[0],
    interfaces=("sender", "receiver"),
    operator_routes=("chalicelib.operator_api.tariffs",),
    offered_by={"SENDER": ("CPO", "HUB"), "RECEIVER": ("HUB", "EMSP")},
    pushed=True,
    deletable=True,
    kind=Kind.TARIFF,
    id_name="tariff_id",
)
