"""The node's own sessions, as the operator's CSMS writes them; a partner hears of it by the table's stream.

Who that is is found out when the session is new (`token_owners.py`) and stays so as long as its token does:
what a partner was told of once it is told of to the end. Only a session that nobody hears of is looked at
again.

The operator may leave out ids and times. A session that becomes ACTIVE starts now, and one that becomes
COMPLETED ends now, unless it says otherwise (SES-12).

A new session that a command has started gets the command's `authorization_reference` where the CSMS gives
none, and a PUT that leaves it out does not take it away: the eMSP knows the session by it (SES-13).

Without a `total_cost` of the operator's own it gets what the caller's `cost` makes of it so far, in the same
write (SES-14). That one is computed anew with each change, and is never taken for the operator's: a change is
proposed and judged without it.

Source: OCPI 2.2.1 mod_sessions, Push model, Session Object; SES-05, SES-10 … SES-16
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib.errors import InvalidParameters, NotFound
from chalicelib.modules.cdrs.objects import CdrToken
from chalicelib.modules.client_owned_objects import check_identity
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
from chalicelib.partners.private_lists import remember_list
from chalicelib.partners.stamps import remark_on_own
from chalicelib.partners.starts import begins, find_start
from chalicelib.partners.token_owners import find_viewer, keys_of_viewer
from chalicelib.partners.visibility import partition_for_viewer
from chalicelib.protocol.json_text import read_json
from chalicelib.protocol.types import format_datetime, validate
from chalicelib.storage.keys import Ref

if TYPE_CHECKING:
    from datetime import datetime

    from chalicelib.node import Node
    from chalicelib.protocol.message import Party
    from chalicelib.storage.objects import Change, Known, Stored, Write
    from chalicelib.storage.table import Item, Key

MODULE = "sessions"
Document = dict[str, Any]
Propose = Callable[["Told"], Document]
"""From what is stored to what shall be there."""
Cost = Callable[[Document, str], Document | None]
"""From a valid session, and the list that it stands in, to its `total_cost`; None when it has no price."""

_LONGEST_REFERENCE = 36


class OwnSession(NamedTuple):
    """A session as it is stored now, and what changed."""

    document: Document
    change: Change

    @property
    def created(self) -> bool:
        """True for a session that was not stored before."""
        return self.change.created


class Told(NamedTuple):
    """A session as the operator told it, None when there is none, and the `total_cost` computed beside it."""

    session: Document | None
    computed: Document | None = None


def keys_to_change(party: Party, session_id: str, document: object = None) -> list[Key]:
    """What a change reads first; to be read together with the caller's key.

    document: of a PUT, not judged yet, which tells who may hear of a session that is new.
    """
    keys = [Ref(MODULE, *party, session_id).key]
    told = with_cdr_token(document) if isinstance(document, dict) else {}
    try:
        validate(CdrToken, told.get("cdr_token"))
    except InvalidParameters:
        return keys
    reference = told.get("authorization_reference")
    is_name = isinstance(reference, str) and len(reference) <= _LONGEST_REFERENCE
    return keys + keys_of_viewer({**told, "authorization_reference": reference if is_name else None})


def put_own_session(
    node: Node,
    party: Party,
    session_id: str,
    document: Document,
    known: Known = None,
    cost: Cost | None = None,
) -> OwnSession:
    """Create or replace a session of one of the node's parties, charging periods included.

    One that is COMPLETED is corrected, and its CDR with it; it is not opened again.
    document: may leave out country_code, party_id, id and last_updated. known: an earlier read of
    `keys_to_change`. cost: prices a session that has no total_cost.
    Raises: InvalidParameters naming the field; `status` when the session is COMPLETED and would be opened.
    """

    def replaced(told: Told) -> Document:
        return with_reference_kept(without_cost(tolerated(document), *told), told.session)

    return _change(node, party, session_id, replaced, known, cost, corrects=True)


def patch_own_session(
    node: Node,
    party: Party,
    session_id: str,
    patch: Document,
    known: Known = None,
    cost: Cost | None = None,
) -> OwnSession:
    """Change the fields that are given, and add the charging periods that are not there yet.

    known, cost: as for a PUT.
    Raises: NotFound; InvalidParameters as for a PUT, and when the periods do not fit: then the other fields
    are stored.
    """
    left_out = False

    def patched(told: Told) -> Document:
        nonlocal left_out
        stored = told.session
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
    known: Known,
    cost: Cost | None,
    corrects: bool = False,
) -> OwnSession:
    ref = Ref(MODULE, *party, session_id)
    items = node.table.read(node.objects.keys_for_get(ref), known)
    stored = node.objects.get(ref, items)
    proposed = _complete(_told(stored), propose, ref, node.clock(), corrects)
    partition, reference = _list_to_stay_in(stored, proposed, party), None
    if partition is None:
        read = node.table.read(keys_of_viewer(proposed), known)
        partition = partition_for_viewer(MODULE, party, find_viewer(node, proposed, read))
        reference = _reference_of_start(node, proposed, read) if stored is None else None
    result = proposed

    def decide(current: Stored | None) -> Write | None:
        nonlocal result
        told = _told(current)
        result = _complete(told, propose, ref, node.clock(), corrects, reference)
        if told.session == result:
            result = _priced(result, told.computed)
            return None
        shown_in = _list_to_stay_in(current, result, party) or partition
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


def _told(current: Stored | None) -> Told:
    if current is None:
        return Told(None)
    session: Document = read_json(str(current.body))
    return Told(session, session.pop("total_cost")) if is_priced(current) else Told(session)


def _priced(session: Document, computed: Document | None) -> Document:
    return session if computed is None else {**session, "total_cost": computed}


def _complete(
    told: Told,
    propose: Propose,
    ref: Ref,
    now: datetime,
    corrects: bool,
    reference: str | None = None,
) -> Document:
    """The session as it shall be, with what was left out.

    reference: the authorization_reference of a session that has none and is new.
    Raises: InvalidParameters when it is none, or when what is stored is final and differs.
    """
    stored = told.session
    proposed = with_cdr_token(propose(told))
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
    """The authorization_reference of the command that a new session comes of (SES-13)."""
    start = find_start(node.table, session["cdr_token"], session.get("authorization_reference"), read)
    if start is None or not begins(start, session["location_id"], session["evse_uid"], node.clock()):
        return None
    return start.authorization_reference or None


def _started(stored: Document, session: Document, patch: Document, now: datetime) -> Document:
    """What becomes ACTIVE starts at that moment (SES-12)."""
    begins = stored["status"] in (PENDING, RESERVATION) and session.get("status") == ACTIVE
    if begins and patch.get("start_date_time") is None:
        return {**session, "start_date_time": format_datetime(now)}
    return session


def _ended(session: Document, stored: Document | None, now: datetime) -> Document:
    """What becomes COMPLETED ends at that moment; what has been it before, when it did."""
    if session.get("status") != COMPLETED or session.get("end_date_time") is not None:
        return session
    before = stored.get("end_date_time") if stored is not None and is_final(stored) else None
    return {**session, "end_date_time": before or format_datetime(now)}


def _list_to_stay_in(current: Stored | None, session: Document, party: Party) -> str | None:
    """The list that a session stands in, unless it is another's now, or nobody's."""
    if current is None or current.partition == partition_for_viewer(MODULE, party, None):
        return None
    return current.partition if has_same_token(read_json(str(current.body)), session) else None
