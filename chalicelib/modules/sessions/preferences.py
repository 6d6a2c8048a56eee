"""Charging preferences of a driver for an ongoing session, sent to the session's CPO.

The CPO answers by the capabilities of the EVSE. It stores accepted preferences in an item of their own, next
to the session, so that a PATCH of the session and new preferences never overwrite each other. The CSMS reads
them through the operator API. A hub forwards the preferences to the CPO and relays the answer.

Source: OCPI 2.2.1 mod_sessions_set_charging_preferences; SES-17, SES-18
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chalicelib.calls.answers import PartnerError
from chalicelib.calls.client import Exchange
from chalicelib.errors import ConnectionProblem
from chalicelib.hub.relayed_answers import relayed_answer, relayed_error
from chalicelib.modules.sessions.rules import answer_preferences
from chalicelib.protocol.json_text import Document, JsonText, read_json, write_json
from chalicelib.protocol.kinds import Kind
from chalicelib.protocol.message import Party, Routing
from chalicelib.protocol.types import fold, format_datetime
from chalicelib.storage.keys import Ref
from chalicelib.storage.table import Key

if TYPE_CHECKING:
    from chalicelib.calls.answers import Answer
    from chalicelib.modules.sessions.objects import ChargingPreferences
    from chalicelib.node import Node
    from chalicelib.protocol.message import Reply, Request
    from chalicelib.storage.locations import LocationStore
    from chalicelib.storage.objects import ObjectStore, Stored
    from chalicelib.storage.table import Table

MODULE = "sessions"

_ASK_S = 8.0
"""Seconds that the CPO has to answer, so that the caller is answered in time."""


def take_preferences(
    node: Node, session: Stored, document: Document, preferences: ChargingPreferences
) -> str:
    """Check preferences for an own session, and store them when they are accepted.

    document: the body, from which `preferences` was read. Returns a ChargingPreferencesResponse.
    Raises: NotFound when the EVSE cannot take preferences (SES-18).
    """
    body = read_json(str(session.body))
    evse = _evse(node.locations, session.ref, body)
    tariffs = _tariffs(node.objects, session.ref, body, evse)
    answer = answer_preferences(body, evse, tariffs, preferences, node.clock())
    if answer == "ACCEPTED":
        key = preferences_key(session.ref)
        at = format_datetime(node.clock())
        node.table.put({"pk": key.pk, "sk": key.sk, "body": write_json(document), "at": at})
    return answer


def preferences_key(ref: Ref) -> Key:
    """Return the key of the latest accepted preferences of a session."""
    return Key(ref.key.pk, "preferences")


def read_preferences(table: Table, ref: Ref) -> JsonText | None:
    """Return the latest accepted preferences of a session, None when there are none."""
    item = table.get(preferences_key(ref))
    return JsonText(item["body"]) if item else None


def ask_owner(node: Node, request: Request, session: Stored, document: Document) -> Reply:
    """Forward a caller's preferences to the CPO of a received session, and relay the answer (RTE-23).

    Raises: HubError or a subclass when the CPO gives no answer.
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
    """PUT preferences to the partner that a session came from.

    Raises: ConnectionProblem when the partner is not connected; PartnerError when the call fails.
    """
    partner = node.directory.get(session.source)
    if partner is None or not partner.is_registered or partner.connection == "OFFLINE":
        raise ConnectionProblem("the partner that the session came from is not connected")
    exchange = Exchange(
        "PUT", document, routing=routing, correlation_id=request.correlation_id, total_s=_ASK_S,
        takes=Kind.CHARGING_PREFERENCES, gives=Kind.CHARGING_PREFERENCES_RESPONSE,
    )  # fmt: skip
    return node.client.send(partner, MODULE, "SENDER", (session.ref.id, "charging_preferences"), exchange)


def _evse(locations: LocationStore, ref: Ref, session: Mapping[str, Any]) -> Document | None:
    location = Ref("locations", ref.country_code, ref.party_id, session["location_id"])
    evse = locations.get_evse(location, session["evse_uid"])
    return read_json(str(evse.body)) if evse else None


def _tariffs(
    objects: ObjectStore, ref: Ref, session: Mapping[str, Any], evse: Mapping[str, Any] | None
) -> list[Document]:
    """Return the tariffs of the connector that a session uses."""
    connectors = evse["connectors"] if evse else ()
    used = (one for one in connectors if fold(one["id"]) == fold(session["connector_id"]))
    ids = {tariff_id for connector in used for tariff_id in connector.get("tariff_ids") or ()}
    found = objects.get_many(Ref("tariffs", ref.country_code, ref.party_id, one) for one in ids)
    return [read_json(str(stored.body)) for stored in found.values()]
