"""The session that results from the operator's PUT or PATCH, with ids and times filled in. Pure functions.

The operator may leave out ids and times. A session that becomes ACTIVE starts now, and one that becomes
COMPLETED ends now, unless the body has `start_date_time` or `end_date_time` (SES-12).

A `total_cost` that this node computed never counts as a value of the operator, so a change is applied to and
compared with the session without it (SES-14).

Source: OCPI 2.2.1 mod_sessions, Session Object; SES-05, SES-12 … SES-15
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from chalicelib.errors import NotFound
from chalicelib.modules.own_objects import timed, with_ids
from chalicelib.modules.sessions.decisions import is_priced
from chalicelib.modules.sessions.objects import ACTIVE, COMPLETED, PENDING, RESERVATION, Session
from chalicelib.modules.sessions.rules import (
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
from chalicelib.modules.sessions.sizes import periods_fit
from chalicelib.policy.ownership import check_identity
from chalicelib.protocol.json_text import Document, read_json
from chalicelib.protocol.types import format_datetime, validate
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import Stored


class Known(NamedTuple):
    """The stored session, with a `total_cost` of this node kept apart.

    session: as the operator wrote it; None when there is none. computed: the `total_cost` that this node
    computed, None when it computed none.
    """

    session: Document | None = None
    computed: Document | None = None
    partition: str = ""
    version: int = 0


class OwnChange(NamedTuple):
    """The operator's PUT of a session, or PATCH. document: its body."""

    ref: Ref
    document: Document
    is_patch: bool


class Proposal(NamedTuple):
    """A valid session to store. left_out: the charging periods of its PATCH did not fit."""

    session: Document
    left_out: bool = False


def known_session(stored: Stored | None) -> Known:
    """Read a stored session."""
    if stored is None:
        return Known()
    session: Document = read_json(str(stored.body))
    computed = session.pop("total_cost") if is_priced(stored) else None
    return Known(session, computed, stored.partition, stored.version)


def propose(change: OwnChange, known: Known, now: datetime, reference: str | None = None) -> Proposal:
    """Return the session to store, with ids and times filled in.

    A PUT corrects a COMPLETED session, and with it the CDR, but cannot open it again.
    reference: the authorization_reference for a new session that has none.
    Raises: NotFound for a PATCH of an unknown session; InvalidParameters when the session is not valid, or
    changes one that is final.
    """
    ref, stored = change.ref, known.session
    proposal = _patched(change, stored, now) if change.is_patch else Proposal(_replaced(change, known))
    proposed = with_cdr_token(proposal.session)
    if stored is None and reference and proposed.get("authorization_reference") is None:
        proposed["authorization_reference"] = reference
    named = with_ids(proposed, stored, country_code=ref.country_code, party_id=ref.party_id, id=ref.id)
    session = timed(_ended(named, stored, now), stored, now)
    validate(Session, session)
    may_correct = not change.is_patch and is_correction(session)
    if stored is not None and is_final(stored) and not may_correct and session != stored:
        raise refuse_change_of_final()
    return proposal._replace(session=session)


def _replaced(change: OwnChange, known: Known) -> Document:
    session = without_cost(tolerated(change.document), known.session, known.computed)
    return with_reference_kept(session, known.session)


def _patched(change: OwnChange, stored: Document | None, now: datetime) -> Proposal:
    if stored is None:
        raise NotFound("unknown session")
    ref, patch = change.ref, tolerated(change.document)
    check_identity(change.document, country_code=ref.country_code, party_id=ref.party_id, id=ref.id)
    session = merged(stored, patch)
    left_out = (
        bool(patch.get("charging_periods")) and not is_final(stored) and not periods_fit(stored, session)
    )
    if left_out:
        session = merged(stored, without_periods(patch))
    return Proposal(_started(stored, session, patch, now), left_out)


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
