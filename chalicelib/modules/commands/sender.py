"""Sender interface of commands: receives the result of a command that this node sent or relayed.

Source: OCPI 2.2.1 mod_commands, Sender Interface; CMD-06, CMD-15 … CMD-18, RTE-33
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.async_requests.results import keys_to_receive, receive_result
from chalicelib.async_requests.store import AsyncRequests
from chalicelib.modules.commands.kind import COMMAND
from chalicelib.protocol.kinds import Kind
from chalicelib.routes import Call, Interface, Route

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.node import Node
    from chalicelib.protocol.message import Reply, Request
    from chalicelib.storage.table import Key


def post_result(call: Call) -> Reply:
    """Record a result. A hub queues it for posting to the eMSP.

    Raises: each error of `receive_result`.
    """
    path = call.request.path
    return receive_result(AsyncRequests(call.node, COMMAND), call, path["command"], path["command_id"])


def _keys(node: Node, request: Request) -> Sequence[Key]:
    return keys_to_receive(AsyncRequests(node, COMMAND), request.path["command_id"])


INTERFACE = Interface(
    COMMAND.module,
    "SENDER",
    (Route("POST", "/{command}/{command_id}", post_result, _keys, takes=Kind.COMMAND_RESULT),),
    relay=False,
)
