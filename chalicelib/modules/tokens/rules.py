"""Pure functions about tokens: apply a PATCH, decide whether to ask the eMSP, and build its answer.

*Whitelist* (TOK-09). A CPO decides by `whitelist` whether to ask the eMSP. It never uses `valid` to save the
request, because the token may have changed (TOK-10).

- ALWAYS: the CPO must not ask.
- NEVER: the CPO must ask.
- ALLOWED: the CPO may choose. This one asks, because the eMSP knows more than a copy.
- ALLOWED_OFFLINE: the CPO asks, and uses its copy when there is no answer.
- An unknown value is treated like NEVER.

# Spec: "CPO shall always allow any use" of an ALWAYS token, yet invalidating is the only way to revoke a
token, and in Portugal cards are ALWAYS (docs/mobie.md). So when the copy counts, an invalid token is BLOCKED.

*Location* (TOK-16). The answer repeats the location only if the request has one and charging is allowed. It
lists only EVSEs that are both requested and permitted. If no EVSE is left, the answer is NOT_ALLOWED, because
an empty list would mean the whole location. If charging is allowed at one location only and the request has
none, the answer is the error "not enough information" (TOK-15).

Source: OCPI 2.2.1 mod_tokens, WhitelistType, POST Method; TOK-03, TOK-09, TOK-10, TOK-15, TOK-16
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import Enum, auto
from typing import Any

from chalicelib.errors import InvalidParameters, NotEnoughInformation
from chalicelib.modules.tokens.objects import (
    RFID,
    AuthorizationDecision,
    LocationReferences,
    Token,
    TokenKey,
)
from chalicelib.protocol.json_text import Document
from chalicelib.protocol.message import Party
from chalicelib.protocol.overtaking import is_overtaken
from chalicelib.protocol.patch import replace_fields
from chalicelib.protocol.types import fold, validate


def type_in_query(query: Mapping[str, str]) -> str | None:
    """Return the token type in a query, None when it has none.

    Raises: InvalidParameters for an unknown TokenType, also one in small letters (TYP-04).
    """
    named = query.get("type") or None
    validate(TokenKey, {"type": named or RFID})
    return named


def type_of(query: Mapping[str, str], document: Mapping[str, Any]) -> str:
    """Return the token type of a PUT or PATCH: the query's, else the body's, else RFID.

    # Spec: a body of another type without `?type=` contradicts the default RFID; the body counts (TOK-02).
    Raises: InvalidParameters when query and body differ.
    """
    named, given = type_in_query(query), document.get("type")
    if given is None:
        return named or RFID
    if not isinstance(given, str) or (named is not None and given != named):
        raise InvalidParameters(
            f"{str(given)[:40]!r} differs from {named or RFID!r} in the URL", field="type"
        )
    validate(TokenKey, {"type": given})
    return given


def patch_token(stored: Document, patch: Document, arrived: datetime | None = None) -> Document | None:
    """Return the token after a PATCH; None when the PATCH is older than the token.

    arrived: the time at which the stored token was written (protocol/overtaking.py).
    Raises: InvalidParameters when the result is not a valid token.
    """
    merged = replace_fields(stored, patch)
    validate(Token, merged)
    return None if is_overtaken(patch["last_updated"], stored["last_updated"], arrived) else merged


class Ask(Enum):
    """Policy for asking the eMSP. FIRST: ask, and use the copy when there is no answer."""

    NEVER = auto()
    FIRST = auto()
    ALWAYS = auto()


def whether_to_ask(whitelist: str) -> Ask:
    """Return whether a CPO asks the eMSP about a token with this whitelist.

    Source: OCPI 2.2.1 mod_tokens_whitelisttype_enum; TOK-09
    """
    return {"ALWAYS": Ask.NEVER, "ALLOWED_OFFLINE": Ask.FIRST}.get(whitelist, Ask.ALWAYS)


def allowed_by(token: Mapping[str, Any]) -> str:
    """Return the AllowedType by the token alone, without opening hours or the status of an EVSE (TOK-17)."""
    return "ALLOWED" if token["valid"] else "BLOCKED"


def permitted(asked: Document | None, decision: AuthorizationDecision) -> tuple[str, Document | None]:
    """Return the AllowedType and the location of the answer, by the decision and the requested location.

    asked: the LocationReferences of the request. decision: has `allowed`.
    Raises: NotEnoughInformation when charging is allowed at one location only, and the request has none.
    Source: OCPI 2.2.1 mod_tokens_authorizationinfo_object; TOK-15, TOK-16
    """
    allowed = str(decision.allowed)
    if allowed != "ALLOWED":
        return allowed, None
    if decision.location is None:
        return allowed, asked
    if asked is None:
        raise depends_on_where()
    if fold(decision.location.location_id) != fold(asked["location_id"]):
        return "NOT_ALLOWED", None
    uids = _evses(asked.get("evse_uids"), decision.location)
    if uids is None:
        return allowed, {"location_id": asked["location_id"]}
    if not uids:
        return "NOT_ALLOWED", None
    return allowed, {"location_id": asked["location_id"], "evse_uids": uids}


def depends_on_where() -> NotEnoughInformation:
    """Return the error for a request that needs a location and has none (TOK-15)."""
    return NotEnoughInformation("whether this token may be used depends on where: send LocationReferences")


def refusal_in(answer: object) -> AuthorizationDecision:
    """Return the refusal in an operator's invalid answer, or NOT_ALLOWED when it has no valid one."""
    allowed = answer.get("allowed") if isinstance(answer, dict) else None
    try:
        decision = validate(AuthorizationDecision, {"allowed": allowed})
    except InvalidParameters:
        decision = AuthorizationDecision()
    return AuthorizationDecision(allowed="NOT_ALLOWED") if decision.allowed in (None, "ALLOWED") else decision


def emsp_named_by(token: object) -> Party | None:
    """Return the eMSP that a token in an answer names; None without token, or for our own copy (text)."""
    fields = token if isinstance(token, dict) else {}
    country_code, party_id = fields.get("country_code"), fields.get("party_id")
    is_party = isinstance(country_code, str) and isinstance(party_id, str)
    return Party(str(country_code), str(party_id)) if is_party else None


def _evses(asked: list[str] | None, granted: LocationReferences) -> list[str] | None:
    """Return the EVSEs that are both requested and granted; None for the whole location."""
    if granted.evse_uids is None:
        return asked or None
    if not asked:
        return granted.evse_uids
    of_these = {fold(uid) for uid in granted.evse_uids}
    return [uid for uid in asked if fold(uid) in of_these]
