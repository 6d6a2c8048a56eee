"""Authorization of a token by its eMSP, when the eMSP is on this node.

The built-in decision uses only the token: a valid token is ALLOWED, at every place and time (TOK-17), an
invalid one is BLOCKED. An operator that knows more, such as credit or contracts for some places, decides
through the webhook `authorize`; its answer replaces the built-in decision. A driver is waiting, so the
webhook has a deadline. Without an answer in time the built-in decision counts.

# Spec: an invalid answer of the webhook differs from no answer: the operator may have refused, so the result
is never ALLOWED. A valid refusal in `allowed` counts, whatever else is wrong; anything else is NOT_ALLOWED.

Each authorization gets its own reference, which the session and the CDR carry.

Source: OCPI 2.2.1 mod_tokens, POST Method; TOK-12, TOK-13, TOK-15 … TOK-18
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.calls.webhook_events import AUTHORIZE
from chalicelib.calls.webhooks import ask
from chalicelib.errors import InvalidParameters
from chalicelib.log import log
from chalicelib.modules.tokens.objects import AuthorizationDecision
from chalicelib.modules.tokens.rules import allowed_by, depends_on_where, permitted, refusal_in
from chalicelib.protocol.json_text import Document, read_json
from chalicelib.protocol.message import ABSENT
from chalicelib.protocol.types import validate

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.protocol.message import Party
    from chalicelib.storage.objects import Stored

WEBHOOK_S = 2.0
"""Seconds that the operator's webhook has to answer."""

_TOO_LITTLE = "NOT_ENOUGH_INFORMATION"


def decide(node: Node, token: Stored, asked: Document | None, cpo: Party) -> Document:
    """Return the AuthorizationInfo for a token.

    asked: LocationReferences to locations of `cpo` (TOK-18).
    Raises: NotEnoughInformation when the operator's decision needs a location (TOK-15).
    """
    document: Document = read_json(str(token.body))
    decision = _ask_operator(node, document, asked, cpo) or AuthorizationDecision(
        allowed=allowed_by(document)
    )
    if decision.error == _TOO_LITTLE:
        raise depends_on_where()
    allowed, location = permitted(asked, decision)
    info: Document = {"allowed": allowed, "token": token.body}
    if location is not None:
        info["location"] = location
    if allowed == "ALLOWED":
        info["authorization_reference"] = decision.authorization_reference or node.new_id()
    if decision.info is not None:
        info["info"] = decision.info.model_dump()
    return info


def _ask_operator(
    node: Node, token: Document, asked: Document | None, cpo: Party
) -> AuthorizationDecision | None:
    """Return the decision of the operator's webhook; None when it gives no answer."""
    question: Document = {"token": token, "country_code": cpo.country_code, "party_id": cpo.party_id}
    if asked is not None:
        question["location"] = asked
    answer = ask(node, AUTHORIZE, node.new_id(), question, total_s=WEBHOOK_S)
    if answer is ABSENT:
        return None
    try:
        decision = validate(AuthorizationDecision, answer)
    except InvalidParameters as error:
        log.warning(
            "the authorize webhook gave an invalid answer, so charging is not allowed", field=error.field
        )
        return refusal_in(answer)
    if decision.allowed is None and decision.error != _TOO_LITTLE:
        log.warning("the authorize webhook answered without `allowed`, so charging is not allowed")
        return refusal_in(answer)
    return decision
