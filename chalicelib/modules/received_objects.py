"""Objects that partners send: the checks and the write that all modules have in common, below HTTP.

Modules with a Receiver interface have a `keeping.py` with `keep(node, partner, document, known, ref)`. It
stores a whole object that a partner sent: with a PUT or POST, or in a list that this node has read. It needs
no request, because the document contains its ids. Its steps are:

1. The document is valid, or can be repaired, and its ids agree with those in the URL, if it came with one.
2. The partner is the owner, or a hub that may act for the owner.
3. The stored object, if there is one, came from the same partner and is not newer.
4. The object is written to its partition, and odd timestamps are logged.

Source: OCPI 2.2.1 transport_and_format, Client Owned Object Push; TRN-26 … TRN-28, OWN-01, OWN-02, RTE-15
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from chalicelib.findings.received import Received, Source, join_remarks, read_patch, read_received
from chalicelib.policy.ownership import check_identity, check_owner, check_source, refuse_path_steps
from chalicelib.policy.time_remarks import remark_on
from chalicelib.policy.visibility import owner_roles
from chalicelib.protocol.patch import check_time
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import Write

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner
    from chalicelib.policy.ownership import FromPartner
    from chalicelib.protocol.json_text import Document
    from chalicelib.protocol.overtaking import Overtaken
    from chalicelib.protocol.types import OcpiObject
    from chalicelib.storage.locations import LocationChange
    from chalicelib.storage.objects import Changed, Decide, Decision, KnownItems, Stored


_LONGEST_ID = 64

ASIDE = "aside"
"""Attribute of an item: JSON text of the parts of the object that were set aside, by dotted path."""


@dataclass(frozen=True)
class Kept:
    """Result of `keep`.

    ref: key of the object. change: what the store did. remark: text for `status_message` about odd
    timestamps and repairs, None without any.
    """

    ref: Ref
    change: Changed | LocationChange
    remark: str | None = None

    @property
    def created(self) -> bool:
        """Return whether the object is new."""
        return self.change.created


def read_sent(
    node: Node,
    source: Source,
    model: type[OcpiObject],
    document: Document,
    ref: Ref | None = None,
    *,
    id_name: str = "id",
    fills: Mapping[str, Any] | None = None,
) -> Received:
    """Read a whole object that a partner sent, and check that its ids are those in the URL.

    ref: the key in the URL, None for a document that came without one; ids that the document lacks are taken
    from it. fills: values of other missing fields.
    Raises: InvalidParameters for a document that cannot be read, and for an id that differs (TRN-27).
    """
    ids = {} if ref is None else {"country_code": ref.country_code, "party_id": ref.party_id, id_name: ref.id}
    if source.ref is None:
        source = source._replace(ref=ref_of(source.module, document))
    received = read_received(node, source, model, document, {**ids, **(fills or {})})
    check_ids(received.document, ref, id_name)
    return received


def ref_of(module: str, document: Any) -> Ref | None:
    """The name of an object by the ids that it has, None when they are odd."""
    if not isinstance(document, Mapping):
        return None
    own_id = document.get("uid" if module == "tokens" else "id")
    variant = document.get("type", "RFID") if module == "tokens" else ""
    parts = (document.get("country_code"), document.get("party_id"), own_id)
    if not all(map(_is_plain, (*parts, variant or "-"))):
        return None
    country_code, party_id, name = map(str, parts)
    return Ref(module, country_code, party_id, name, variant)


def read_sent_patch(
    node: Node, source: Source, model: type[OcpiObject], patch: Document, ref: Ref, id_name: str = "id"
) -> Received:
    """Read a PATCH that a partner sent, and check its ids and its time.

    Raises: InvalidParameters as `read_sent`, and when it has no `last_updated`.
    """
    received = read_patch(node, source, model, patch)
    check_ids(received.document, ref, id_name)
    check_time(received.document)
    return received


def check_ids(document: Mapping[str, Any], ref: Ref | None, id_name: str = "id") -> None:
    """Check that the ids in a document or PATCH are those in the URL; a document may leave them out.

    ref: the key in the URL, None for a document that came without one.
    Raises: InvalidParameters naming the first id that differs (TRN-27).
    """
    if ref is not None:
        check_identity(document, country_code=ref.country_code, party_id=ref.party_id, **{id_name: ref.id})


def check_sender(node: Node, partner: Partner, ref: Ref, known: KnownItems = None) -> None:
    """Check that a partner is the owner of an object, or a hub that may act for the owner.

    Raises: NotFound when it is neither (TRN-28); InvalidParameters for ids that no URL can carry.
    """
    refuse_path_steps(ref.country_code, ref.party_id, ref.id)
    roles = owner_roles(ref.module)
    played = [role for role in roles if partner.plays_as(ref.owner, role)]
    for role in played[:1] or roles:
        check_owner(node.settings, node.table, partner, ref.owner, role, known)


def check_origin(node: Node, partner: Partner, ref: Ref, stored: FromPartner | None) -> None:
    """Check that a stored object came from the partner that changes it, or is released.

    Raises: NotFound when it came from another partner.
    """
    check_source(node.directory, partner, ref.owner, owner_roles(ref.module), stored)


def change_received(
    node: Node,
    partner: Partner,
    ref: Ref,
    decide: Decide,
    known: KnownItems = None,
    *,
    partition: str,
    aside: str | None = None,
) -> Changed:
    """Change an object for the partner that sent it, by a decision on the stored object.

    An object that changes nothing is not written, and another `last_updated` alone is pushed to nobody.

    partition: the list of a new object, unless the Write names another. aside: JSON text of the parts that
    were set aside, kept beside the object; None keeps the stored ones.
    Raises: NotFound when the object came from another partner, and as `ObjectStore.change`.
    """

    def decide_for_partner(stored: Stored | None) -> Decision:
        check_origin(node, partner, ref, stored)
        decision = decide(stored)
        beside = aside if aside is not None or stored is None else stored.extra.get(ASIDE)
        if beside and isinstance(decision, Write):
            return replace(decision, extra={**decision.extra, ASIDE: beside})
        return decision

    return node.objects.change(
        ref, decide_for_partner, known, partition=partition, source=partner.id, skip_same=True
    )


def kept(
    node: Node,
    partner: Partner,
    ref: Ref,
    received: Received,
    change: Changed | LocationChange,
    overtaken: Sequence[Overtaken] = (),
) -> Kept:
    """Return the result of a change, after logging odd timestamps of the document.

    overtaken: parts of the document that are older than the stored ones.
    """
    about_times = remark_on(node, partner, ref, received.document, overtaken)
    return Kept(ref, change, join_remarks(about_times, received.remark))


def _is_plain(text: object) -> bool:
    return isinstance(text, str) and text.isascii() and text.isprintable() and 0 < len(text) <= _LONGEST_ID
