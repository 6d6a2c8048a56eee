"""Receiver interface of commands: a CPO tries them, a hub relays them.

This file has the checks that both make first: the caller is an eMSP or a hub, the body is valid, the
response_url is on a host of the caller, and the token belongs to the sender. `execution.py` (CPO) and
`relayed_commands.py` (hub) do the rest.

Source: OCPI 2.2.1 mod_commands, Receiver Interface; CMD-01, CMD-02, CMD-12, TRP-23
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from chalicelib.calls.client import belongs_to
from chalicelib.calls.urls import Unresolvable, UrlPolicy
from chalicelib.errors import ClientError, InvalidParameters, NotFound, OcpiError
from chalicelib.modules.commands.execution import execute, keys_of_execution
from chalicelib.modules.commands.incoming import Incoming
from chalicelib.modules.commands.objects import COMMANDS, REJECTED
from chalicelib.modules.commands.relayed_commands import keys_of_relay, relay
from chalicelib.modules.commands.replies import keys_of_sender, may_use, refused
from chalicelib.protocol.kinds import Kind
from chalicelib.protocol.message import Reply, Request
from chalicelib.protocol.types import validate
from chalicelib.routes import Call, Interface, Route

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.node import Node
    from chalicelib.storage.table import Key

MODULE = "commands"

_READ_AHEAD = 64 * 1024
"""Number of characters. A longer body is parsed only after the caller is authenticated."""


def post_command(call: Call) -> Reply:
    """Receive a command: try it, or relay it to the CPO.

    Raises: NotFound for an unknown command, InvalidParameters for a wrong body or response_url; at a hub
    also the errors of `relay`.
    """
    name = call.request.path["command"]
    if name not in COMMANDS:
        raise NotFound("there is no such command")
    if not call.caller.has_role("EMSP", "HUB"):
        return refused(REJECTED, ClientError("only an eMSP, or a hub for one, sends commands"))
    document = call.json_object(Kind[name])
    validate(COMMANDS[name], document)
    check_response_url(call, document["response_url"])
    token = document.get("token")
    if token is not None and not may_use(call, token):
        return refused(REJECTED, InvalidParameters("not a token of the sender", field="token.party_id"))
    incoming = Incoming.of(call, name, document)
    return execute(call.node, incoming) if _is_for_us(call.node, call.request) else relay(call.node, incoming)


def check_response_url(call: Call, url: str) -> None:
    """Check that response_url is on one of the caller's own hosts (TRP-23).

    The IP addresses of the host are checked later, when the result is posted.
    Raises: InvalidParameters when it is on another host or the URL policy refuses it.
    """
    policy = UrlPolicy(call.node.settings.allow_loopback, resolve=lambda *_, **__: ())
    with suppress(Unresolvable):
        policy.check(url, field="response_url")
    if not belongs_to(call.caller, url):
        raise InvalidParameters(
            "must be on a host (and port) of the caller's versions URL or endpoints", field="response_url"
        )


def _is_for_us(node: Node, request: Request) -> bool:
    """Check whether a command is for a CPO party of this node. At a node that is no hub every command is."""
    if not node.settings.plays("HUB"):
        return True
    return node.settings.owns(request.routing.receiver, "CPO")


def _keys(node: Node, request: Request) -> Sequence[Key]:
    """Keys to read ahead. An unreadable body gives no keys; its error is answered after authentication."""
    document: Any = {}
    if len(request.body or "") > _READ_AHEAD:
        return ()
    with suppress(OcpiError):
        document = request.json_object()
    if not isinstance(document.get("response_url"), str):
        return ()
    keys = keys_of_execution if _is_for_us(node, request) else keys_of_relay
    return [*keys(node, request, document), *keys_of_sender(request, document)]


INTERFACE = Interface(
    MODULE,
    "RECEIVER",
    (Route("POST", "/{command}", post_command, _keys, gives=Kind.COMMAND_RESPONSE),),
    relay=False,
)
