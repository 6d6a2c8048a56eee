"""Broadcasts at the operator's door: how far each partner is with what it must hear of.

Source: OCPI 2.2.1 transport_and_format, Push; TRN-32
"""

from __future__ import annotations

from chalicelib.node import Node
from chalicelib.operator_api.lists import whole_list_reply
from chalicelib.partners.overview import overview
from chalicelib.protocol.message import Reply, Request, Route


def list_broadcasts(node: Node, request: Request) -> Reply:
    """Per partner what is waiting, delivered, refused with the reason, and dead."""
    return whole_list_reply(request, overview(node))


ROUTES = (Route("GET", "/broadcasts", list_broadcasts),)
