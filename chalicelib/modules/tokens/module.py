"""The descriptor of the tokens module."""

from __future__ import annotations

from chalicelib.calls.webhook_events import AUTHORIZE
from chalicelib.modules.module import Module
from chalicelib.protocol.kinds import Kind

MODULE = Module(
    "tokens",
    __name__.rpartition(".")[0],
    interfaces=("sender", "receiver"),
    operator_routes=("chalicelib.operator_api.tokens",),
    offered_by={"SENDER": ("EMSP", "HUB"), "RECEIVER": ("CPO", "HUB")},
    owner_roles=("EMSP",),
    pushed=True,
    # Spec: eMSPs are advised not to push tokens of Plug & Charge contracts (OCPI 2.3.0, TokenType).
    unpushed_variants=("EMAID",),
    kind=Kind.TOKEN,
    id_name="token_uid",
    retention_days=90,
    events=(AUTHORIZE,),
)
