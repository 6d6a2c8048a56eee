"""Operator API for prices: prices a session by given tariffs, with an explanation. Stores nothing.

Source: OCPI 2.2.1 mod_tariffs, mod_cdrs; what `./ocpi price --json` prints
"""

from __future__ import annotations

from chalicelib.pricing.price_request import price_request
from chalicelib.pricing.statement import write_statement
from chalicelib.protocol.message import Reply
from chalicelib.routes import OperatorCall, OperatorRoute


def post_price(call: OperatorCall) -> Reply:
    """Price the session in the body by the tariffs in the body."""
    return Reply(data=write_statement(price_request(call.request.json_object())))


ROUTES = (OperatorRoute("POST", "/price", post_price),)
