"""Storing a session that a partner sent.

A session is private: its partition is the one of the eMSP that issued its token.

Source: OCPI 2.2.1 mod_sessions, Receiver Interface; SES-04, SES-11, SES-15; modules/received_objects.py
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.findings.received import Source
from chalicelib.modules.received_objects import Kept, change_received, check_sender, kept, read_sent
from chalicelib.modules.sessions.decisions import replace_by
from chalicelib.modules.sessions.objects import Session
from chalicelib.modules.sessions.rules import tolerated
from chalicelib.modules.sessions.sizes import note_size
from chalicelib.policy.contract_cards import with_card
from chalicelib.policy.session_viewers import emsp_of
from chalicelib.policy.token_lookup import emsp_asked, token_fills
from chalicelib.policy.visibility import partition_for_viewer
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import overtaken_by

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner
    from chalicelib.protocol.json_text import Document
    from chalicelib.protocol.message import Party
    from chalicelib.storage.objects import KnownItems

MODULE = "sessions"


def keep(
    node: Node,
    partner: Partner,
    document: Document,
    known: KnownItems = None,
    ref: Ref | None = None,
    addressee: Party | None = None,
) -> Kept:
    """Create or replace a session, unless the stored one is newer or final.

    known: items that were read before. ref: the session's key in the URL, None to take it from the document.
    addressee: the party in OCPI-to, for a token without an owner.
    Raises: InvalidParameters for a wrong document, and for a change of a final session; NotFound when the
    partner may not change this session.
    """
    source, fills = Source(partner, MODULE, ref), token_fills(node, addressee)
    document = with_card(node, partner, MODULE, document, emsp_asked(node, addressee))
    document = document if partner.strict else tolerated(document)
    received = read_sent(node, source, Session, document, ref, fills=fills)
    session = received.document
    ref = ref or Ref(MODULE, session["country_code"], session["party_id"], session["id"])
    check_sender(node, partner, ref, known)
    decide = replace_by(session, partition_of)
    change = change_received(
        node, partner, ref, decide, known, partition=partition_of(session), aside=received.aside
    )
    note_size(node.settings.table, change)
    return kept(node, partner, ref, received, change, overtaken_by(change.before, session["last_updated"]))


def partition_of(session: Document) -> str:
    """Return the partition of a received session."""
    return partition_for_viewer(MODULE, None, emsp_of(session["cdr_token"]))
