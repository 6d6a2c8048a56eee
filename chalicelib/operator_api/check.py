"""Operator API for documents to check: tells what is wrong with pasted JSON. Stores nothing.

Source: docs/operator-api.md, Is this document right?; what `./ocpi check --json` prints
"""

from __future__ import annotations

from chalicelib.checking.check import check_text
from chalicelib.protocol.message import Reply
from chalicelib.routes import OperatorCall, OperatorRoute


def post_check(call: OperatorCall) -> Reply:
    """Check the document in the body, of the kind in `?kind=` or of the kind that its fields show.

    `?party=` is the owner of objects that do not name theirs.
    """
    query = call.request.query
    now = call.node.clock()
    return Reply(data=check_text(call.request.body or "", query.get("kind"), now, query.get("party")))


ROUTES = (OperatorRoute("POST", "/check", post_check),)
