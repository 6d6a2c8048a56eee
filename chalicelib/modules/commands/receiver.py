"""Receiver interface of commands: a CPO tries them, a hub relays them.

This file has the checks that both make first: the caller is an eMSP or a hub, the body is valid, the
response_url is on a host of the caller, and the token belongs to the sender. `cpo_decision.py` (CPO) and
`hub_decision.py` (hub) decide the rest.

Source: OCPI 2.2.1 mod_commands, Receiver Interface; CMD-01, CMD-02, CMD-12, TRP-23
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from chalicelib.async_requests.forwarding import relay
from chalicelib.async_requests.intake import Incoming, claims_of, refused
from chalicelib.async_requests.store import AsyncRequests
from chalicelib.errors import ClientError, InvalidParameters, NotFound, OcpiError
from chalicelib.findings.received import Source, read_received
from chalicelib.modules.commands.cpo_decision import decide_execution, keys_of_execution
from chalicelib.modules.commands.hub_decision import decide_relay, keys_of_relay
from chalicelib.modules.commands.kind import COMMAND
from chalicelib.modules.commands.objects import COMMANDS, REJECTED
from chalicelib.partners.directory import claim_key
from chalicelib.policy.ownership import may_act_for
from chalicelib.protocol.kinds import Kind
from chalicelib.protocol.message import Party, Reply, Request
from chalicelib.routes import Call, Interface, Route

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chalicelib.node import Node
    from chalicelib.settings import Settings
    from chalicelib.storage.table import Key

EMSP = "EMSP"

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
    if not call.caller.has_role(EMSP, "HUB"):
        return refused(REJECTED, ClientError("only an eMSP, or a hub for one, sends commands"))
    came = call.json_object(Kind[name])
    source = Source(call.caller, COMMAND.module)
    document = read_received(call.node, source, COMMANDS[name], came, _fills(call)).document
    incoming = Incoming.of(COMMAND, call, name, document, _sender_of(call, document), came)
    token = document.get("token")
    if token is not None and not may_use(call, token):
        return refused(REJECTED, InvalidParameters("not a token of the sender", field="token.party_id"))
    commands = AsyncRequests(call.node, COMMAND)
    if _is_for_us(call.node.settings, call.request):
        return commands.accept(incoming, lambda: decide_execution(incoming))
    return relay(commands, incoming, lambda: decide_relay(incoming))


def _fills(call: Call) -> dict[str, Any]:
    """Values for a token that names no owner, and for one without `valid`.

    An eMSP sends commands for its own tokens only, and only for those that may charge (CMD-12).
    """
    own = call.caller.parties(EMSP)
    sender = call.request.routing.sender or (own[0] if len(own) == 1 else None)
    fills: dict[str, Any] = {"token.valid": True}
    if sender is None or call.caller.plays_as(sender, "HUB"):
        return fills
    return {**fills, "token.country_code": sender.country_code, "token.party_id": sender.party_id}


def may_use(call: Call, token: Mapping[str, Any]) -> bool:
    """Check that a token belongs to the sender of the command (CMD-12).

    A hub sends commands for eMSPs behind it. The token must belong to the eMSP in OCPI-from, and must not
    belong to another partner or to a party of this node. The eMSP has authorized the token (CMD-10), so it
    may be unknown here and its validity is not checked.
    """
    owner = Party(token["country_code"], token["party_id"])
    node, caller, sender = call.node, call.caller, call.request.routing.sender
    if not caller.is_hub:
        return caller.plays_as(owner, EMSP)
    if not may_act_for(node.settings, node.table, caller, owner, EMSP, call.snapshot):
        return False
    return sender is None or caller.plays_as(sender, "HUB") or owner.same_as(sender)


def _sender_of(call: Call, document: Mapping[str, Any]) -> Party:
    """The sending eMSP: from OCPI-from, else the token's owner, else the caller's first eMSP."""
    caller, token = call.caller, document.get("token")
    if call.request.routing.sender is not None:
        return call.request.routing.sender
    if token is not None and not caller.is_hub:
        return Party(token["country_code"], token["party_id"])
    return next(iter(caller.parties(EMSP)), caller.roles[0].party)


def _is_for_us(settings: Settings, request: Request) -> bool:
    """Check whether a command is for a CPO party of this node. At a node that is no hub every command is."""
    if not settings.plays("HUB"):
        return True
    return settings.owns(request.routing.receiver, "CPO")


def _keys(node: Node, request: Request) -> Sequence[Key]:
    """Keys to read ahead. An unreadable body gives no keys; its error is answered after authentication."""
    document: Any = {}
    if len(request.body or "") > _READ_AHEAD:
        return ()
    with suppress(OcpiError):
        document = request.json_object()
    if not isinstance(document.get("response_url"), str):
        return ()
    keys = keys_of_execution if _is_for_us(node.settings, request) else keys_of_relay
    of_sender = _keys_of_sender(request, document)
    claims = claims_of(COMMAND, request.routing.sender, request.request_id, document["response_url"])
    return [
        *of_sender,
        *AsyncRequests(node, COMMAND).keys_to_create(claims),
        *keys(node, request, document),
    ]


def _keys_of_sender(request: Request, document: Mapping[str, Any]) -> list[Key]:
    """Keys of the claims of the sender in OCPI-from and of the token's owner. The body may be invalid."""
    parties = [request.routing.sender] if request.routing.sender else []
    token = document.get("token")
    fields = token if isinstance(token, dict) else {}
    country_code, party_id = fields.get("country_code"), fields.get("party_id")
    if isinstance(country_code, str) and isinstance(party_id, str):
        parties += [Party(country_code, party_id)] if (len(country_code), len(party_id)) == (2, 3) else []
    return [claim_key(party, EMSP) for party in parties]


INTERFACE = Interface(
    COMMAND.module,
    "RECEIVER",
    (Route("POST", "/{command}", post_command, _keys, gives=Kind.COMMAND_RESPONSE),),
    relay=False,
)
