"""Sessions in the operator API: a CPO's CSMS writes its own, every node shows what it has.

A PATCH adds charging periods, as it does between partners; a PUT replaces them. There is no DELETE.

When the CSMS writes a session without a `total_cost`, the node adds its cost so far
(`modules/cdrs/running_cost.py`).

Charging preferences go the other way: an eMSP's operator puts a driver's preferences, and the CPO's CSMS
reads the accepted ones.

Source: OCPI 2.2.1 mod_sessions; SES-05, SES-07, SES-15, SES-17
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from chalicelib.errors import NotFound
from chalicelib.modules.cdrs.running_cost import cost_so_far, keys_to_price
from chalicelib.modules.sessions import own_sessions
from chalicelib.modules.sessions.objects import ChargingPreferences
from chalicelib.modules.sessions.preferences import read_preferences, send_preferences
from chalicelib.node import Node
from chalicelib.operator_api.object_lookup import (
    find_object,
    keys_to_find,
    narrow_to_party,
    object_reply,
    own_parties,
    owner_to_write,
    page_of,
)
from chalicelib.operator_api.problems import not_offered
from chalicelib.policy.ownership import id_in_url
from chalicelib.policy.private_partitions import remembered_lists
from chalicelib.protocol.json_text import read_json
from chalicelib.protocol.message import Party, Reply, Request, Routing
from chalicelib.protocol.types import validate
from chalicelib.routes import OperatorCall, OperatorRoute
from chalicelib.settings import Settings
from chalicelib.storage.keys import Ref
from chalicelib.storage.table import Key

_MODULE = "sessions"
_LIST = "/sessions"
_SESSION = f"{_LIST}/{{session_id}}"
_PREFERENCES = f"{_SESSION}/charging_preferences"

_READ_AHEAD = 64 * 1024
"""Length in characters. Longer bodies are parsed only after the caller is authenticated."""


def list_sessions(call: OperatorCall) -> Reply:
    """A page of all sessions that this node has, of all viewers."""
    return page_of(call, _MODULE, lambda: _listed(call.node, call.request))


def get_session(call: OperatorCall) -> Reply:
    """One session."""
    return object_reply(call, _MODULE)


def put_session(call: OperatorCall) -> Reply:
    """Create or replace an own session."""
    document = call.request.json_object()
    party = owner_to_write(call.node.settings, call.request, document, _MODULE)
    session_id = id_in_url(call.request, "session_id")
    cost = partial(cost_so_far, Ref(_MODULE, *party, session_id), call.snapshot)
    put = own_sessions.put_own_session(call.node, party, session_id, document, call.snapshot, cost)
    return Reply(data=put.document, http_status=201 if put.created else 200)


def patch_session(call: OperatorCall) -> Reply:
    """Change the sent fields of an own session, and add charging periods; `null` removes a field."""
    document = call.request.json_object()
    party = owner_to_write(call.node.settings, call.request, document, _MODULE)
    session_id = id_in_url(call.request, "session_id")
    cost = partial(cost_so_far, Ref(_MODULE, *party, session_id), call.snapshot)
    patched = own_sessions.patch_own_session(call.node, party, session_id, document, call.snapshot, cost)
    return Reply(data=patched.document)


def get_charging_preferences(call: OperatorCall) -> Reply:
    """The latest accepted charging preferences of an own session."""
    preferences = read_preferences(call.node.table, find_object(call, _MODULE).ref)
    if preferences is None:
        raise NotFound("no charging preferences were accepted for this session")
    return Reply(data=preferences)


def put_charging_preferences(call: OperatorCall) -> Reply:
    """Send a driver's preferences to the CPO of a received session; `response` has the CPO's answer."""
    session = find_object(call, _MODULE)
    if not session.source:
        raise not_offered(
            "this session is this node's own: only the eMSP of its driver sends charging preferences", ["GET"]
        )
    document = call.request.json_object()
    validate(ChargingPreferences, document)
    sender = call.node.settings.party_of("EMSP", "HUB")
    routing = Routing(sender, Party(session.ref.country_code, session.ref.party_id))
    answer = send_preferences(call.node, session, document, routing, call.request)
    return Reply(data={"response": answer.data})


def _listed(node: Node, request: Request) -> list[str]:
    """All partitions of sessions, or with `?party=` those of one own party."""
    return narrow_to_party(node.settings, request, _MODULE, remembered_lists(node.table, _MODULE))


def _keys_of_get(node: Node, request: Request) -> Sequence[Key]:
    return keys_to_find(node, request, _MODULE)


def _keys_of_put(node: Node, request: Request) -> Sequence[Key]:
    is_short = len(request.body or "") <= _READ_AHEAD
    document = read_json(request.body or "") if is_short else None
    return _keys_of_change(node.settings, request, document)


def _keys_of_patch(node: Node, request: Request) -> Sequence[Key]:
    return _keys_of_change(node.settings, request, None)


def _keys_of_change(settings: Settings, request: Request, document: object) -> Sequence[Key]:
    session_id = id_in_url(request, "session_id")
    keys = [
        key
        for party in own_parties(settings, _MODULE)
        for key in [
            *own_sessions.keys_to_change(party, session_id, document),
            *keys_to_price(Ref(_MODULE, *party, session_id)),
        ]
    ]
    return list(dict.fromkeys(keys))


ROUTES = (
    OperatorRoute("GET", _LIST, list_sessions),
    OperatorRoute("GET", _SESSION, get_session, _keys_of_get),
    OperatorRoute("PUT", _SESSION, put_session, _keys_of_put),
    OperatorRoute("PATCH", _SESSION, patch_session, _keys_of_patch),
    OperatorRoute("GET", _PREFERENCES, get_charging_preferences, _keys_of_get),
    OperatorRoute("PUT", _PREFERENCES, put_charging_preferences, _keys_of_get),
)
