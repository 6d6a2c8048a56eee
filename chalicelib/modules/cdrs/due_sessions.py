"""Due sessions, which have ended and wait for their CDR, and sessions that are set aside without a CDR.

Both are short lists of small items, separate from the sessions. The table's stream adds a due session for
each session that ended (`session_changes.py`). The timer takes due sessions from the list (`compiler.py`). An
item has the ref and the version of a session. It is deleted in the same transaction that writes the result,
on condition that the version is still the same.

A session without a price is never priced at 0. It is set aside with the reason, for the operator, until the
session is corrected or the operator asks for another attempt.

*Attempts.* A function that is killed (out of memory, timeout) cannot record which session was the cause. So
an attempt is counted before it begins, in the item of the due session. To save this write for most CDRs, an
attempt is counted only if an earlier one may have failed: the session has been due for longer than two runs
of the timer, or an attempt was counted before. In the latter case the session is compiled after all others,
alone. After the last attempt the session is set aside.

Source: docs/design.md, A CDR
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from chalicelib.errors import InvalidParameters
from chalicelib.protocol.types import format_datetime, parse_datetime
from chalicelib.storage.keys import Ref
from chalicelib.storage.operations import Delete, Key, Operation, Put, key_of
from chalicelib.storage.table import Item

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.storage.objects import KnownItems, Stored
    from chalicelib.storage.table import Table

DUE = "cdrs-due"
SET_ASIDE = "cdrs-set-aside"

MAX_ATTEMPTS = 3
ATTEMPT_TIME_LIMIT = timedelta(seconds=20)
"""An attempt whose pricing takes longer has failed."""

_SUSPECT_AFTER = timedelta(seconds=150)


def read_due_sessions(table: Table) -> Iterator[Item]:
    """Yield the due sessions, page by page as they are read."""
    return table.query_all("#pk = :pk", {"pk": DUE})


def due_key(session: Key) -> Key:
    """Key of the item that makes a session due."""
    return Key(DUE, session.pk)


def clear_due(due: Item, was_set_aside: bool) -> list[Operation]:
    """Operations that delete a due session and its set-aside item; they fail if the session changed."""
    also = [Delete(Key(SET_ASIDE, due["sk"]))] if was_set_aside else []
    return [_delete_due(due), *also]


def _delete_due(due: Item) -> Delete:
    return Delete(key_of(due), "#v = :v", {"v": due["v"]})


def make_due(node: Node, session: Stored, is_released: bool = False) -> None:
    """Make a session due, so that the timer attempts its CDR again.

    is_released: make a CDR for this version although its quantities are impossible.
    """
    item = due_session_item(str(session.ref), session.version, node.clock())
    node.table.write_many([{**item, "released": 1} if is_released else item])


def due_session_item(ref: str, version: int, now: datetime) -> Item:
    """Item that makes a version of a session due."""
    return {"pk": DUE, "sk": Ref.parse(ref).key.pk, "ref": ref, "v": version, "at": format_datetime(now)}


def is_suspect(due: Item) -> bool:
    """Return whether an attempt for a due session was counted before."""
    return bool(due.get("tries"))


def must_count(due: Item, now: datetime) -> bool:
    """Decide whether to count an attempt before it begins: an earlier one may have failed.

    Raises: InvalidParameters when no attempt is left.
    """
    if int(due.get("tries", 0)) >= MAX_ATTEMPTS:
        text = (
            f"its CDR was begun {MAX_ATTEMPTS} times and never finished: "
            "pricing it takes too long, or it fails"
        )
        raise InvalidParameters(text)
    return is_suspect(due) or now - parse_datetime(due["at"]) > _SUSPECT_AFTER


def count_attempt(table: Table, due: Item) -> None:
    """Count an attempt that begins or has failed.

    Raises: Conflict when the session has changed, or is no longer due.
    """
    counted = {**due, "tries": int(due.get("tries", 0)) + 1}
    table.put(counted, "#v = :v", {"v": due["v"]})


@dataclass(frozen=True)
class NoCdr:
    """Reason why a session has no CDR. can_release: the operator may demand a CDR all the same."""

    reason: str
    field: str | None = None
    can_release: bool = False


def set_aside(table: Table, due: Item, why: NoCdr, now: datetime) -> None:
    """Record the reason why a session has no CDR, and remove it from the due sessions.

    Raises: Conflict when the session changed again or is no longer due.
    """
    at = format_datetime(now)
    item: Item = {"pk": SET_ASIDE, "sk": due["sk"], "ref": due["ref"], "reason": why.reason, "at": at}
    item |= {"field": why.field} if why.field else {}
    item |= {"can_release": 1} if why.can_release else {}
    table.transact([Put(item), _delete_due(due)])


def set_aside_key(session: Key) -> Key:
    """Key of the item with the reason why a session has no CDR."""
    return Key(SET_ASIDE, session.pk)


def is_set_aside(table: Table, session: Ref, known: KnownItems = None) -> bool:
    """Return whether a session is set aside. known: an earlier read of `set_aside_key`."""
    key = set_aside_key(session.key)
    return key in table.read([key], known)


def can_release(table: Table, session: Ref, known: KnownItems = None) -> bool:
    """Return whether a session is set aside for impossible quantities. known: as in `is_set_aside`."""
    key = set_aside_key(session.key)
    return bool(table.read([key], known).get(key, {}).get("can_release"))


def sessions_set_aside(table: Table) -> list[dict[str, Any]]:
    """List the sessions that are set aside, each with the reason."""
    return [_shown(item) for item in table.query_all("#pk = :pk", {"pk": SET_ASIDE})]


def _shown(item: Item) -> dict[str, Any]:
    ref = Ref.parse(item["ref"])
    return {
        "country_code": ref.country_code,
        "party_id": ref.party_id,
        "session_id": ref.id,
        "reason": item["reason"],
        "field": item.get("field"),
        "can_release": bool(item.get("can_release")),
        "last_updated": item["at"],
    }
