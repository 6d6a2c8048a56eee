"""Charging preferences: what a driver wants of an ongoing session, told to its CPO.

The CPO answers from what it knows of the EVSE and keeps what it accepted beside the session, in an item of
its own, so that a PATCH of the session and new preferences never undo each other. Its CSMS reads them at
the operator's door. A hub asks the CPO and hands the answer on.

Source: OCPI 2.2.1 mod_sessions_set_charging_preferences; SES-17, SES-18
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chalicelib.errors import ConnectionProblem
from chalicelib.modules.sessions.rules import answer_preferences
from chalicelib.partners.answers import PartnerError
from chalicelib.partners.relaying import relayed_answer, relayed_error
from chalicelib.protocol.json_text import JsonText, read_json, write_json
from chalicelib.protocol.message import Party, Routing
from chalicelib.protocol.types import fold, format_datetime
from chalicelib.storage.keys import Ref
from chalicelib.storage.table import Key

if TYPE_CHECKING:
    from chalicelib.modules.sessions.objects import ChargingPreferences
    from chalicelib.node import Node
    from chalicelib.partners.answers import Answer
    from chalicelib.protocol.message import Reply, Request
    from chalicelib.storage.objects import Stored

MODULE = "sessions"
Document = dict[str, Any]

_ASK_S = 8.0
"""How long the CPO may take, so that whoever asked is answered in time."""


def take_preferences(
    node: Node, session: Stored, document: Document, preferences: ChargingPreferences
) -> str:
    """Judge preferences for an own session, and keep them when they are accepted.

    document: what came, of which `preferences` is the reading. Returns a ChargingPreferencesResponse.
    Raises: NotFound when the EVSE cannot take preferences (SES-18).
    """
    body = read_json(str(session.body))
    evse = _evse(node, session.ref, body)
    tariffs = _tariffs(node, session.ref, body, evse)
    answer = answer_preferences(body, evse, tariffs, preferences, node.clock())
    if answer == "ACCEPTED":
        key = preferences_key(session.ref)
        at = format_datetime(node.clock())
        node.table.put({"pk": key.pk, "sk": key.sk, "body": write_json(document), "at": at})
    return answer


def preferences_key(ref: Ref) -> Key:
    """Where the latest accepted preferences of a session are kept."""
    return Key(ref.key.pk, "preferences")


def read_preferences(node: Node, ref: Ref) -> JsonText | None:
    """The latest accepted preferences of a session, None when there are none."""
    item = node.table.get(preferences_key(ref))
    return JsonText(item["body"]) if item else None


def ask_owner(node: Node, request: Request, session: Stored, document: Document) -> Reply:
    """Ask the CPO that a received session came from, for the caller, and answer what it answers (RTE-23).

    Raises: HubError and its kinds when nobody answers.
    """
    owner = Party(session.ref.country_code, session.ref.party_id)
    routing = Routing(request.routing.sender, owner, request.routing.relays + 1)
    try:
        answer = send_preferences(node, session, document, routing, request)
    except PartnerError as error:
        return relayed_error(error)
    return relayed_answer(answer)


def send_preferences(
    node: Node, session: Stored, document: Document, routing: Routing, request: Request
) -> Answer:
    """Put preferences to the partner that a session came from.

    Raises: ConnectionProblem when it is not connected (any more), PartnerError for what it answers.
    """
    partner = node.directory.get(session.source)
    if partner is None or not partner.is_registered or partner.connection == "OFFLINE":
        raise ConnectionProblem("the partner that the session came from is not connected")
    return node.client.send(
        partner, "PUT", MODULE, "SENDER", (session.ref.id, "charging_preferences"),
        document=document, routing=routing, correlation_id=request.correlation_id, total_s=_ASK_S,
    )  # fmt: skip


def _evse(node: Node, ref: Ref, session: Mapping[str, Any]) -> Document | None:
    location = Ref("locations", ref.country_code, ref.party_id, session["location_id"])
    evse = node.locations.get_evse(location, session["evse_uid"])
    return read_json(str(evse.body)) if evse else None


def _tariffs(
    node: Node, ref: Ref, session: Mapping[str, Any], evse: Mapping[str, Any] | None
) -> list[Document]:
    """The tariffs of the connector that a session uses."""
    connectors = evse["connectors"] if evse else ()
    used = (one for one in connectors if fold(one["id"]) == fold(session["connector_id"]))
    ids = {tariff_id for connector in used for tariff_id in connector.get("tariff_ids") or ()}
    found = node.objects.get_many(Ref("tariffs", ref.country_code, ref.party_id, one) for one in ids)
    return [read_json(str(stored.body)) for stored in found.values()]
