"""Decision functions for changes of received sessions, for the store to call.

The store calls a decision with the stored session, and calls it again if the session changed before the
write. A push that is older than the stored session is answered with success and changes nothing (LOC-14,
applied to every module). Exception: the charging periods of an older PATCH are kept, because no other
message has them, unless the session is final (SES-08). Sessions are never deleted.

Source: OCPI 2.2.1 mod_sessions, Receiver Interface; SES-04 … SES-08, SES-15
"""

from __future__ import annotations

from collections.abc import Callable

from chalicelib.errors import NotFound
from chalicelib.modules.own_objects import reads_as
from chalicelib.modules.sessions.rules import (
    is_correction,
    is_final,
    only_adds,
    patch_session,
    refuse_change_of_final,
    with_late_periods,
    without_periods,
)
from chalicelib.modules.sessions.sizes import periods_fit
from chalicelib.protocol.json_text import Document, JsonText, read_json, write_json
from chalicelib.protocol.types import sort_key
from chalicelib.storage.objects import Decide, Stored, Write, is_stale

PartitionOf = Callable[[Document], str]
"""Returns the partition that a session belongs to."""


def written(document: Document, partition: str) -> Write:
    """Return the write of a valid session."""
    return Write(JsonText(write_json(document)), document["last_updated"], partition)


def replace_by(document: Document, list_of: PartitionOf) -> Decide:
    """Create or replace a session, unless the stored one is newer or final (SES-04)."""

    def decide(current: Stored | None) -> Write | None:
        if current is None:
            return written(document, list_of(document))
        return _unless_final(current, document, list_of, corrects=is_correction(document))

    return decide


class Patched:
    """Decision on a PATCH. left_out: its charging periods did not fit; only the other fields are stored."""

    def __init__(self, patch: Document, list_of: PartitionOf) -> None:
        self._patch, self._list_of = patch, list_of
        self.left_out = False

    def __call__(self, current: Stored | None) -> Write | None:
        """Return the write for the stored session. Raises: NotFound when there is no such session."""
        if current is None:
            raise NotFound("unknown session")
        stored = read_json(str(current.body))
        session = patch_session(stored, self._patch)
        if is_stale(current, self._patch["last_updated"]) and not is_final(stored):
            return self._late(stored)
        adds = only_adds(stored, self._patch)
        is_open = adds or not is_final(stored)
        self.left_out = self._has_periods() and is_open and not periods_fit(stored, session)
        if self.left_out:
            session = patch_session(stored, without_periods(self._patch))
        return _unless_final(current, session, self._list_of, corrects=adds)

    def _late(self, stored: Document) -> Write | None:
        late = with_late_periods(stored, self._patch)
        self.left_out = late is not None and not periods_fit(stored, late)
        return None if late is None or self.left_out else written(late, self._list_of(late))

    def _has_periods(self) -> bool:
        return bool(self._patch.get("charging_periods"))


def patched_by(patch: Document, list_of: PartitionOf) -> Patched:
    """Change the fields in a PATCH and add its periods (SES-05). An older PATCH only adds its periods."""
    return Patched(patch, list_of)


def _unless_final(
    current: Stored, session: Document, list_of: PartitionOf, corrects: bool = False
) -> Write | None:
    """Return the write, None when the session is older or changes nothing.

    Raises: InvalidParameters when it changes a final session.
    """
    if is_stale(current, session["last_updated"]):
        return None
    stored = read_json(str(current.body))
    if not is_final(stored):
        return written(session, list_of(session))
    if sort_key(session["last_updated"]) == sort_key(stored["last_updated"]) or reads_as(session, stored):
        return None
    if corrects:
        return written(session, list_of(session))
    raise refuse_change_of_final()
