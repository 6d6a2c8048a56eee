"""Lookup of a token by uid and type, without its owner: a charge point reads only uid and type.

A uid is unique only within its eMSP (OWN-05, TRP-17), so one read by key tries all owners: up to a hundred
owners per read, for any number of tokens. A card that moved to another eMSP leaves an invalid token at the
earlier one, so a single valid token is the right one. With two valid tokens the request is refused, because
a guess could bill the wrong party.

Source: OCPI 2.2.1 mod_tokens, Token Object; OWN-05, TRP-17
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from chalicelib.errors import InvalidParameters
from chalicelib.protocol.json_text import read_json
from chalicelib.protocol.message import Party
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import Stored, stored_object

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
