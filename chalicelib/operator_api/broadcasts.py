"""Broadcasts at the operator's door: how far each partner is with what it must hear of.

Source: OCPI 2.2.1 transport_and_format, Push; TRN-32
"""

from __future__ import annotations

from chalicelib.node import Node
from chalicelib.partners.overview import overview
from chalicelib.protocol.json_text import JsonText, write_json
from chalicelib.protocol.message import Reply, Request, Route
from chalicelib.protocol.pagination import Page, PageQuery, page_reply


def list_broadcasts(node: Node, request: Request) -> Reply:
    """Per registered partner what is waiting, delivered, refused with the reason, and dead.

    Only the partners of the page are looked at.
    """
    query = PageQuery.read(request)
    partners = [partner for partner in node.directory.all() if partner.is_registered]
    after = query.offset + query.limit
    shown = [JsonText(write_json(overview(node, partner))) for partner in partners[query.offset : after]]
    return page_reply(request, query, Page(shown, len(partners), after if after < len(partners) else None))


ROUTES = (Route("GET", "/broadcasts", list_broadcasts),)
