"""Reconciliation entries: the result for each session, as the operator sees it. Pure functions.

The partition of an entry is that of its state, so entries are listed, counted and paged like all objects. An
entry is written only if it changed.

Source: docs/design.md, A CDR; CDR-22
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from chalicelib.modules.reconciliation.noted_cdrs import MODULE, WITHOUT_SESSION, due_entry_item
from chalicelib.modules.reconciliation.verdicts import ReconciliationState, Verdict
from chalicelib.protocol.json_text import Document, JsonText, read_json, write_json
from chalicelib.protocol.message import Party
from chalicelib.protocol.types import format_datetime, parse_datetime
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import Stored, Write


@dataclass(frozen=True)
class EntryChange:
    """Decision to write an entry.

    moves: it is new in its partition. over: version of the stored entry that it was decided from; 0 without
    one.
    """

    write: Write
    partition: str
    moves: bool
    over: int


def partition_of(owner: Party, state: ReconciliationState) -> str:
    """Partition of one CPO's entries in one state."""
    return f"{MODULE}#{owner.key()}#{state}"


def show(entry: str, now: datetime) -> Document:
    """Convert an entry for the operator API: `age_s` is added unless the state is AGREED."""
    shown: Document = read_json(entry)
    if shown["state"] == ReconciliationState.AGREED:
        return shown
    return {**shown, "age_s": max(int((now - parse_datetime(shown["since"])).total_seconds()), 0)}


def state_of(entry: Stored) -> ReconciliationState:
    """State of a stored entry."""
    return ReconciliationState(read_json(str(entry.body))["state"])


def decide_entry(ref: Ref, before: Stored | None, verdict: Verdict, now: datetime) -> EntryChange | None:
    """Decide the entry of a verdict; None when the stored one says the same."""
    entry = _entry(ref, verdict)
    if before is not None:
        old = read_json(str(before.body))
        if {**entry, "last_updated": old["last_updated"]} == old:
            return None
    again = verdict.judge_again_at
    extra = {"again": due_entry_item(format_datetime(again), str(ref), str(ref))["sk"]} if again else {}
    at = format_datetime(now)
    write = Write(JsonText(write_json({**entry, "last_updated": at})), at, extra=extra)
    partition = partition_of(Party(ref.country_code, ref.party_id), verdict.state)
    moves = before is None or before.partition != partition
    return EntryChange(write, partition, moves, before.version if before else 0)


def not_compared(ref: Ref, since: str, now: datetime) -> Write:
    """Build the entry of a session whose comparison fails because of a bug.

    since: time of the first failure.
    """
    at = format_datetime(now)
    entry = {
        **_session_of(ref),
        "state": str(ReconciliationState.NOT_COMPARED),
        "reason": "something went wrong here; the log has more",
        "own_cdr_id": None,
        "hub_cdr_id": None,
        "differences": [],
        "not_judged": [],
        "since": since,
        "last_updated": at,
    }
    return Write(JsonText(write_json(entry)), at)


def _entry(ref: Ref, verdict: Verdict) -> Document:
    return {
        **_session_of(ref),
        "state": str(verdict.state),
        "own_cdr_id": verdict.ours.id if verdict.ours else None,
        "hub_cdr_id": verdict.theirs.id if verdict.theirs else None,
        "differences": [vars(each) for each in verdict.comparison.differences],
        "not_judged": list(verdict.comparison.not_judged),
        "since": format_datetime(verdict.since),
    }


def _session_of(ref: Ref) -> Document:
    return {
        "country_code": ref.country_code,
        "party_id": ref.party_id,
        "session_id": None if ref.variant == WITHOUT_SESSION else ref.id,
    }
