"""Storing a token that a partner sent.

The key of a token is its owner, its uid and its type (OWN-05). An authorization request has only uid and
type, so it needs the list of all owners. The first token of an owner adds the owner to that list before the
token is stored (`policy/received_parties.py`; for other modules the table's stream does so).

Source: OCPI 2.2.1 mod_tokens, Receiver Interface; TOK-01, TOK-02; modules/received_objects.py
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.findings.received import Source
from chalicelib.modules.received_objects import Kept, change_received, check_sender, kept, read_sent
from chalicelib.modules.tokens.decisions import replace_by
from chalicelib.modules.tokens.objects import RFID, Token
from chalicelib.modules.tokens.rules import type_of
from chalicelib.policy.received_parties import known_owners, owners_key, remember_owners
from chalicelib.policy.visibility import partition_for_received
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import overtaken_by

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner
    from chalicelib.protocol.json_text import Document
    from chalicelib.storage.objects import KnownItems
    from chalicelib.storage.table import Table

MODULE = "tokens"
PARTITION = partition_for_received(MODULE)


def keep(
    node: Node,
    partner: Partner,
    document: Document,
    known: KnownItems = None,
    ref: Ref | None = None,
) -> Kept:
    """Create or replace a token, unless the stored one is newer.

    known: items that were read before. ref: the token's key in the URL, without `variant` if the URL has no
    type; None to take the key from the document.
    Raises: InvalidParameters for a wrong document; NotFound when the partner may not change this token.
    """
    # Without a type in URL and body, it is an RFID token (TOK-02).
    token_type = {"type": ref.variant or RFID} if ref else None
    source = Source(partner, MODULE, ref)
    received = read_sent(node, source, Token, document, ref, id_name="uid", fills=token_type)
    document = received.document
    ref = ref or Ref(MODULE, document["country_code"], document["party_id"], document["uid"])
    check_sender(node, partner, ref, known)
    _remember_owner(node.table, ref, known)
    ref = ref._replace(variant=type_of({"type": ref.variant}, document))
    change = change_received(
        node, partner, ref, replace_by(document), known, partition=PARTITION, aside=received.aside
    )
    overtaken = overtaken_by(change.before, document["last_updated"])
    return kept(node, partner, ref, received, change, overtaken)


def _remember_owner(table: Table, ref: Ref, known: KnownItems) -> None:
    owners = known_owners(table.read([owners_key(MODULE)], known), MODULE)
    if not any(ref.owner.same_as(owner) for owner in owners):
        remember_owners(table, [ref])
