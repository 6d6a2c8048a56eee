"""What is decided about tokens, as pure functions: what a patch changes, who is asked, what is answered.

*Whitelist* (TOK-09). A CPO looks at `whitelist` first, and never at `valid` to spare a request: the
state of the token may have changed (TOK-10). ALWAYS forbids asking; NEVER demands it; with ALLOWED the
CPO may choose, and this one asks, because the eMSP knows better than a copy; ALLOWED_OFFLINE asks, and
the copy counts when nobody answers. A whitelist that nobody knows yet is asked like NEVER.

# Spec: "CPO shall always allow any use" of an ALWAYS token, yet invalidating is the only way to take a
token back, and in Portugal cards are ALWAYS (docs/mobie.md). So where the copy counts, an invalid token
is BLOCKED.

*Where* (TOK-16). The answer repeats the location only when it was asked and charging is allowed, with
none but the EVSEs that were asked and are permitted. If none is left, the driver may not charge there:
an empty list would mean the whole location. Where charging is allowed at one place only and none was
asked, there is nothing to answer but that this is too little to know (TOK-15).

Source: OCPI 2.2.1 mod_tokens, WhitelistType, POST Method; TOK-03, TOK-09, TOK-10, TOK-15, TOK-16
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import Enum, auto
from typing import Any

from chalicelib.errors import InvalidParameters, NotEnoughInformation
from chalicelib.modules.tokens.objects import RFID, Decision, LocationReferences, Token, TokenKey
from chalicelib.protocol.message import Party
from chalicelib.protocol.order import is_overtaken
from chalicelib.protocol.patch import merge_patch
from chalicelib.protocol.types import fold, validate

Document = dict[str, Any]


# -- identity and changes ----------------------------------------------------------------------------


def type_in_query(query: Mapping[str, str]) -> str | None:
    """The type of token that a query names, None when it names none.

    Raises: InvalidParameters for what is no TokenType, small letters included (TYP-04).
    """
    named = query.get("type") or None
    validate(TokenKey, {"type": named or RFID})
    return named


def type_of(query: Mapping[str, str], document: Mapping[str, Any]) -> str:
    """The type of token that a PUT or PATCH is about: the query's, else the body's, else RFID.

    # Spec: a body of another type without `?type=` contradicts the default; the body is believed (TOK-02).
    Raises: InvalidParameters when query and body differ.
    """
    named, told = type_in_query(query), document.get("type")
    if told is None:
        return named or RFID
    if not isinstance(told, str) or (named is not None and told != named):
        raise InvalidParameters(f"{str(told)[:40]!r} differs from {named or RFID!r} in the URL", field="type")
    validate(TokenKey, {"type": told})
    return told


def patch_token(stored: Document, patch: Document, arrived: datetime | None = None) -> Document | None:
    """The token after a PATCH; None when the patch is older than the token.

    arrived: when the stored token was written (protocol/order.py).

    Raises: InvalidParameters when the result is no token.
    """
    merged = merge_patch(stored, patch)
    validate(Token, merged)
    return None if is_overtaken(patch["last_updated"], stored["last_updated"], arrived) else merged


# -- a CPO's whitelist -------------------------------------------------------------------------------


class Ask(Enum):
    """Whether the eMSP is asked. FIRST: and the copy counts when nobody answers."""

    NEVER = auto()
    FIRST = auto()
    ALWAYS = auto()


def whether_to_ask(whitelist: str) -> Ask:
    """Tell whether a token's use is to be authorized in real time.

    Source: OCPI 2.2.1 mod_tokens_whitelisttype_enum; TOK-09
    """
    return {"ALWAYS": Ask.NEVER, "ALLOWED_OFFLINE": Ask.FIRST}.get(whitelist, Ask.ALWAYS)


def allowed_by(token: Mapping[str, Any]) -> str:
    """The AllowedType that a token alone tells: no opening hours, no status of an EVSE (TOK-17)."""
    return "ALLOWED" if token["valid"] else "BLOCKED"


# -- an eMSP's answer --------------------------------------------------------------------------------


def permitted(asked: Document | None, decision: Decision) -> tuple[str, Document | None]:
    """What is answered where a decision meets what was asked: the AllowedType, and the location.

    asked: the LocationReferences of the request. decision: has `allowed`.
    Raises: NotEnoughInformation when charging is allowed at some place, and none was asked.
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
    """The error for a question without a location that needs one (TOK-15)."""
    return NotEnoughInformation("whether this token may be used depends on where: send LocationReferences")


def refusal_in(answer: object) -> Decision:
    """What counts of an operator's answer that is no decision: its refusal, else NOT_ALLOWED."""
    said = answer.get("allowed") if isinstance(answer, dict) else None
    try:
        decision = validate(Decision, {"allowed": said})
    except InvalidParameters:
        decision = Decision()
    return Decision(allowed="NOT_ALLOWED") if decision.allowed in (None, "ALLOWED") else decision


def emsp_named_by(token: object) -> Party | None:
    """The eMSP that a token in an answer names; None for our own copy, which is text, and for no token."""
    told = token if isinstance(token, dict) else {}
    country_code, party_id = told.get("country_code"), told.get("party_id")
    is_party = isinstance(country_code, str) and isinstance(party_id, str)
    return Party(str(country_code), str(party_id)) if is_party else None


def _evses(asked: list[str] | None, granted: LocationReferences) -> list[str] | None:
    """The EVSEs that were asked and are granted; None for all of the location."""
    if granted.evse_uids is None:
        return asked or None
    if not asked:
        return granted.evse_uids
    of_these = {fold(uid) for uid in granted.evse_uids}
    return [uid for uid in asked if fold(uid) in of_these]
