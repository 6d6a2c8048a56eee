"""Storing an invoice record that a partner sent.

Source: OCPI 2.3.0 mod_invoice_reconciliation, Receiver Interface; IR-04; modules/received_objects.py
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.findings.received import Source
from chalicelib.modules.invoice_reconciliation.decisions import create, replace_by
from chalicelib.modules.invoice_reconciliation.objects import InvoiceReconciliationRecord
from chalicelib.modules.received_objects import Kept, change_received, check_sender, kept, read_sent
from chalicelib.policy.visibility import partition_for_viewer
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import overtaken_by

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner
    from chalicelib.protocol.json_text import Document
    from chalicelib.storage.objects import KnownItems

MODULE = "invoicereconciliation"
RECEIVED = partition_for_viewer(MODULE, None, None)
"""Partition of received records: only the operator sees them."""


def keep(
    node: Node,
    partner: Partner,
    document: Document,
    known: KnownItems = None,
    ref: Ref | None = None,
    *,
    must_be_new: bool = False,
) -> Kept:
    """Create or replace a record, unless the stored one is newer.

    known: items that were read before. ref: the record's key in the URL, None to take it from the document.
    must_be_new: whether a stored record that differs is an error.
    Raises: InvalidParameters for a wrong document; NotFound when the partner may not change this record.
    """
    received = read_sent(node, Source(partner, MODULE, ref), InvoiceReconciliationRecord, document, ref)
    document = received.document
    ref = ref or Ref(MODULE, document["country_code"], document["party_id"], document["id"])
    check_sender(node, partner, ref, known)
    decide = create(document) if must_be_new else replace_by(document)
    change = change_received(node, partner, ref, decide, known, partition=RECEIVED, aside=received.aside)
    overtaken = () if must_be_new else overtaken_by(change.before, document["last_updated"])
    return kept(node, partner, ref, received, change, overtaken)
