"""The session that results from the operator's PUT or PATCH, with ids and times filled in. Pure functions.

The operator may leave out ids and times. A session that becomes ACTIVE starts now, and one that becomes
COMPLETED ends now, unless the body has `start_date_time` or `end_date_time` (SES-12).

A `total_cost` that this node computed never counts as a value of the operator, so a change is applied to and
compared with the session without it (SES-14).

Source: OCPI 2.2.1 mod_sessions, Session Object; SES-05, SES-12 … SES-15
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from chalicelib.errors import InvalidParameters, NotFound
from chalicelib.modules.cdrs.objects import CdrToken
from chalicelib.modules.own_objects import timed, with_ids
from chalicelib.modules.sessions.objects import ACTIVE, COMPLETED, PENDING, RESERVATION, Session
from chalicelib.modules.sessions.rules import (
    is_correction,
    is_final,
    merged,
    refuse_change_of_final,
    tolerated,
    without_periods,
)
from chalicelib.modules.sessions.sizes import periods_fit
from chalicelib.policy.ownership import check_identity
from chalicelib.protocol.json_text import Document, read_json
from chalicelib.protocol.types import fold, format_datetime, sort_key, validate
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import Stored

PRICED = "priced"
"""Attribute of a stored session whose `total_cost` this node computed."""

_TOKEN_KEY = ("country_code", "party_id", "uid", "type")


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
    computed = session.pop("total_cost") if PRICED in stored.extra else None
    return Known(session, computed, stored.partition, stored.version)


def propose(change: OwnChange, known: Known, now: datetime) -> Proposal:
    """Return the session to store, with ids and times filled in.

    A PUT corrects a COMPLETED session, and with it the CDR, but cannot open it again.
    Raises: NotFound for a PATCH of an unknown session; InvalidParameters when the session is not valid, or
    changes one that is final.
    """
    ref, stored = change.ref, known.session
    proposal = _patched(change, stored, now) if change.is_patch else Proposal(_replaced(change, known))
    ended = _ended(with_cdr_token(proposal.session), stored, now)
    named = with_ids(ended, stored, country_code=ref.country_code, party_id=ref.party_id, id=ref.id)
    session = timed(named, stored, now)
    validate(Session, session)
    may_correct = not change.is_patch and is_correction(session)
    if stored is not None and is_final(stored) and not may_correct and session != stored:
        raise refuse_change_of_final()
    return proposal._replace(session=session)


def with_reference(proposal: Proposal, change: OwnChange, reference: str) -> Proposal:
    """Add the authorization_reference of the command that started a new session, if it has none (SES-13).

    It stands behind the operator's fields and before the times that were filled in.
    """
    session = proposal.session
    if session.get("authorization_reference") is not None:
        return proposal
    times = ("end_date_time", "last_updated")
    filled_in = {name: session[name] for name in times if name in session and name not in change.document}
    given = {name: value for name, value in session.items() if name not in filled_in}
    return proposal._replace(session={**given, "authorization_reference": reference, **filled_in})


def _replaced(change: OwnChange, known: Known) -> Document:
    session = _without_cost(tolerated(change.document), known.session, known.computed)
    return _with_reference_kept(session, known.session)


def _with_reference_kept(session: Document, stored: Document | None) -> Document:
    """Return an operator's PUT with the stored authorization_reference if it has none (SES-13).

    session: not validated yet. With another token than the stored one, no reference is taken over.
    """
    if stored is None or session.get("authorization_reference") is not None:
        return session
    kept, token = stored.get("authorization_reference"), session.get("cdr_token")
    if kept is None or not isinstance(token, dict):
        return session
    is_same = all(token.get(name) == stored["cdr_token"][name] for name in _TOKEN_KEY)
    return {**session, "authorization_reference": kept} if is_same else session


def _without_cost(session: Document, stored: Document | None, computed: Document | None) -> Document:
    """Return an operator's PUT without a `total_cost` that this node computed and the operator read.

    session: not validated yet. The cost is the node's own when it equals the computed one, or when the body's
    `last_updated` is not newer than the stored one: then the operator read the session earlier and sends
    the cost back. Any other cost is the operator's.
    Source: SES-14
    """
    if stored is None or computed is None:
        return session
    if session.get("total_cost") != computed and not _is_old(session.get("last_updated"), stored):
        return session
    return {name: value for name, value in session.items() if name != "total_cost"}


def _is_old(last_updated: object, stored: Document) -> bool:
    try:
        return isinstance(last_updated, str) and sort_key(last_updated) <= sort_key(stored["last_updated"])
    except InvalidParameters:
        return False


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


def with_cdr_token(session: Document) -> Document:
    """Return the session with its Token, as a command carries it, reduced to a CdrToken (SES-11)."""
    token = session.get("cdr_token")
    if not isinstance(token, dict) or "whitelist" not in token:
        return session
    kept = {name: value for name, value in token.items() if name in CdrToken.model_fields}
    return {**session, "cdr_token": kept}


def has_same_token(session: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return True when two versions of a session have the same token, and so go to the same partner."""
    return all(fold(session["cdr_token"][name]) == fold(other["cdr_token"][name]) for name in _TOKEN_KEY)
