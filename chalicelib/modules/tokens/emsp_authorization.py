"""An eMSP decides about one of its tokens.

The built-in decision knows the token and nothing else: valid is ALLOWED, everywhere and at any hour
(TOK-17), not valid is BLOCKED. An operator that knows more, such as credit or contracts for some places,
has its own say through the webhook `authorize`: what it answers counts. A driver stands at a charge
point meanwhile, so it has a deadline, and where it is silent the built-in decision holds.

# Spec: an answer that cannot be read is no silence: somebody meant something by it, so it never allows. A
refusal in it that can be read counts, whatever is wrong beside it; everything else is NOT_ALLOWED.

An authorization gets a reference of its own, which comes back in the session and the CDR.

Source: OCPI 2.2.1 mod_tokens, POST Method; TOK-12, TOK-13, TOK-15 … TOK-18
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.errors import InvalidParameters
from chalicelib.log import log
from chalicelib.modules.tokens.objects import Decision
from chalicelib.modules.tokens.rules import allowed_by, depends_on_where, permitted, refusal_in
from chalicelib.partners.webhooks import AUTHORIZE, ask
from chalicelib.protocol.json_text import read_json
from chalicelib.protocol.message import ABSENT
from chalicelib.protocol.types import validate

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.protocol.message import Party
    from chalicelib.storage.objects import Stored

WEBHOOK_S = 2.0
"""How long the operator's own system may take."""

_TOO_LITTLE = "NOT_ENOUGH_INFORMATION"
Document = dict[str, Any]


def decide(node: Node, token: Stored, asked: Document | None, cpo: Party) -> Document:
    """The AuthorizationInfo for a token.

    asked: LocationReferences, of locations of `cpo` (TOK-18).
    Raises: NotEnoughInformation when the operator's decision needs a location (TOK-15).
    """
    document: Document = read_json(str(token.body))
    decision = _ask_operator(node, document, asked, cpo) or Decision(allowed=allowed_by(document))
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


def _ask_operator(node: Node, token: Document, asked: Document | None, cpo: Party) -> Decision | None:
    """What the operator's own system decides; None when it is silent."""
    question: Document = {"token": token, "country_code": cpo.country_code, "party_id": cpo.party_id}
    if asked is not None:
        question["location"] = asked
    answer = ask(node, AUTHORIZE, node.new_id(), question, total_s=WEBHOOK_S)
    if answer is ABSENT:
        return None
    try:
        decision = validate(Decision, answer)
    except InvalidParameters as error:
        log.warning("the authorize webhook answered something else than a decision", field=error.field)
        return refusal_in(answer)
    if decision.allowed is None and decision.error != _TOO_LITTLE:
        log.warning("the authorize webhook answered no decision")
        return refusal_in(answer)
    return decision
