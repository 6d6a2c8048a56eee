"""Records of a changed session: its start snapshot, and the due session when it has ended.

The table's stream calls `note_sessions`, so every session that was answered with 1000 gets both. The snapshot
is stored when the stream first sees a session, and again when its place or its partition changes.

Source: docs/design.md, A CDR; CDR-13
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from chalicelib.log import log
from chalicelib.modules.cdrs.cdr_partitions import makes_cdrs_of
from chalicelib.modules.cdrs.due_sessions import due_key, due_session_item, set_aside_key
from chalicelib.modules.cdrs.start_snapshots import (
    StartSnapshot,
    is_reserved,
    place_of,
    read_start_snapshot,
    start_snapshot_item,
    start_snapshot_key,
    take_snapshot,
)
from chalicelib.modules.sessions.objects import COMPLETED, INVALID
from chalicelib.policy.time_prices import prices_by_the_minute
from chalicelib.protocol.json_text import Document, read_json
from chalicelib.pushing.stream_changes import StreamChange, read_change
from chalicelib.storage.keys import Ref
from chalicelib.storage.operations import Key
from chalicelib.storage.table import Conflict, Item, is_temporary

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner

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
            session = Key(keys["pk"]["S"])
            node.table.write_many(delete=[due_key(session), set_aside_key(session)])
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
        _try_to_store_snapshot(node, ref, session, is_new, shown_in, partners)
    if session["status"] not in _ENDED or (before is not None and before["v"] == after["v"]):
        return None
    return due_session_item(after["ref"], after["v"], node.clock())


def _shown_in(item: Item) -> str:
    return "" if item["src"] else str(item["lp"])


def _try_to_store_snapshot(
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


def store_start_snapshot(
    node: Node,
    ref: Ref,
    session: Document,
    is_new: bool,
    shown_in: str,
    partners: ReadPartners,
) -> None:
    """Take and store the snapshot of a session that is new, or whose place or partition changed.

    A changed partition alone updates only `shown_in` and what depends on it. shown_in: partition of an own
    session, "" for a received one. partners: called for an own session only.
    """
    key, place = start_snapshot_key(ref.key), place_of(session)
    before = None if is_new else read_start_snapshot(node.table.get(key))
    if before is not None and (before.place, before.shown_in) == (place, shown_in):
        return
    if before is not None and before.place == place:
        start, condition, values = before, "#shown_in <> :shown_in", {"shown_in": shown_in}
    else:
        start = _first_snapshot(node, ref, session, before)
        condition, values = "attribute_not_exists(#pk) OR #place <> :place", {"place": place}
    per_minute = bool(shown_in) and prices_by_the_minute(partners(), "", shown_in)
    start = replace(start, shown_in=shown_in, time_prices_per_minute=per_minute)
    try:
        node.table.put(start_snapshot_item(ref, start), condition, values)
    except Conflict:
        return  # this stream record was processed before


def _first_snapshot(node: Node, ref: Ref, session: Document, before: StartSnapshot | None) -> StartSnapshot:
    start = take_snapshot(node, ref, session)
    if before is not None and before.reserved_from is not None:
        return replace(start, reserved_from=before.reserved_from)
    return replace(start, reserved_from=session["start_date_time"]) if is_reserved(session) else start
