"""Decision on a command at a CPO: whether it can be tried, and what to store.

The token's validity is not checked: the eMSP has authorized it (CMD-10).

Source: OCPI 2.2.1 mod_commands, Receiver Interface; CMD-05, CMD-07 … CMD-10, CMD-13, CMD-14, CMD-16
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from chalicelib.async_requests.intake import Decision, NewRequest, refused
from chalicelib.async_requests.objects import Outcome, Post, RequestState
from chalicelib.errors import InvalidParameters, UnknownLocation
from chalicelib.modules.commands.objects import (
    CONNECTOR_REQUIRED,
    NEEDED_CAPABILITIES,
    NOT_SUPPORTED,
    REJECTED,
    UNKNOWN_RESERVATION,
    UNKNOWN_SESSION,
)
from chalicelib.modules.commands.reservations import (
    chooser_of,
    find_reservation,
    own_id_for,
    reservation_item,
)
from chalicelib.modules.locations.objects import REMOVED
from chalicelib.policy.remote_starts import start_items, started
from chalicelib.policy.visibility import viewer_of
from chalicelib.protocol.json_text import read_json, write_json
from chalicelib.protocol.types import fold, format_datetime
from chalicelib.storage.keys import Ref

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from chalicelib.async_requests.intake import Incoming
    from chalicelib.async_requests.objects import AsyncRequest
    from chalicelib.node import Node
    from chalicelib.protocol.message import Party, Reply, Request
    from chalicelib.settings import Settings
    from chalicelib.storage.locations import LocationStore
    from chalicelib.storage.objects import ObjectStore, Stored
    from chalicelib.storage.table import Item, Key

_ENDED = frozenset({"COMPLETED", "INVALID"})
_LONGEST_ID = 36


def decide_execution(incoming: Incoming) -> Decision:
    """Decide whether a command can be tried: the command to store, otherwise the refusal.

    Raises: InvalidParameters when the EVSE requires a connector_id and the command has none (CMD-09).
    """
    refusal, owner = _judge(incoming.call.node, incoming)
    if refusal is not None:
        return refusal
    return _new_command(incoming.call.node, _with_connector(incoming, owner), owner)


def _with_connector(incoming: Incoming, owner: Party) -> Incoming:
    """Name the only connector of the EVSE in a START_SESSION of OCPI 2.2.

    That version has no connector_id (V22-12).
    """
    document, call = incoming.document, incoming.call
    if incoming.name != "START_SESSION" or call.request.version != "2.2" or "evse_uid" not in document:
        return incoming
    ref = Ref("locations", *owner, document["location_id"])
    evse = _find_evse(call.node.locations, ref, document, call.snapshot)
    connectors = evse["connectors"] if evse else []
    if len(connectors) != 1 or document.get("connector_id"):
        return incoming
    return replace(incoming, document={**document, "connector_id": connectors[0]["id"]})


def keys_of_execution(node: Node, request: Request, document: Mapping[str, Any]) -> list[Key]:
    """Keys of the location or session that `decide_execution` needs, read with the caller's token."""
    keys: list[Key] = []
    location_id, session_id = _readable_id(document, "location_id"), _readable_id(document, "session_id")
    for party in _own_parties(node.settings, request):
        if location_id is not None:
            keys += node.locations.keys_for_get(Ref("locations", *party, location_id))
        if session_id is not None:
            keys += node.objects.keys_for_get(Ref("sessions", *party, session_id))
    return keys


def _readable_id(document: Mapping[str, Any], name: str) -> str | None:
    """An id from a body that is not validated yet, used to read ahead. Returns None when it is not an id."""
    value = document.get(name)
    is_id = isinstance(value, str) and 0 < len(value) <= _LONGEST_ID and value.isascii()
    return value if is_id else None


def _judge(node: Node, incoming: Incoming) -> tuple[Reply | None, Party]:
    """Check a command.

    Returns the refusal (None: it can be tried) and the own party that the command is for.
    """
    parties = _own_parties(node.settings, incoming.call.request)
    if incoming.name == "STOP_SESSION":
        return _judge_session(node.objects, incoming, parties)
    if incoming.name == "CANCEL_RESERVATION":
        return None, parties[0]
    return _judge_place(node.locations, incoming, parties)


def _judge_session(
    objects: ObjectStore, incoming: Incoming, parties: Sequence[Party]
) -> tuple[Reply | None, Party]:
    for party in parties:
        ref = Ref("sessions", *party, incoming.document["session_id"])
        stored = objects.get(ref, incoming.call.snapshot)
        if stored is None:
            continue
        if not _is_of_sender(stored, incoming):
            return refused(REJECTED, None), party
        has_ended = read_json(str(stored.body)).get("status") in _ENDED
        return (refused(REJECTED, None) if has_ended else None), party
    return refused(UNKNOWN_SESSION), parties[0]


