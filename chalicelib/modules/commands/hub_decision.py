"""Decision on a command at a hub: the CPO that has to try it.

The CPO is the one in OCPI-to; without OCPI-to, the one that has the location, the session or the reservation.

Source: OCPI 2.2.1 transport_and_format_message_routing; RTE-23, RTE-27 … RTE-31, CMD-20
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.async_requests.forwarding import UNANSWERED, connected
from chalicelib.async_requests.intake import Decision, NewRequest, refused
from chalicelib.async_requests.objects import Direction
from chalicelib.errors import UnknownLocation
from chalicelib.modules.commands.objects import REJECTED, UNKNOWN_SESSION
from chalicelib.modules.commands.reservations import chooser_of, find_reservation, reservation_item
from chalicelib.modules.commands.targets import CommandTarget, addressed_target, find_target, keys_to_find
from chalicelib.policy.visibility import viewer_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.async_requests.intake import Incoming
    from chalicelib.node import Node
    from chalicelib.protocol.message import Party, Reply, Request
    from chalicelib.settings import Settings
    from chalicelib.storage.table import Key


def decide_relay(incoming: Incoming) -> Decision:
    """Decide which CPO has to try a command: the command to store and to send on, otherwise the refusal.

    Raises: UnknownReceiver when no partner plays the party in OCPI-to, ConnectionProblem when the CPO is not
    registered; InvalidParameters when several CPOs have a location or session of this id.
    """
    node = incoming.call.node
    target = _find_target(node, incoming)
    if target is None:
        return _refused(incoming)
    if incoming.name == "STOP_SESSION" and not _may_stop(target, incoming):
        return refused(REJECTED)
    receiver = connected(node.directory, target.partner_id)
    deadline = node.clock() + UNANSWERED
    command = incoming.new_request(
        Direction.RELAYED, deadline, receiver_id=target.partner_id, addressee=target.party
    )
    if incoming.name != "RESERVE_NOW":
        return NewRequest(command, receiver=receiver)
    reservation = reservation_item(command, chooser_of(incoming.call), incoming.document)
    return NewRequest(command, [reservation], receiver)


def keys_of_relay(node: Node, request: Request, document: Mapping[str, Any]) -> list[Key]:
    """Keys of the items that `decide_relay` needs first. They are read with the caller's token."""
    return keys_to_find(_another(node.settings, request))


def _find_target(node: Node, incoming: Incoming) -> CommandTarget | None:
    """Find the CPO of a command. Returns None when no partner has its location, session or reservation."""
    known, to = incoming.call.snapshot, _another(node.settings, incoming.call.request)
    if to is not None:
        return addressed_target(to, known)
    if incoming.name != "CANCEL_RESERVATION":
        return find_target(node, incoming.document, known)
    reservation_id = incoming.document["reservation_id"]
    reservation = find_reservation(
        node.table, incoming.call.caller.id, chooser_of(incoming.call), reservation_id
    )
    if reservation is None or reservation.addressee is None:
        return None
    return CommandTarget(reservation.receiver_id, reservation.addressee)


def _another(settings: Settings, request: Request) -> Party | None:
    """The party in OCPI-to. Returns None for a party of this node: then the body decides the CPO."""
    to = request.routing.receiver
    return None if to is None or settings.owns(to) else to


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
