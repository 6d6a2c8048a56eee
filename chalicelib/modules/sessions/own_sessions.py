"""Changes of the node's own sessions by the operator's CSMS. The table's stream then pushes them.

The partner is found when the session is new (`token_owners.py`), and stays the same as long as the session
has the same token, so that a partner receives a session from its first push to its end. If no partner was
found, each change looks again.

The operator may leave out ids and times. A session that becomes ACTIVE starts now, and one that becomes
COMPLETED ends now, unless the body has `start_date_time` or `end_date_time` (SES-12).

A new session that a command started gets the command's `authorization_reference` if the CSMS gives none. A
PUT without the reference keeps the stored one, because the eMSP knows the session by it (SES-13).

If the operator gives no `total_cost`, the node computes the cost so far with the caller's `cost` function and
stores it in the same write (SES-14). The computed cost is replaced with each change. It never counts as a
value of the operator, so a change is applied to and compared with the session without it.

Source: OCPI 2.2.1 mod_sessions, Push model, Session Object; SES-05, SES-10 … SES-16
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.errors import InvalidParameters, NotFound
from chalicelib.modules.cdrs.objects import CdrToken
from chalicelib.modules.own_objects import timed, with_ids
from chalicelib.modules.sessions.decisions import is_priced, written
from chalicelib.modules.sessions.objects import ACTIVE, COMPLETED, PENDING, RESERVATION, Session
from chalicelib.modules.sessions.rules import (
    has_same_token,
    is_correction,
    is_final,
    merged,
    refuse_change_of_final,
    tolerated,
    with_cdr_token,
    with_reference_kept,
    without_cost,
    without_periods,
)
from chalicelib.modules.sessions.sizes import note_size, periods_fit, refuse_periods
from chalicelib.policy.ownership import check_identity
from chalicelib.policy.private_partitions import remember_list
from chalicelib.policy.remote_starts import begins, find_start
from chalicelib.policy.session_viewers import find_viewer, keys_of_viewer
from chalicelib.policy.time_remarks import remark_on_own
from chalicelib.policy.visibility import partition_for_viewer
from chalicelib.protocol.json_text import Document, read_json
from chalicelib.protocol.types import format_datetime, validate
from chalicelib.storage.keys import Ref

if TYPE_CHECKING:
    from datetime import datetime

    from chalicelib.node import Node
    from chalicelib.protocol.message import Party
    from chalicelib.storage.objects import Changed, KnownItems, Stored, Write
    from chalicelib.storage.table import Item, Key

MODULE = "sessions"
Propose = Callable[["StoredSession"], Document]
"""Returns the new session, given the stored one."""
Cost = Callable[[Document, str], Document | None]
"""Returns the `total_cost` of a valid session in a partition; None when it has no price."""

_LONGEST_REFERENCE = 36


class OwnSession(NamedTuple):
    """A session as it is stored now, and what changed."""

    document: Document
    change: Changed

    @property
    def created(self) -> bool:
        """True for a session that was not stored before."""
        return self.change.created


class StoredSession(NamedTuple):
    """The stored session, with a `total_cost` of this node kept apart.

    session: as the operator wrote it; None when there is none. computed: the `total_cost` that this node
    computed, None when it computed none.
    """

    session: Document | None
    computed: Document | None = None


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

    def replaced(stored: StoredSession) -> Document:
        return with_reference_kept(without_cost(tolerated(document), *stored), stored.session)

    return _change(node, party, session_id, replaced, known, cost, corrects=True)


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
    left_out = False

    def patched(before: StoredSession) -> Document:
        nonlocal left_out
        stored = before.session
        if stored is None:
            raise NotFound("unknown session")
        check_identity(patch, country_code=party.country_code, party_id=party.party_id, id=session_id)
        session = merged(stored, tolerated(patch))
        left_out = (
            bool(patch.get("charging_periods")) and not is_final(stored) and not periods_fit(stored, session)
        )
        session = merged(stored, without_periods(tolerated(patch))) if left_out else session
        return _started(stored, session, patch, node.clock())

    changed = _change(node, party, session_id, patched, known, cost)
    if left_out:
        note_size(node, changed.change, were_refused=True)
        raise refuse_periods()
    return changed


def _change(
    node: Node,
    party: Party,
    session_id: str,
    propose: Propose,
    known: KnownItems,
    cost: Cost | None,
    corrects: bool = False,
) -> OwnSession:
    ref = Ref(MODULE, *party, session_id)
    items = node.table.read(node.objects.keys_for_get(ref), known)
    stored = node.objects.get(ref, items)
    proposed = _complete(_stored_session(stored), propose, ref, node.clock(), corrects)
    partition, reference = _kept_partition(stored, proposed, party), None
    if partition is None:
        read = node.table.read(keys_of_viewer(proposed), known)
        partition = partition_for_viewer(MODULE, party, find_viewer(node, proposed, read))
        reference = _reference_of_start(node, proposed, read) if stored is None else None
    result = proposed

    def decide(current: Stored | None) -> Write | None:
        nonlocal result
        stored_now = _stored_session(current)
        result = _complete(stored_now, propose, ref, node.clock(), corrects, reference)
        if stored_now.session == result:
            result = _priced(result, stored_now.computed)
            return None
        shown_in = _kept_partition(current, result, party) or partition
        computed = cost(result, shown_in) if cost and result.get("total_cost") is None else None
        result = _priced(result, computed)
        return written(result, shown_in, is_priced=computed is not None)

    change = node.objects.change(ref, decide, items, partition=partition, source="")
    before, after = change.before, change.after
    if after is not None and (before is None or before.partition != after.partition):
        remember_list(node.table, after.partition)
    remark_on_own(node, ref, result)
    note_size(node, change)
    return OwnSession(result, change)


def _stored_session(current: Stored | None) -> StoredSession:
    if current is None:
        return StoredSession(None)
    session: Document = read_json(str(current.body))
    computed = session.pop("total_cost") if is_priced(current) else None
    return StoredSession(session, computed)


def _priced(session: Document, computed: Document | None) -> Document:
    return session if computed is None else {**session, "total_cost": computed}


def _complete(
    before: StoredSession,
    propose: Propose,
    ref: Ref,
    now: datetime,
    corrects: bool,
    reference: str | None = None,
) -> Document:
    """Return the session to store, with ids and times filled in.

    reference: the authorization_reference for a new session that has none.
    Raises: InvalidParameters when the session is not valid, or changes one that is final.
    """
    stored = before.session
    proposed = with_cdr_token(propose(before))
    if stored is None and reference and proposed.get("authorization_reference") is None:
        proposed["authorization_reference"] = reference
    named = with_ids(proposed, stored, country_code=ref.country_code, party_id=ref.party_id, id=ref.id)
    session = timed(_ended(named, stored, now), stored, now)
    validate(Session, session)
    may_change = stored is None or not is_final(stored) or (corrects and is_correction(session))
    if not may_change and session != stored:
        raise refuse_change_of_final()
    return session


def _reference_of_start(node: Node, session: Document, read: Mapping[Key, Item]) -> str | None:
    """Return the authorization_reference of the command that started a new session, if any (SES-13)."""
    start = find_start(node.table, session["cdr_token"], session.get("authorization_reference"), read)
    if start is None or not begins(start, session["location_id"], session["evse_uid"], node.clock()):
        return None
    return start.authorization_reference or None


def _started(stored: Document, session: Document, patch: Document, now: datetime) -> Document:
    """Set `start_date_time` to now when the session becomes ACTIVE and the PATCH has none (SES-12)."""
    begins = stored["status"] in (PENDING, RESERVATION) and session.get("status") == ACTIVE
    if begins and patch.get("start_date_time") is None:
        return {**session, "start_date_time": format_datetime(now)}
    return session


def _ended(session: Document, stored: Document | None, now: datetime) -> Document:
    """Set `end_date_time` when a COMPLETED session has none: to its earlier end, else to now (SES-12)."""
    if session.get("status") != COMPLETED or session.get("end_date_time") is not None:
        return session
    before = stored.get("end_date_time") if stored is not None and is_final(stored) else None
    return {**session, "end_date_time": before or format_datetime(now)}


def _kept_partition(current: Stored | None, session: Document, party: Party) -> str | None:
    """Return the partition of a stored session; None when its token changed or no partner may see it."""
    if current is None or current.partition == partition_for_viewer(MODULE, party, None):
        return None
    return current.partition if has_same_token(read_json(str(current.body)), session) else None
