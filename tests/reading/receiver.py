"""A node in memory, and its registered partners, which push whole objects to it and read them again."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from chalicelib.modules.cdrs import receiver as cdrs
from chalicelib.modules.locations import receiver as locations
from chalicelib.modules.sessions import receiver as sessions
from chalicelib.modules.tariffs import receiver as tariffs
from chalicelib.modules.tokens import receiver as tokens
from chalicelib.node import Node
from chalicelib.protocol.json_text import Document
from chalicelib.routes import Interface
from tests.harness.partner_api import CPO, EMSP, Answer, PartnerApi
from tests.harness.partners import register
from tests.pushing.pushing import World
from tests.reading.shapes import whole

_LOCATION = (*CPO, "L1")
_EVSE = (*_LOCATION, "E1")


class Place(NamedTuple):
    """Interface and URL that an object is pushed to. make: makes the valid object."""

    interface: Interface
    make: Callable[[], Document]
    ids: tuple[str, ...]
    node_role: str = "HUB"
    method: str = "PUT"


PLACES = {
    "location": Place(locations.INTERFACE, whole.location, _LOCATION),
    "evse": Place(locations.INTERFACE, whole.evse, _EVSE),
    "connector": Place(locations.INTERFACE, whole.connector, (*_EVSE, "1")),
    "tariff": Place(tariffs.INTERFACE, whole.tariff, (*CPO, "T1")),
    "session": Place(sessions.INTERFACE, whole.session, (*CPO, "S1")),
    "cdr": Place(cdrs.INTERFACE, whole.cdr, (), "EMSP", "POST"),
    "token": Place(tokens.INTERFACE, whole.token, (*EMSP, "0102A"), "CPO"),
}


def node_with_partners(role: str) -> Node:
    """Make a node in memory where a CPO and an eMSP are registered."""
    node = World(role).node
    register(node, "cpo", ("CPO", CPO))
    register(node, "emsp", ("EMSP", EMSP))
    return node


def partner_at(place: Place, node: Node) -> PartnerApi:
    """Return the place as the owner of its objects calls it."""
    caller = node.directory.get("emsp" if place.ids[:2] == EMSP else "cpo")
    assert caller
    return PartnerApi(node, place.interface, caller)


def push(place: Place, node: Node, document: object = None, body: str | None = None) -> Answer:
    """Push an object as its owner does; an EVSE or connector after its location."""
    partner = partner_at(place, node)
    for ids in (_LOCATION,) if len(place.ids) > 3 else ():
        assert partner.call("PUT", *ids, document=whole.location()).codes[1] == 1000
    return partner.call(place.method, *place.ids, document=document, body=body)


def stored(place: Place, node: Node, document_id: str = "") -> Document:
    """Return the object as its owner reads it again."""
    ids = place.ids or (*CPO, document_id)
    answer = partner_at(place, node).call("GET", *ids)
    assert answer.codes == (200, 1000), answer.message
    data: Document = answer.data
    return data
