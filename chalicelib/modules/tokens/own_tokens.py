"""Changes of the node's own tokens by an eMSP's operator. The table's stream then pushes them to partners.

A token is never deleted, it becomes invalid (TOK-05). A request that changes nothing writes nothing, so
nothing is pushed.

Source: OCPI 2.2.1 mod_tokens, Push model; TOK-05, TOK-06, OWN-04, OWN-05
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from chalicelib.modules.own_objects import OwnObject, Propose, decide_own, merging
from chalicelib.modules.tokens.decisions import written
from chalicelib.modules.tokens.objects import Token
from chalicelib.policy.time_remarks import remark_on_own
from chalicelib.policy.token_lookup import MODULE
from chalicelib.policy.visibility import partition_for_own
from chalicelib.protocol.json_text import Document
from chalicelib.protocol.message import Party
from chalicelib.storage.keys import Ref

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.storage.objects import Keep, KnownItems, Stored, Write
    from chalicelib.storage.table import Key


class OwnKey(NamedTuple):
    """The key of a token of one of the node's parties."""

    party: Party
    uid: str
    type: str

    @property
    def ref(self) -> Ref:
        """The key in the store."""
        return Ref(MODULE, *self.party, self.uid, self.type)


def put_own_token(node: Node, own: OwnKey, document: Document, *, known: KnownItems = None) -> OwnObject:
    """Create or replace a token of one of the node's parties.

    document: may leave out country_code, party_id, uid, type and last_updated.
    Raises: InvalidParameters naming the field.
    """
    return _change(node, own, lambda stored: document, known)


def patch_own_token(node: Node, own: OwnKey, patch: Document, *, known: KnownItems = None) -> OwnObject:
    """Change the fields that are given, such as `valid`.

    Raises: NotFound; InvalidParameters when the result is not a valid token.
    """
    return _change(node, own, merging(patch, "token"), known)


def keys_to_change(node: Node, own: OwnKey) -> list[Key]:
    """Return the keys that a change reads, for `known`."""
    return list(node.objects.keys_for_change(own.ref, partition_for_own(MODULE, own.party)))


def _change(node: Node, own: OwnKey, propose: Propose, known: KnownItems) -> OwnObject:
    ids = {**own.party._asdict(), "uid": own.uid, "type": own.type}

    def decide(current: Stored | None) -> Write | Keep:
        return decide_own(current, propose, ids, Token, written, node.clock())

    partition = partition_for_own(MODULE, own.party)
    change = node.objects.change(own.ref, decide, known, partition=partition, source="")
    remark_on_own(node, own.ref, change.answer)
    return OwnObject(change.answer, change.created)
