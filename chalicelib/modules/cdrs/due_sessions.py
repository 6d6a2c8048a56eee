"""Due sessions, which have ended and wait for their CDR, and sessions that are set aside without a CDR.

Both are short lists of small items, separate from the sessions. The table's stream adds a due session for
each session that ended, so every session that was answered with 1000 gets one. The timer takes due sessions
from the list (`compiler.py`). An item has the ref and the version of a session. It is deleted in the same
transaction that writes the result, on condition that the version is still the same.

A session without a price is never priced at 0. It is set aside with the reason, for the operator, until the
session is corrected or the operator asks for another attempt.

Source: docs/design.md, A CDR
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from chalicelib.log import log
from chalicelib.modules.cdrs.cdr_partitions import makes_cdrs_of
from chalicelib.modules.cdrs.rules import place_of
from chalicelib.modules.cdrs.start_snapshots import store_start_snapshot
from chalicelib.modules.sessions.objects import COMPLETED, INVALID
from chalicelib.protocol.json_text import read_json
from chalicelib.protocol.types import format_datetime
from chalicelib.pushing.stream_changes import StreamChange, read_change
from chalicelib.storage.keys import Ref
from chalicelib.storage.operations import Delete, Key, Operation, Put, key_of
from chalicelib.storage.table import Item, is_temporary

if TYPE_CHECKING:
    from datetime import datetime

    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner
    from chalicelib.storage.objects import KnownItems, Stored
    from chalicelib.storage.table import Table

DUE = "cdrs-due"
SET_ASIDE = "cdrs-set-aside"

_ENDED = (COMPLETED, INVALID)
_SESSIONS = "sessions#"

ReadPartners = Callable[[], Sequence["Partner"]]


def note_sessions(node: Node, records: Sequence[Mapping[str, Any]]) -> None:
    """Store start snapshots and due sessions from a batch of records of the table's stream.

    Raises: ServerError, Conflict when AWS fails: Lambda then repeats the batch.
    """
    if not (node.settings.plays("CPO") or node.settings.plays("HUB")):
        return
    due: dict[str, Item] = {}
    partners = cache(node.directory.all)
    for record in records:
        keys = record["dynamodb"]["Keys"]
        if not keys["pk"]["S"].startswith(_SESSIONS) or keys["sk"]["S"] != "#":
            continue
        if "NewImage" not in record["dynamodb"]:
            # The session expired, so its items go too.
            node.table.write_many(delete=[Key(DUE, keys["pk"]["S"]), Key(SET_ASIDE, keys["pk"]["S"])])
            continue
        try:
            item = _note(node, read_change(record), partners)
        except Exception as error:
            if is_temporary(error):
                raise
            # Skip it: a record that always fails would block the stream's shard.
            log.exception(
                "failed to record that a session changed, skipping the stream record",
                extra={"record": record.get("eventID")},
            )
            continue
        if item is not None:
            due[item["sk"]] = item
    node.table.write_many(due.values())


def _note(node: Node, change: StreamChange, partners: ReadPartners) -> Item | None:
    before, after = change.before, change.after
    if after is None or not makes_cdrs_of(node.settings, after["src"]):
        return None
    ref, session = Ref.parse(after["ref"]), read_json(after["body"])
    is_new, shown_in = before is None, _shown_in(after)
    was_at = (place_of(read_json(before["body"])), _shown_in(before)) if before is not None else None
    if was_at != (place_of(session), shown_in):
        _store_start_snapshot(node, ref, session, is_new, shown_in, partners)
    if session["status"] not in _ENDED or (before is not None and before["v"] == after["v"]):
        return None
    return due_session_item(after["ref"], after["v"], node.clock())


def _shown_in(item: Item) -> str:
    return "" if item["src"] else str(item["lp"])


def _store_start_snapshot(
    node: Node, ref: Ref, session: dict[str, Any], is_new: bool, shown_in: str, partners: ReadPartners
) -> None:
    """Store a start snapshot; log a failure that is final.

    Without a snapshot the CDR uses the location and tariffs at the end, which is better than no CDR.
    Raises: ServerError, Conflict when AWS fails.
    """
    try:
        store_start_snapshot(node, ref, session, is_new, shown_in, partners)
    except Exception as error:
        if is_temporary(error):
            raise
        log.exception("failed to store the start snapshot of a session", extra={"ref": str(ref)})


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
