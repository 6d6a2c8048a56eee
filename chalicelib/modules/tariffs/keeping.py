"""Storing a tariff that a partner sent.

Source: OCPI 2.2.1 mod_tariffs, Receiver Interface; TAR-02; modules/received_objects.py
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.findings.received import Source
from chalicelib.modules.received_objects import Kept, change_received, check_sender, kept, read_sent
from chalicelib.modules.tariffs.decisions import replace_by
from chalicelib.modules.tariffs.objects import Tariff
from chalicelib.policy.visibility import partition_for_received
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import overtaken_by

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner
    from chalicelib.protocol.json_text import Document
    from chalicelib.storage.objects import KnownItems

MODULE = "tariffs"
PARTITION = partition_for_received(MODULE)


def keep(
    node: Node,
    partner: Partner,
    document: Document,
    known: KnownItems = None,
    ref: Ref | None = None,
) -> Kept:
    """Create or replace a tariff, unless the stored one is newer.

    known: items that were read before. ref: the tariff's key in the URL, None to take it from the document.
    Raises: InvalidParameters for a wrong document; NotFound when the partner may not change this tariff.
    """
    received = read_sent(node, Source(partner, MODULE, ref), Tariff, document, ref)
    document = received.document
    ref = ref or Ref(MODULE, document["country_code"], document["party_id"], document["id"])
    check_sender(node, partner, ref, known)
    change = change_received(
        node, partner, ref, replace_by(document), known, partition=PARTITION, aside=received.aside
    )
    overtaken = overtaken_by(change.before, document["last_updated"])
    return kept(node, partner, ref, received, change, overtaken)
