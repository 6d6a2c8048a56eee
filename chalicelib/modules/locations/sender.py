"""Sender interface of locations, for a CPO or a hub: the list in pages, and single objects.

An id is unique only within its owner's platform, and the URL of a single object does not name the owner.
The owner is the party in OCPI-to. Without OCPI-to, a CPO searches its own parties. A hub, addressed itself or
without OCPI-to, also searches all owners that it holds locations of, and refuses an id that several owners
have (OWN-02, TRP-17). A request for a hub's list must name the hub in OCPI-to (RTE-24, RTE-26).

Source: OCPI 2.2.1 mod_locations, Sender Interface; LOC-01, LOC-02, RTE-06
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.errors import InvalidParameters, LocationNotFound
from chalicelib.modules.locations.retrieval import find
from chalicelib.modules.sender_list import answer_list, keys_of_list
from chalicelib.policy.ownership import id_in_url
from chalicelib.policy.received_parties import known_owners, owners_key
from chalicelib.policy.visibility import may_see
from chalicelib.protocol.headers import read_routing
from chalicelib.protocol.kinds import Kind
from chalicelib.protocol.message import Party, Reply, Request
from chalicelib.routes import Call, Interface, Route
from chalicelib.storage.keys import Ref

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chalicelib.node import Node
    from chalicelib.settings import Settings
    from chalicelib.storage.table import Item, Key

MODULE = "locations"


def get_locations(call: Call) -> Reply:
    """Answer a page of the locations that the caller may see, with their EVSEs."""
    return answer_list(call, MODULE, call.node.locations)


def get_object(call: Call) -> Reply:
    """Answer a location, an EVSE or a connector."""
    refs = _refs(call.node.settings, call.request, call.snapshot)
    items = call.node.table.read([ref.key for ref in refs], call.snapshot)
    headers = [header for ref in refs if (header := call.node.locations.get_header(ref, items))]
    shown = [header.ref for header in headers if may_see(call.caller, MODULE, header.document())]
    if len(shown) > 1:
        raise InvalidParameters("several parties have a location of this id", field="OCPI-to-party-id")
    if not shown:
        raise LocationNotFound
    children = [
        id_in_url(call.request, name) for name in ("evse_uid", "connector_id") if name in call.request.path
    ]
    return Reply(find(call.node, shown[0], *children, known=items))


def _refs(settings: Settings, request: Request, known: Mapping[Key, Item]) -> list[Ref]:
    """Return the keys of all locations that the URL may mean."""
    location_id = id_in_url(request, "location_id")
    return [Ref(MODULE, *owner, location_id) for owner in _owners(settings, request, known)]


def _owners(settings: Settings, request: Request, known: Mapping[Key, Item]) -> list[Party]:
    addressed = read_routing(request.headers).receiver
    hub = settings.party_of("HUB")
    if addressed is not None and not addressed.same_as(hub):
        return [addressed]
    own = settings.parties("CPO")
    return own + known_owners(known, MODULE) if hub else own


def _keys_of_page(node: Node, request: Request) -> Sequence[Key]:
    return keys_of_list(node, request, MODULE, node.locations)


def _keys_of_get(node: Node, request: Request) -> Sequence[Key]:
    refs = _refs(node.settings, request, {})
    prefetched = [key for ref in refs for key in node.locations.keys_for_get(ref)]
    return [*prefetched, owners_key(MODULE)] if node.settings.plays("HUB") else prefetched


INTERFACE = Interface(
    MODULE,
    "SENDER",
    (
        Route("GET", "", get_locations, _keys_of_page, gives=Kind.LOCATION),
        Route("GET", "/{location_id}", get_object, _keys_of_get, gives=Kind.LOCATION),
        Route("GET", "/{location_id}/{evse_uid}", get_object, _keys_of_get, gives=Kind.EVSE),
        Route(
            "GET", "/{location_id}/{evse_uid}/{connector_id}", get_object, _keys_of_get, gives=Kind.CONNECTOR
        ),
    ),
)
