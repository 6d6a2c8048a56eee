"""Sender interface of commands: receives the result of a command that this node sent or relayed.

This node made the URL for the command (`forwarding.py`). Only the partner that got the command may use it.
The result is a bare CommandResult; a CommandResult in an OCPI envelope is accepted as well (TRP-22).

Source: OCPI 2.2.1 mod_commands, Sender Interface; CMD-06, CMD-15 … CMD-18, RTE-33
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.errors import NotFound
from chalicelib.modules.commands.objects import CommandResult
from chalicelib.modules.commands.rules import CommandState, with_result
from chalicelib.modules.commands.store import MODULE, change, find, key_of, partition_of
from chalicelib.modules.commands.tasks import queue_results
from chalicelib.protocol.json_text import write_json
from chalicelib.protocol.kinds import Kind
from chalicelib.protocol.message import Reply, Request
from chalicelib.protocol.types import validate
from chalicelib.routes import Call, Interface, Route
from chalicelib.storage import counters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.node import Node
    from chalicelib.storage.table import Key


def post_result(call: Call) -> Reply:
    """Record a result. A hub queues it for posting to the eMSP.

    Raises: NotFound when the caller did not get this command; AlreadyEnded when it contradicts an earlier
    result.
    """
    command_id = call.request.path["command_id"]
    command = find(call.node, command_id, call.snapshot)
    if command is None or command.receiver_id != call.caller.id:
        raise NotFound("no command of this id was sent to the caller")
    if command.command != call.request.path["command"]:
        raise NotFound("the command of this id is another one")
    document = _without_envelope(call.json_object())
    result = validate(CommandResult, document).result
    now, body = call.node.clock(), write_json(document)
    command = change(
        call.node, command_id, lambda current: with_result(current, result, body, now), call.snapshot
    )
    queue_results(call.node, command)
    return Reply()


def _without_envelope(document: dict[str, Any]) -> dict[str, Any]:
    data = document.get("data")
    return data if "result" not in document and isinstance(data, dict) else document


def _keys(node: Node, request: Request) -> Sequence[Key]:
    lists = [partition_of(state) for state in (CommandState.PENDING, CommandState.COMPLETED)]
    command_id = request.path["command_id"]
    command = [key_of(command_id)] if len(command_id) <= 100 else []
    return [*command, *(counters.root_key(name) for name in lists)]


INTERFACE = Interface(
    MODULE,
    "SENDER",
    (Route("POST", "/{command}/{command_id}", post_result, _keys, takes=Kind.COMMAND_RESULT),),
    relay=False,
)