def _is_of_sender(stored: Stored, incoming: Incoming) -> bool:
    """Check that the caller may see a session, and that the sending eMSP owns its token (CMD-08)."""
    if viewer_of(incoming.call.caller, stored.partition) is None:
        return False
    sender = incoming.call.request.routing.sender
    token = read_json(str(stored.body)).get("cdr_token") or {}
    if sender is None or incoming.call.caller.plays_as(sender, "HUB") or "party_id" not in token:
        return True
    return (fold(token["country_code"]), fold(token["party_id"])) == (
        fold(sender.country_code),
        fold(sender.party_id),
    )


def _judge_place(
    locations: LocationStore, incoming: Incoming, parties: Sequence[Party]
) -> tuple[Reply | None, Party]:
    document, known = incoming.document, incoming.call.snapshot
    for party in parties:
        ref = Ref("locations", *party, document["location_id"])
        if locations.get_header(ref, known) is None:
            continue
        evse = _find_evse(locations, ref, document, known)
        problem = None if evse is None else _problem_of(evse, incoming)
        if evse and problem is None and not _is_capable(evse, incoming.name):
            return refused(NOT_SUPPORTED), party
        return (refused(REJECTED, problem) if problem is not None else None), party
    return refused(REJECTED, UnknownLocation(field="location_id")), parties[0]


def _find_evse(
    locations: LocationStore, ref: Ref, document: Mapping[str, Any], known: Mapping[Key, Item]
) -> dict[str, Any] | None:
    """The EVSE of the command: {} when it is unknown or removed, None when the command names no EVSE."""
    uid = document.get("evse_uid")
    if uid is None:
        return None
    stored = locations.get_evse(ref, uid, known)
    evse: dict[str, Any] = read_json(str(stored.body)) if stored else {}
    return {} if evse.get("status") == REMOVED else evse


def _problem_of(evse: Mapping[str, Any], incoming: Incoming) -> InvalidParameters | UnknownLocation | None:
    """Check the EVSE and the connector of a command. Returns the error, None when both exist.

    A command without a connector_id is for the only connector of its EVSE.
    Raises: InvalidParameters when the EVSE requires a connector_id and the command has none (CMD-09).
    """
    if not evse:
        return UnknownLocation("unknown EVSE", field="evse_uid")
    connector_id = incoming.document.get("connector_id")
    if connector_id is None:
        return _problem_without_connector(evse, incoming)
    if fold(connector_id) not in [fold(one["id"]) for one in evse["connectors"]]:
        return UnknownLocation("unknown connector", field="connector_id")
    return None


def _problem_without_connector(evse: Mapping[str, Any], incoming: Incoming) -> InvalidParameters | None:
    is_required = CONNECTOR_REQUIRED in (evse.get("capabilities") or ())
    is_only = len(evse["connectors"]) == 1 and not incoming.call.caller.strict
    if incoming.name != "START_SESSION" or not is_required or is_only:
        return None
    problem = InvalidParameters("required at this EVSE", field="connector_id")
    if incoming.call.request.version == "2.2":
        return problem  # OCPI 2.2 has no connector_id, so it is no fault of the sender (V22-12).
    raise problem


def _is_capable(evse: Mapping[str, Any], command: str) -> bool:
    """Check that an EVSE's capabilities allow a command; one that lists none may have any (CMD-04)."""
    listed, needed = evse.get("capabilities"), NEEDED_CAPABILITIES.get(command)
    return not listed or not needed or not needed.isdisjoint(listed)


def _own_parties(settings: Settings, request: Request) -> list[Party]:
    """The CPO parties of this node that the command may be for: the one in OCPI-to, otherwise all."""
    own = settings.parties("CPO")
    to = request.routing.receiver
    return [party for party in own if party.same_as(to)] or own


def _new_command(node: Node, incoming: Incoming, owner: Party) -> NewRequest:
    """Make the command to store, with the items to write in the same transaction."""
    now, document = node.clock(), incoming.document
    command = incoming.to_try(addressee=owner)
    extra_items: list[Item] = []
    if "reservation_id" in document:
        chooser = chooser_of(incoming.call)
        reservation = find_reservation(node.table, command.partner_id, chooser, document["reservation_id"])
        if incoming.name == "RESERVE_NOW":
            own_id = own_id_for(reservation, document["location_id"], node.new_id)
            command = command.changed(now, own_id=own_id)
            extra_items.append(reservation_item(command, chooser, document))
        elif reservation is None:
            command = _unknown_reservation(command, now)
        else:
            command = command.changed(now, own_id=reservation.own_id)
    if "token" in document:
        place = document["location_id"], document.get("evse_uid")
        start = started(command.partner_id, command.id, now, *place, document.get("expiry_date"))
        extra_items += start_items(document["token"], document.get("authorization_reference"), start, now)
    return NewRequest(command, extra_items)


def _unknown_reservation(command: AsyncRequest, now: datetime) -> AsyncRequest:
    """Complete a command at once with UNKNOWN_RESERVATION; the result is posted like any other (CMD-16)."""
    outcome = Outcome(
        result=UNKNOWN_RESERVATION,
        body=write_json({"result": UNKNOWN_RESERVATION}),
        at=format_datetime(now),
        post=Post(),
    )
    return command.changed(now, state=RequestState.COMPLETED, result=outcome)
