"""What may become of a received session: decisions that the store asks for, again if something changed.

What is older than what is stored was overtaken on its way: it is answered like any other and changes
nothing (LOC-14's house rule, for every module). Only the charging periods of an overtaken PATCH are kept,
since no other message has them, unless the session is final (SES-08). Sessions are never deleted.

Source: OCPI 2.2.1 mod_sessions, Receiver Interface; SES-04 … SES-08, SES-15
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chalicelib.errors import NotFound
from chalicelib.modules.own_objects import reads_as
from chalicelib.modules.sessions.rules import (
    is_correction,
    is_final,
    patch_session,
    refuse_change_of_final,
    with_late_periods,
)
from chalicelib.protocol.json_text import JsonText, read_json, write_json
from chalicelib.protocol.types import sort_key
from chalicelib.storage.objects import Decide, Stored, Write, is_stale

Document = dict[str, Any]
_PRICED = "priced"

ListOf = Callable[[Document], str]
"""The store's list that a session belongs into."""


def written(document: Document, partition: str, is_priced: bool = False) -> Write:
    """Store a valid session. is_priced: its `total_cost` was computed here."""
    extra = {_PRICED: True} if is_priced else {}
    return Write(JsonText(write_json(document)), document["last_updated"], partition, extra)


def is_priced(session: Stored) -> bool:
    """Tell whether the `total_cost` of a stored session was computed here."""
    return _PRICED in session.extra


def replace_by(document: Document, list_of: ListOf) -> Decide:
    """Create or replace, unless the stored one is newer, or final (SES-04)."""

    def decide(current: Stored | None) -> Write | None:
        if current is None:
            return written(document, list_of(document))
        return _unless_final(current, document, list_of, corrects=is_correction(document))

    return decide


def patched_by(patch: Document, list_of: ListOf) -> Decide:
    """Change the fields that a PATCH names and add its periods (SES-05); of an older one, only its periods.

    Raises: NotFound when there is no such session.
    """

    def decide(current: Stored | None) -> Write | None:
        if current is None:
            raise NotFound("unknown session")
        stored = read_json(str(current.body))
        session = patch_session(stored, patch)
        if is_stale(current, patch["last_updated"]) and not is_final(stored):
            late = with_late_periods(stored, patch)
            return None if late is None else written(late, list_of(late))
        return _unless_final(current, session, list_of)

    return decide


def _unless_final(
    current: Stored, session: Document, list_of: ListOf, corrects: bool = False
) -> Write | None:
    """Raises: InvalidParameters for news of a session that is final."""
    if is_stale(current, session["last_updated"]):
        return None
    stored = read_json(str(current.body))
    if not is_final(stored):
        return written(session, list_of(session))
    if sort_key(session["last_updated"]) == current.last_updated or reads_as(session, stored):
        return None
    if corrects:
        return written(session, list_of(session))
    raise refuse_change_of_final()
