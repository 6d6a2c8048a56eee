"""The descriptor of the commands module."""

from __future__ import annotations

from chalicelib.modules.commands.kind import COMMAND
from chalicelib.modules.module import Module

MODULE = Module(
    "commands",
    __name__.rpartition(".")[0],
    interfaces=("sender", "receiver"),
    operator_routes=("chalicelib.operator_api.commands",),
    offered_by={"SENDER": ("EMSP", "HUB"), "RECEIVER": ("CPO", "HUB")},
    owner_roles=("EMSP",),
    retention_days=90,
    events=(COMMAND.event,),
    async_kind=COMMAND,
)
