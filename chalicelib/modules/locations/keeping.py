"""Storing a location that a partner sent, with all its EVSEs.

Source: OCPI 2.2.1 mod_locations, Receiver Interface; LOC-04, LOC-16; modules/received_objects.py
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.findings.received import Source
from chalicelib.modules.locations.decisions import overtaken_location, replace_by
from chalicelib.modules.locations.objects import Location
from chalicelib.modules.locations.reservation import refuse_reserved_by_another, reservation_key
from chalicelib.modules.locations.rules import lifted_whole
from chalicelib.modules.locations.unread import with_unread
from chalicelib.modules.received_objects import Kept, check_origin, check_sender, kept, read_sent
from chalicelib.policy.visibility import partition_for_received
from chalicelib.reading.missing import time_zone_near
from chalicelib.storage.keys import Ref
from chalicelib.versions.supported import traits_of

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner
    from chalicelib.protocol.json_text import Document
    from chalicelib.storage.locations import DecideLocation, LocationChange, LocationDecision, StoredLocation
    from chalicelib.storage.objects import KnownItems

MODULE = "locations"


def keep(
    node: Node,
    partner: Partner,
    document: Document,
    known: KnownItems = None,
    ref: Ref | None = None,
) -> Kept:
    """Create or replace a location and all its EVSEs, unless the stored location is newer.

    A parent that is older than its child gets the child's `last_updated` (LOC-03).

    known: items that were read before. ref: the location's key in the URL, None to take it from the document.
    Raises: InvalidParameters for a wrong document, and for an id that another party reserved; NotFound when
    the partner may not change this location.
    """
    # The field is optional in OCPI 2.1.1 (V211-23).
    fills = None if traits_of(partner.version).requires_time_zone else {"time_zone": time_zone_near}
    source = Source(partner, MODULE, ref)
    sent, received = document, read_sent(node, source, Location, document, ref, fills=fills)
    document = received.document
    ref = ref or Ref(MODULE, document["country_code"], document["party_id"], document["id"])
    document = lifted_whole(document, node.clock())

    def complete(stored: Document) -> Document:
        return lifted_whole(with_unread("evses", document, sent, stored), node.clock())

    check_sender(node, partner, ref, known)
    reservation = reservation_key(ref.id)
    refuse_reserved_by_another(ref.owner, ref.id, node.table.read([reservation], known).get(reservation))
    decide = replace_by(document, partition_of, complete if received.aside else None)
    change = change_location(node, partner, ref, decide, known, received.aside)
    return kept(node, partner, ref, received, change, overtaken_location(change.before, document))


def change_location(
    node: Node,
    partner: Partner,
    ref: Ref,
    decide: DecideLocation,
    known: KnownItems = None,
    aside: str | None = None,
) -> LocationChange:
    """Change a location for the partner that sent it, by a decision on the stored location.

    aside: JSON text of the parts that were set aside; None keeps the stored ones.
    Raises: NotFound when the location came from another partner, and as `LocationStore.change`.
    """

    def decide_for_partner(stored: StoredLocation | None) -> LocationDecision:
        check_origin(node, partner, ref, stored)
        return decide(stored)

    return node.locations.change(
        ref,
        decide_for_partner,
        known,
        partition=partition_of(False),
        source=partner.id,
        aside=aside,
        skip_same=True,
    )


def partition_of(hidden: bool) -> str:
    """Return the partition of received locations. hidden: the one of unpublished locations (LOC-16)."""
    return partition_for_received(MODULE, hidden)
