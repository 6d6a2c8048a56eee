"""Broadcasts at the operator's door: how far each partner is with what it must hear of.

Source: OCPI 2.2.1 transport_and_format, Push; TRN-32
"""

from __future__ import annotations

from chalicelib.node import Node
from chalicelib.operator_api.lists import short_page
from chalicelib.partners.overview import overview
from chalicelib.protocol.json_text import JsonText, write_json
from chalicelib.protocol.message import Reply, Request, Route
from chalicelib.protocol.pagination import PageQuery, page_reply


def list_broadcasts(node: Node, request: Request) -> Reply:
    """Per registered partner what is waiting, delivered, refused with the reason, and dead.

    Only the partners of the page are looked at.
    """
    query = PageQuery.read(request)
    partners = [partner for partner in node.directory.all() if partner.is_registered]
    asked = partners[query.offset : query.offset + query.limit]
    shown = [JsonText(write_json(overview(node, partner))) for partner in asked]
    return page_reply(request, query, short_page(query, shown, len(partners)))


ROUTES = (Route("GET", "/broadcasts", list_broadcasts),)
