"""The descriptor of a made-up module: permits, which a CPO owns."""

from __future__ import annotations

from chalicelib.modules.module import Module

MODULE = Module(
    "permits",
    __name__.rpartition(".")[0],
    interfaces=("sender", "receiver"),
    operator_routes=("tests.modules.made_up.operator",),
    offered_by={"SENDER": ("CPO", "HUB"), "RECEIVER": ("HUB", "EMSP")},
    pushed=True,
    deletable=True,
    id_name="permit_id",
    retention_days=30,
    events=("permit_expires",),
)
