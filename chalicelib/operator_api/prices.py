"""Operator API for prices: prices a session by given tariffs, with an explanation. Stores nothing.

Source: OCPI 2.2.1 mod_tariffs, mod_cdrs; what `./ocpi price --json` prints
"""

from __future__ import annotations

from chalicelib.node import Node
from chalicelib.pricing.price_request import price_request
from chalicelib.pricing.statement import write_statement
from chalicelib.protocol.message import Reply, Request, Route


def post_price(node: Node, request: Request) -> Reply:
    """Price the session in the body by the tariffs in the body."""
    return Reply(data=write_statement(price_request(request.json_object())))


ROUTES = (Route("POST", "/price", post_price),)
