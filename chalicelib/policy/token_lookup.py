"""Lookup of a token by uid and type, without its owner: a charge point reads only uid and type.

A uid is unique only within its eMSP (OWN-05, TRP-17), so one read by key tries all owners: up to a hundred
owners per read, for any number of tokens. A card that moved to another eMSP leaves an invalid token at the
earlier one, so a single valid token is the right one. With two valid tokens the request is refused, because
a guess could bill the wrong party.

Source: OCPI 2.2.1 mod_tokens, Token Object; OWN-05, TRP-17
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

from chalicelib.errors import InvalidParameters
from chalicelib.modules.tokens.objects import Token
from chalicelib.policy.received_parties import known_owners, owners_key
from chalicelib.protocol.json_text import read_json
from chalicelib.protocol.message import Party
from chalicelib.protocol.types import validation_errors
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import Stored, stored_object
from chalicelib.versions.supported import traits_of

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.storage.objects import KnownItems

MODULE = "tokens"


def refs_of(owners: Iterable[Party], uid: str, token_type: str) -> list[Ref]:
    """Return the keys of all tokens that a uid and a type may mean."""
    return [Ref(MODULE, *owner, uid, token_type) for owner in owners]


def find_token(node: Node, refs: Sequence[Ref], known: KnownItems = None) -> Stored | None:
    """Return the token, None when no owner has one; at most one read.

    Raises: InvalidParameters when several eMSPs have a valid one, with field `OCPI-to-party-id`.
    """
    keys = [ref.key for ref in refs]
    items = node.table.read(keys, known)
    found = [stored_object(items[key]) for key in keys if key in items]
    if len(found) > 1:
        found = [token for token in found if read_json(str(token.body))["valid"]] or found[:1]
    if len(found) > 1:
        owners = ", ".join(f"{token.ref.country_code}/{token.ref.party_id}" for token in found)
        raise InvalidParameters(f"several eMSPs have such a token: {owners}", field="OCPI-to-party-id")
    return found[0] if found else None


def token_fills(node: Node, addressee: Party | None) -> dict[str, Callable[[Mapping[str, Any]], Any]]:
    """Values for a `cdr_token` that names no owner, as in OCPI 2.2: they are found when one is missing.

    An object whose owner stays unknown is refused, because it would be shown to the wrong eMSP or to all of
    them. So the owner is not guessed from a uid or type that still has to be repaired, and an owner that
    contradicts the half that the token names is none.
    addressee: the party in OCPI-to, None without one.
    """
    emsp = emsp_asked(node, addressee)

    @cache
    def find(uid: str, token_type: str) -> tuple[Party | None, Stored | None]:
        # A uid is unique within an eMSP only, so another eMSP's token of the same uid says nothing.
        owners = [emsp] if emsp is not None else _possible_owners(node)
        with suppress(InvalidParameters):
            stored = find_token(node, refs_of(owners, uid, token_type)) if owners else None
            return (stored.ref.owner if stored else emsp), stored
        return None, None

    def look_up(document: Mapping[str, Any]) -> tuple[Party | None, Stored | None]:
        token = document["cdr_token"]
        if not _is_named(token):
            return None, None
        owner, stored = find(token["uid"], token["type"])
        return (owner, stored) if owner is None or _agrees(token, owner) else (None, None)

    def owner(field: str) -> Callable[[Mapping[str, Any]], Any]:
        return lambda document: getattr(look_up(document)[0], field, None)

    def contract_id(document: Mapping[str, Any]) -> Any:
        token = document["cdr_token"]
        if token.get("auth_id"):
            return token["auth_id"]
        _, stored = look_up(document)
        return read_json(str(stored.body))["contract_id"] if stored else None

    return {
        "cdr_token.country_code": owner("country_code"),
        "cdr_token.party_id": owner("party_id"),
        "cdr_token.contract_id": contract_id,
    }


def _is_named(token: Mapping[str, Any]) -> bool:
    """Tell whether a token has a uid and a type, and neither needs a repair."""
    name = {field: token.get(field) for field in ("uid", "type")}
    return not any(error["loc"][0] in name for error in validation_errors(Token, name))


def _agrees(token: Mapping[str, Any], owner: Party) -> bool:
    """Tell whether an owner has the country code and the party id that a token names, if it names them."""
    named = {name: token.get(name) or getattr(owner, name) for name in Party._fields}
    is_text = all(isinstance(value, str) for value in named.values())
    return is_text and owner.same_as(Party(**named))


def emsp_asked(node: Node, addressee: Party | None) -> Party | None:
    """The eMSP that an object is for, None where it may be any.

    A node that is no hub receives sessions and CDRs as an eMSP only. A hub gets them for all, and OCPI-to
    names one.
    """
    settings, own = node.settings, node.settings.parties("EMSP")
    if addressee is not None and (settings.owns(addressee, "EMSP") or not settings.owns(addressee)):
        return addressee
    return own[0] if len(own) == 1 and not settings.plays("HUB") else None


def _possible_owners(node: Node) -> list[Party]:
    """The eMSPs whose tokens an object may name: at a node that is no hub, its own."""
    own = node.settings.parties("EMSP")
    if not node.settings.plays("HUB"):
        return own
    return [*own, *known_owners(node.table.read([owners_key(MODULE)], None), MODULE)]


def type_in(version: str | None, token_type: str) -> str:
    """Return the type by which a partner of a version knows a token (V23-30)."""
    return "OTHER" if token_type == "EMAID" and not traits_of(version).has_emaid else token_type
