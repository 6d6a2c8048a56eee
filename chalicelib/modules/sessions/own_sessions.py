"""Changes of the node's own sessions by the operator's CSMS. The table's stream then pushes them.

The partner is found when the session is new (`policy/session_viewers.py`), and stays the same as long as the
session has the same token, so that a partner receives a session from its first push to its end. If no partner
was found, each change looks again.

A new session that a command started gets the command's `authorization_reference` if the CSMS gives none. A
PUT without the reference keeps the stored one, because the eMSP knows the session by it (SES-13).

If the operator gives no `total_cost`, the node computes the cost so far with the caller's `cost` function and
stores it in the same write (SES-14). The computed cost is replaced with each change.

A change is proposed (`proposals.py`), the partner is found, and the session is priced. Then the store writes
it, or decides anew when the session has changed since it was read.

Source: OCPI 2.2.1 mod_sessions, Push model, Session Object; SES-05, SES-10 … SES-16
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.errors import InvalidParameters
from chalicelib.modules.cdrs.objects import CdrToken
from chalicelib.modules.sessions.proposals import (
    PRICED,
    Known,
    OwnChange,
    Proposal,
    has_same_token,
    known_session,
    propose,
    with_cdr_token,
    with_reference,
)
from chalicelib.modules.sessions.sizes import note_size, refuse_periods
from chalicelib.policy.private_partitions import remember_list
from chalicelib.policy.remote_starts import begins, find_start
from chalicelib.policy.session_viewers import find_viewer, keys_of_viewer
from chalicelib.policy.time_remarks import remark_on_own
from chalicelib.policy.visibility import partition_for_viewer
from chalicelib.protocol.json_text import Document, JsonText, write_json
from chalicelib.protocol.message import Party
from chalicelib.protocol.types import validate
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import Keep, Write

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.storage.objects import Changed, KnownItems, Stored
    from chalicelib.storage.table import Key

MODULE = "sessions"
Cost = Callable[[Document, str], Document | None]
"""Returns the `total_cost` of a valid session in a partition; None when it has no price."""

_LONGEST_REFERENCE = 36


class OwnSession(NamedTuple):
    """A session as it is stored now, and whether it is new."""

    document: Document
    created: bool


class _Place(NamedTuple):
    """The partition for a session; for a new one also the authorization_reference of its command (SES-13)."""

    partition: str
    reference: str | None = None


def keys_to_change(party: Party, session_id: str, document: object = None) -> list[Key]:
    """Return the keys that a change reads first, to be read together with the caller's item.

    document: the body of a PUT, not validated yet; its token leads to the partner of a new session.
    """
    keys = [Ref(MODULE, *party, session_id).key]
    given = with_cdr_token(document) if isinstance(document, dict) else {}
    try:
        validate(CdrToken, given.get("cdr_token"))
    except InvalidParameters:
        return keys
    reference = given.get("authorization_reference")
    is_name = isinstance(reference, str) and len(reference) <= _LONGEST_REFERENCE
    return keys + keys_of_viewer({**given, "authorization_reference": reference if is_name else None})


def put_own_session(
    node: Node,
    party: Party,
    session_id: str,
    document: Document,
    known: KnownItems = None,
    cost: Cost | None = None,
) -> OwnSession:
    """Create or replace a session of one of the node's parties, charging periods included.

    A PUT corrects a COMPLETED session, and with it the CDR, but cannot open it again.
    document: may leave out country_code, party_id, id and last_updated. known: an earlier read of
    `keys_to_change`. cost: prices a session without total_cost.
    Raises: InvalidParameters naming the field; `status` when the PUT would open a COMPLETED session again.
    """
    change = OwnChange(Ref(MODULE, *party, session_id), document, is_patch=False)
    return _change(node, change, known, cost)


def patch_own_session(
    node: Node,
    party: Party,
    session_id: str,
    patch: Document,
    known: KnownItems = None,
    cost: Cost | None = None,
) -> OwnSession:
    """Change the fields that are given, and add the charging periods that are new.

    known, cost: as for a PUT.
    Raises: NotFound; InvalidParameters as for a PUT, and when the periods do not fit. In that case the other
    fields are stored.
    """
    change = OwnChange(Ref(MODULE, *party, session_id), patch, is_patch=True)
    return _change(node, change, known, cost)


def _change(node: Node, change: OwnChange, items: KnownItems, cost: Cost | None) -> OwnSession:
    ref = change.ref
    read = node.table.read(node.objects.keys_for_get(ref), items)
    known = known_session(node.objects.get(ref, read))
    proposal = propose(change, known, node.clock())
    place = _kept_place(ref, known, proposal) or _find_place(node, ref, known, proposal, items)
    if place.reference:
        proposal = with_reference(proposal, change, place.reference)
    decision = _decide(ref, known, proposal, place, cost)

    def decide(current: Stored | None) -> Write | Keep:
        if (current.version if current else 0) == known.version:
            return decision
        newer = known_session(current)
        return _decide(ref, newer, propose(change, newer, node.clock()), place, cost)

    changed = node.objects.change(ref, decide, read, partition=place.partition, source="")
    _note(node, changed)
    if changed.answer.left_out:
        raise refuse_periods()
    return OwnSession(changed.answer.session, changed.created)


def _kept_place(ref: Ref, known: Known, proposal: Proposal) -> _Place | None:
    """Return the place of a stored session; None when its token changed or no partner may see it."""
    nobody = partition_for_viewer(MODULE, Party(ref.country_code, ref.party_id), None)
    if known.session is None or known.partition == nobody:
        return None
    return _Place(known.partition) if has_same_token(known.session, proposal.session) else None


def _find_place(node: Node, ref: Ref, known: Known, proposal: Proposal, items: KnownItems) -> _Place:
    """Find the partner of a session."""
    session = proposal.session
    read = node.table.read(keys_of_viewer(session), items)
    viewer = find_viewer(node, session, read)
    partition = partition_for_viewer(MODULE, Party(ref.country_code, ref.party_id), viewer)
    if known.session is not None:
        return _Place(partition)
    start = find_start(node.table, session["cdr_token"], session.get("authorization_reference"), read)
    if start is None or not begins(start, session["location_id"], session["evse_uid"], node.clock()):
        return _Place(partition)
    return _Place(partition, start.authorization_reference or None)


def _decide(ref: Ref, known: Known, proposal: Proposal, place: _Place, cost: Cost | None) -> Write | Keep:
    """Decide what to write. The answer of the decision is the proposal with its cost."""
    session = proposal.session
    if session == known.session:
        return Keep(_priced(proposal, known.computed))
    partition = (_kept_place(ref, known, proposal) or place).partition
    computed = cost(session, partition) if cost and session.get("total_cost") is None else None
    priced = _priced(proposal, computed)
    body, extra = JsonText(write_json(priced.session)), {PRICED: True} if computed is not None else {}
    return Write(body, session["last_updated"], partition, extra, answer=priced)


def _priced(proposal: Proposal, computed: Document | None) -> Proposal:
    if computed is None:
        return proposal
    return proposal._replace(session={**proposal.session, "total_cost": computed})


def _note(node: Node, changed: Changed) -> None:
    """Record a new partition, and log odd times and sizes."""
    before, after, answer = changed.before, changed.after, changed.answer
    if after is None:
        return
    if before is None or before.partition != after.partition:
        remember_list(node.table, after.partition)
    remark_on_own(node, after.ref, answer.session)
    note_size(node.settings.table, changed, answer.left_out)
