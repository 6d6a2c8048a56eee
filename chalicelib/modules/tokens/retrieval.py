"""Finding a token by what a charge point reads: its uid and its type, but not whose it is.

A uid is unique only within its eMSP (OWN-05, TRP-17), so all owners are tried at once, by key: one read
for up to a hundred of them, whatever the number of tokens. Cards that changed hands leave an invalid
token at the eMSP before, so a single valid one is the one that is meant. Two valid ones cannot be told
apart here, and to guess would send the bill to somebody else.

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
    from chalicelib.storage.objects import Known

MODULE = "tokens"


def refs_of(owners: Iterable[Party], uid: str, token_type: str) -> list[Ref]:
    """The tokens that a uid and a type may mean."""
    return [Ref(MODULE, *owner, uid, token_type) for owner in owners]


def find_token(node: Node, refs: Sequence[Ref], known: Known = None) -> Stored | None:
    """The token that is meant, None when nobody has one; at most one read.

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
