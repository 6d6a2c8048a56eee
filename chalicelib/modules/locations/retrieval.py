"""Lookup of a location, one of its EVSEs, or one of their connectors.

Source: OCPI 2.2.1 mod_locations, GET Object and Receiver GET; LOC-02, LOC-12
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.errors import LocationNotFound
from chalicelib.modules.locations.objects import find_connector
from chalicelib.protocol.json_text import JsonText, read_json, write_json

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.storage.keys import Ref
    from chalicelib.storage.objects import KnownItems


def find(node: Node, ref: Ref, *children: str, known: KnownItems = None) -> JsonText:
    """Return the object that one to three ids name, as JSON.

    children: the EVSE's uid and the connector's id, as far as the URL has them.
    Raises: LocationNotFound when there is none, also when the child belongs to another parent (LOC-02).
    """
    if not children:
        location = node.locations.get(ref)
        if location is None:
            raise LocationNotFound
        return location
    evse = node.locations.get_evse(ref, children[0], known)
    if evse is None:
        raise LocationNotFound("unknown location or EVSE")
    if len(children) == 1:
        return evse.body
    connector = find_connector(read_json(str(evse.body)), children[1])
    if connector is None:
        raise LocationNotFound("unknown connector")
    return JsonText(write_json(connector))
