"""Locations, EVSEs and connectors in the operator API: a CPO writes its own, every node shows what it has.

There is no DELETE: an EVSE that no longer exists gets the status REMOVED (LOC-09).

Source: OCPI 2.2.1 mod_locations; LOC-02, LOC-03, LOC-09
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chalicelib.modules.locations import own_locations
from chalicelib.modules.locations.retrieval import find
from chalicelib.modules.own_objects import OwnObject
from chalicelib.node import Node
from chalicelib.operator_api.object_lookup import (
    aside_reply,
    asks_for_aside,
    find_ref,
    keys_of_public_page,
    keys_to_find,
    own_parties,
    owner_to_write,
    public_page,
)
from chalicelib.policy.ownership import id_in_url
from chalicelib.protocol.message import Reply, Request
from chalicelib.routes import OperatorCall, OperatorRoute
from chalicelib.storage.table import Key

_LIST = "/locations"
_LOCATION = f"{_LIST}/{{location_id}}"
_EVSE = f"{_LOCATION}/{{evse_uid}}"
_CONNECTOR = f"{_EVSE}/{{connector_id}}"
_MODULE = "locations"
_ID_NAMES = ("location_id", "evse_uid", "connector_id")

_Write = Callable[..., OwnObject]
# By the number of ids in the URL.
_PUT: dict[int, _Write] = {
    1: own_locations.put_own_location,
    2: own_locations.put_own_evse,
    3: own_locations.put_own_connector,
}
_PATCH: dict[int, _Write] = {
    1: own_locations.patch_own_location,
    2: own_locations.patch_own_evse,
    3: own_locations.patch_own_connector,
}


def list_locations(call: OperatorCall) -> Reply:
    """A page of this node's locations, with their EVSEs and connectors: own and received ones."""
    return public_page(call, _MODULE)


def get_object(call: OperatorCall) -> Reply:
    """A location, one of its EVSEs, or one of their connectors."""
    _, *children = _ids(call.request)
    ref, items = find_ref(call, _MODULE)
    if asks_for_aside(call.request):
        return aside_reply(call.node.locations.aside_of(ref, *children[:1], known=items))
    return Reply(data=find(call.node, ref, *children, known=items))


def put_object(call: OperatorCall) -> Reply:
    """Create or replace an own location, EVSE or connector; its parent has to exist."""
    document = call.request.json_object()
    ids = _ids(call.request)
    party = owner_to_write(call.node.settings, call.request, document if len(ids) == 1 else None)
    written = _PUT[len(ids)](call.node, party, *ids, document, known=call.snapshot)
    return Reply(data=written.document, http_status=201 if written.created else 200)


def patch_object(call: OperatorCall) -> Reply:
    """Change the sent fields of an own location, EVSE or connector; `null` removes a field."""
    document = call.request.json_object()
    ids = _ids(call.request)
    party = owner_to_write(call.node.settings, call.request, document if len(ids) == 1 else None)
    written = _PATCH[len(ids)](call.node, party, *ids, document, known=call.snapshot)
    return Reply(data=written.document)


def _ids(request: Request) -> list[str]:
    """The ids in the URL, outermost first."""
    return [id_in_url(request, name) for name in _ID_NAMES if name in request.path]


def _keys_of_list(node: Node, request: Request) -> Sequence[Key]:
    return keys_of_public_page(node, request, _MODULE)


def _keys_of_get(node: Node, request: Request) -> Sequence[Key]:
    return keys_to_find(node, request, _MODULE)


def _keys_of_change(node: Node, request: Request) -> Sequence[Key]:
    location_id, *children = _ids(request)
    return [
        key
        for party in own_parties(node.settings, _MODULE)
        for key in own_locations.keys_to_change(node, party, location_id, bool(children))
    ]


ROUTES = (
    OperatorRoute("GET", _LIST, list_locations, _keys_of_list),
    *(OperatorRoute("GET", path, get_object, _keys_of_get) for path in (_LOCATION, _EVSE, _CONNECTOR)),
    *(OperatorRoute("PUT", path, put_object, _keys_of_change) for path in (_LOCATION, _EVSE, _CONNECTOR)),
    *(OperatorRoute("PATCH", path, patch_object, _keys_of_change) for path in (_LOCATION, _EVSE, _CONNECTOR)),
)
