"""Storing a CDR that a partner sent. A CDR never changes.

A CDR that exists is accepted again if it is equal, because messages may arrive twice. If it differs, it is
refused: the sender has to correct it with a credit CDR (CDR-06, CDR-07). A CDR is always refused if its id
belongs to a CDR of this node or of another partner, or is reserved for the credit CDR of a CDR of this node.

*At a hub that makes the CDRs* (`cdr_makers.py`), a CDR of a CPO is stored as ignored: only the operator of
the hub sees it (MOBI.E's plan, 7.1). *At a CPO*, the hub sends CDRs whose owner is that CPO. This is the only
case in which a partner writes objects that this node owns (CDR-22).

Source: OCPI 2.2.1 mod_cdrs, Receiver Interface; CDR-02, CDR-06, CDR-07, CDR-22, TRP-30
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from chalicelib.errors import InvalidParameters
from chalicelib.findings.received import Received, Source
from chalicelib.modules.cdrs.objects import Cdr
from chalicelib.modules.received_objects import ASIDE, Kept, check_sender, kept, read_sent
from chalicelib.policy.cdr_makers import hub_makes_cdr
from chalicelib.policy.contract_cards import with_card
from chalicelib.policy.ownership import refuse_path_steps
from chalicelib.policy.session_viewers import emsp_of
from chalicelib.policy.token_lookup import emsp_asked, token_fills
from chalicelib.policy.visibility import partition_for_received, partition_for_viewer
from chalicelib.protocol.json_text import Document, JsonText, read_json, write_json
from chalicelib.protocol.types import fold
from chalicelib.queues import CREDIT
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import Stored, Write

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner
    from chalicelib.protocol.message import Party
    from chalicelib.settings import Settings
    from chalicelib.storage.objects import Decide, KnownItems, ObjectStore

MODULE = "cdrs"
IGNORED = f"{partition_for_received(MODULE)}#ignored"
"""Partition of the CDRs of CPOs that are ignored, because the hub makes its own."""


def keep(
    node: Node,
    partner: Partner,
    document: Document,
    known: KnownItems = None,
    addressee: Party | None = None,
) -> Kept:
    """Store a new CDR; an equal one is accepted again and changes nothing.

    known: items that were read before. addressee: the party in OCPI-to, for a token without an owner.
    Raises: InvalidParameters for a wrong document, a CDR that differs from the stored one, an id that is not
    the partner's, and a CDR that this node makes itself; NotFound when the partner may not send CDRs of this
    owner.
    """
    document = with_card(node, partner, MODULE, document, emsp_asked(node, addressee))
    received = read_sent(node, Source(partner, MODULE), Cdr, document, fills=token_fills(node, addressee))
    document = received.document
    ref = Ref(MODULE, document["country_code"], document["party_id"], document["id"])
    is_own = _check_sender(node, partner, ref, known)
    partition = _partition_of(node.settings, partner, document, is_own)
    _refuse_credit_of_ours(node.objects, ref, known)
    decide = _store_once(received, partner)
    change = node.objects.change(ref, decide, known, partition=partition, source=partner.id)
    return kept(node, partner, ref, received, change)


def is_ignored(cdr: Kept) -> bool:
    """Return whether a kept CDR is ignored, because the hub makes its own."""
    after = cdr.change.after
    return isinstance(after, Stored) and after.partition == IGNORED


def credited_ref(ref: Ref) -> Ref | None:
    """Ref of the CDR that a credit CDR credits, by the suffix of its id; None when it has no such suffix."""
    return (
        ref._replace(id=ref.id[: -len(CREDIT)])
        if fold(ref.id).endswith(CREDIT) and ref.id != CREDIT
        else None
    )


def _check_sender(node: Node, partner: Partner, ref: Ref, known: KnownItems) -> bool:
    """Check that a partner may send CDRs of this owner. Returns whether the owner is a party of this node.

    Raises: NotFound when the owner is no CPO of the partner; InvalidParameters when this node makes the
    owner's CDRs itself.
    """
    is_own = node.settings.owns(ref.owner, "CPO")
    if not (is_own and partner.is_hub):
        check_sender(node, partner, ref, known)
        return False
    refuse_path_steps(ref.id)
    if not hub_makes_cdr(partner):
        raise InvalidParameters("the CDRs of this party are made by this node", field="party_id")
    return True


def _refuse_credit_of_ours(objects: ObjectStore, ref: Ref, known: KnownItems) -> None:
    """Refuse a CDR whose id is reserved for the credit CDR of a CDR of this node.

    Raises: InvalidParameters when it is.
    """
    credited = credited_ref(ref)
    found = objects.get(credited, known) if credited is not None else None
    if found is not None and not found.source:
        raise InvalidParameters("the CDR that this would credit was made by this node", field="id")


def _partition_of(settings: Settings, partner: Partner, document: Document, is_own: bool) -> str:
    if is_own:
        return partition_for_viewer(MODULE, None, None)
    if settings.plays("HUB") and hub_makes_cdr(partner):
        return IGNORED
    return partition_for_viewer(MODULE, None, emsp_of(document["cdr_token"]))


def _store_once(received: Received, partner: Partner) -> Decide:
    """Create a CDR, or accept it again when the stored one is equal and from the same partner."""

    document = received.document

    def decide(current: Stored | None) -> Write | None:
        if current is None:
            extra = {ASIDE: received.aside} if received.aside else {}
            return Write(JsonText(write_json(document)), document["last_updated"], extra=extra)
        if current.source != partner.id:
            raise InvalidParameters("a CDR of this id is known, and is not from the caller", field="id")
        stored = read_json(str(current.body))
        if stored != document and stored != _filled_as(stored, received):
            text = "a CDR of this id is known and differs; CDRs never change, a credit CDR takes one back"
            raise InvalidParameters(text, field="id")
        return None

    return decide


def _filled_as(stored: Document, received: Received) -> Document:
    """The received CDR with the stored values of what it left out.

    What is filled in depends on the time of arrival and on what this node knows then. So a CDR that comes
    twice is the same one, although it is read differently (CDR-06).
    """
    document: Document = read_json(write_json(received.document))
    for path in received.filled:
        *steps, name = (int(step) if step.isdigit() else step for step in path.split("."))
        with suppress(LookupError, TypeError):
            _at(document, steps)[name] = _at(stored, [*steps, name])
    return document


def _at(document: Any, steps: Iterable[str | int]) -> Any:
    for step in steps:
        document = document[step]
    return document
