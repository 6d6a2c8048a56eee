"""Sender interface of sessions, for a CPO or a hub: the list in pages, and charging preferences.

A partner sees only the sessions of its own tokens (`visibility.py`). OCPI requires `date_from` in this module
only (SES-03); many programs leave it out, so the list then starts at the first session, but for a partner
that is set to strict. There is no GET of a single session (SES-02).

Source: OCPI 2.2.1 mod_sessions, Sender Interface; SES-01 … SES-03, SES-17, SES-18
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.errors import InvalidParameters, NotFound
from chalicelib.findings.received import Source, read_received
from chalicelib.modules.sender_list import answer_list, keys_of_list
from chalicelib.modules.sessions.objects import ChargingPreferences
from chalicelib.modules.sessions.preferences import ask_owner, take_preferences
from chalicelib.policy.ownership import id_in_url
from chalicelib.policy.received_parties import known_owners, owners_key
from chalicelib.policy.visibility import list_partitions
from chalicelib.protocol.kinds import Kind
from chalicelib.protocol.message import Reply, Request
from chalicelib.protocol.types import validate
from chalicelib.routes import Call, Interface, Route
from chalicelib.storage.keys import Ref

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chalicelib.node import Node
    from chalicelib.protocol.message import Party
    from chalicelib.settings import Settings
    from chalicelib.storage.objects import Stored
    from chalicelib.storage.table import Item, Key

MODULE = "sessions"


def get_sessions(call: Call) -> Reply:
    """Answer a page of the sessions of the caller's tokens."""
    return answer_list(call, MODULE, call.node.objects, require_date_from=True)


def put_charging_preferences(call: Call) -> Reply:
    """Answer a driver's charging preferences; a hub forwards them to the session's CPO."""
    session = _find(call)
    source = Source(call.caller, MODULE)
    document = read_received(call.node, source, ChargingPreferences, call.json_object()).document
    preferences = validate(ChargingPreferences, document)
    if session.source:
        return ask_owner(call.node, call.request, session, document)
    return Reply(take_preferences(call.node, session, document, preferences))


def _find(call: Call) -> Stored:
    """Return the session in the URL, among those that the caller may see.

    Raises: NotFound; InvalidParameters when several owners have one of this id (TRP-17).
    """
    refs = _refs(call.node.settings, call.request, call.snapshot)
    items = call.node.table.read([ref.key for ref in refs], call.snapshot)
    shown = list_partitions(call.node, MODULE, call.caller)
    found = [
        stored for ref in refs if (stored := call.node.objects.get(ref, items)) and stored.partition in shown
    ]
    if len(found) > 1:
        raise InvalidParameters("several parties have a session of this id", field="OCPI-to-party-id")
    if not found:
        raise NotFound("unknown session")
    return found[0]


def _refs(settings: Settings, request: Request, known: Mapping[Key, Item]) -> list[Ref]:
    session_id = id_in_url(request, "session_id")
    return [Ref(MODULE, *owner, session_id) for owner in _owners(settings, request, known)]


def _owners(settings: Settings, request: Request, known: Mapping[Key, Item]) -> list[Party]:
    """Return the possible owners of the session; the URL does not name the owner."""
    addressed, hub = request.routing.receiver, settings.party_of("HUB")
    if addressed is not None and not addressed.same_as(hub):
        return [addressed]
    own = settings.parties("CPO")
    return own + known_owners(known, MODULE) if hub else own


def _keys_of_page(node: Node, request: Request) -> Sequence[Key]:
    return keys_of_list(node, request, MODULE, node.objects)


def _keys_of_session(node: Node, request: Request) -> Sequence[Key]:
    keys = [ref.key for ref in _refs(node.settings, request, {})]
    return [*keys, owners_key(MODULE)] if node.settings.plays("HUB") else keys


INTERFACE = Interface(
    MODULE,
    "SENDER",
    (
        Route("GET", "", get_sessions, _keys_of_page, gives=Kind.SESSION),
        Route(
            "PUT",
            "/{session_id}/charging_preferences",
            put_charging_preferences,
            _keys_of_session,
            takes=Kind.CHARGING_PREFERENCES,
            gives=Kind.CHARGING_PREFERENCES_RESPONSE,
        ),
    ),
    relay=False,
)
