"""A command at a hub: send it to the CPO that has to try it, and return the CPO's answer to the eMSP.

OCPI does not define response_url at a hub. The CPO gets a URL of the hub, because the CPO has no token for
the eMSP. The hub stores the eMSP's URL and posts the result there once, when it arrives (`sender.py`).

The CPO is the one in OCPI-to; without OCPI-to, the one that has the location, the session or the reservation.

Source: OCPI 2.2.1 transport_and_format_message_routing; RTE-23, RTE-27 … RTE-31, RTE-33, CMD-20
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.calls.answers import PartnerError
from chalicelib.errors import ConnectionProblem, HubError, InvalidParameters, UnknownLocation
from chalicelib.hub.relayed_answers import relayed_error
from chalicelib.modules.commands.forwarding import UNANSWERED, hand_on
from chalicelib.modules.commands.incoming import claims_of
from chalicelib.modules.commands.objects import REJECTED, UNKNOWN_SESSION
from chalicelib.modules.commands.replies import refused, reply_of
from chalicelib.modules.commands.reservations import find_reservation, reservation_item
from chalicelib.modules.commands.rules import Command, Direction
from chalicelib.modules.commands.store import create, find_repeated, keys_to_create
from chalicelib.modules.commands.targets import CommandTarget, addressed_target, find_target, keys_to_find
from chalicelib.modules.commands.tasks import queue_results, watch_deadline
from chalicelib.policy.visibility import viewer_of
from chalicelib.protocol.message import Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.modules.commands.incoming import Incoming
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner
    from chalicelib.protocol.message import Party, Request
    from chalicelib.storage.table import Key


def relay(node: Node, incoming: Incoming) -> Reply:
    """Send a command to its CPO and return the CPO's answer.

    Raises: UnknownReceiver when no partner plays the party in OCPI-to, ConnectionProblem when the CPO is not
    registered or cannot be reached, ReceiverTimeout, HubError when its answer is invalid (CMD-20).
    """
    call = incoming.call
    command = find_repeated(node, incoming.claims, call.caller.id, incoming.digest, call.snapshot)
    if command is None:
        target = _find_target(node, incoming)
        if target is None:
            return _refused(incoming)
        if incoming.name == "STOP_SESSION" and not _may_stop(target, incoming):
            return refused(REJECTED)
        partner = _connected(node, target.partner_id)
        command = _create(node, incoming, target)
    elif command.response is None:
        partner = _connected(node, command.receiver_id)
    if command.response is not None:
        # The first request may have died between storing and queueing.
        queue_results(node, command, delay_s=1)
        return reply_of(command.response)
    return _hand_on(node, command, partner, call.request)


def keys_of_relay(node: Node, request: Request, document: Mapping[str, Any]) -> list[Key]:
    """Keys of the items that `relay` needs first. They are read together with the caller's token."""
    claims = claims_of(request, document["response_url"])
    return [*keys_to_create(claims), *keys_to_find(_another(node, request))]


def _connected(node: Node, partner_id: str) -> Partner:
    partner = node.directory.get(partner_id)
    if partner is None or not partner.is_registered:
        raise ConnectionProblem
    return partner


def _hand_on(node: Node, command: Command, partner: Partner, request: Request) -> Reply:
    try:
        command = hand_on(node, command, partner, request.base_url, request.routing.relays + 1)
    except PartnerError as error:
        return relayed_error(error)
    except InvalidParameters as error:
        raise HubError(f"the receiver's answer is no CommandResponse: {error}") from error
    assert command.response is not None
    return reply_of(command.response)


def _create(node: Node, incoming: Incoming, target: CommandTarget) -> Command:
    command = incoming.new_command(
        node,
        Direction.RELAYED,
        node.clock() + UNANSWERED,
        receiver_id=target.partner_id,
        addressee=target.party,
    )
    watch_deadline(node, command)
    document = incoming.document
    extra_items = (
        [reservation_item(command, incoming.chooser, document)] if incoming.name == "RESERVE_NOW" else []
    )
    command, _ = create(node, command, incoming.claims, extra_items, incoming.call.snapshot)
    return command


def _find_target(node: Node, incoming: Incoming) -> CommandTarget | None:
    """Find the CPO of a command. Returns None when no partner has its location, session or reservation."""
    known, to = incoming.call.snapshot, _another(node, incoming.call.request)
    if to is not None:
        return addressed_target(to, known)
    if incoming.name != "CANCEL_RESERVATION":
        return find_target(node, incoming.document, known)
    reservation_id = incoming.document["reservation_id"]
    reservation = find_reservation(node, incoming.call.caller.id, incoming.chooser, reservation_id)
    if reservation is None or reservation.addressee is None:
        return None
    return CommandTarget(reservation.receiver_id, reservation.addressee)


def _another(node: Node, request: Request) -> Party | None:
    """The party in OCPI-to. Returns None for a party of this node: then the body decides the CPO."""
    to = request.routing.receiver
    return None if to is None or node.settings.owns(to) else to


def _refused(incoming: Incoming) -> Reply:
    if incoming.name == "STOP_SESSION":
        return refused(UNKNOWN_SESSION)
    if incoming.name == "CANCEL_RESERVATION":
        # Spec: CommandResponseType has no UNKNOWN_RESERVATION, and there is no CPO that could post it as
        # result.
        return refused(REJECTED)
    return refused(REJECTED, UnknownLocation(field="location_id"))


def _may_stop(target: CommandTarget, incoming: Incoming) -> bool:
    """Check that the caller may see the session to stop, if this hub has it stored (CMD-08)."""
    return target.item is None or viewer_of(incoming.call.caller, target.item["lp"]) is not None
