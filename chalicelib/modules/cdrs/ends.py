"""Sessions that have ended wait here for their CDR, and those that have no price are set aside.

Two short lists of small items, apart from the sessions. The table's stream writes the first one, so whatever
ended, and was answered with 1000, is found; the timer takes from it (`compiler.py`). An item names a session
and its version: it is taken away only as long as the session has not changed again, and in one transaction
with what became of it.

What cannot be priced is never priced at 0: it is set aside with the reason, for the operator, until the
session is corrected or the operator has it tried again.

Source: docs/design.md, A CDR
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from chalicelib.errors import ServerError
from chalicelib.log import log
from chalicelib.modules.cdrs.rules import place_of
from chalicelib.modules.cdrs.starts import keep_start
from chalicelib.modules.sessions.objects import COMPLETED, INVALID
from chalicelib.partners.changes import Change, read_change
from chalicelib.protocol.json_text import read_json
from chalicelib.protocol.types import format_datetime
from chalicelib.storage.keys import Ref
from chalicelib.storage.operations import Delete, Key, Operation, Put, key_of
from chalicelib.storage.table import Conflict, Item, Senseless

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner
    from chalicelib.storage.objects import Known, Stored

DUE = "cdrs-due"
SET_ASIDE = "cdrs-set-aside"

_ENDED = (COMPLETED, INVALID)
_SESSIONS = "sessions#"

Partners = Callable[[], Sequence["Partner"]]


# -- the stream --------------------------------------------------------------------------------------


def note_sessions(node: Node, records: Sequence[Mapping[str, Any]]) -> None:
    """Keep how sessions began, and which have ended, as a batch of the stream tells.

    Raises: ServerError, Conflict when AWS fails us: then the batch comes again.
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
            # Its time has come: nobody is to be reminded of it.
            node.table.write_many(delete=[Key(DUE, keys["pk"]["S"]), Key(SET_ASIDE, keys["pk"]["S"])])
            continue
        try:
            item = _note(node, read_change(record), partners)
        except Exception as error:
            if _may_pass(error):
                raise
            # It would come again for ever, and nothing behind it ever.
            log.exception("a session could not be noted", extra={"record": record.get("eventID")})
            continue
        if item is not None:
            due[item["sk"]] = item
    node.table.write_many(due.values())


def _note(node: Node, change: Change, partners: Partners) -> Item | None:
    before, after = change.before, change.after
    if after is None or not makes_cdrs_of(node, after["src"]):
        return None
    ref, session = Ref.parse(after["ref"]), read_json(after["body"])
    is_new, shown_in = before is None, _shown_in(after)
    was_at = (place_of(read_json(before["body"])), _shown_in(before)) if before is not None else None
    if was_at != (place_of(session), shown_in):
        _keep_start(node, ref, session, is_new, shown_in, partners)
    if session["status"] not in _ENDED or (before is not None and before["v"] == after["v"]):
        return None
    return due_item(node, after["ref"], after["v"])


def _shown_in(item: Item) -> str:
    return "" if item["src"] else str(item["lp"])


def _keep_start(
    node: Node, ref: Ref, session: dict[str, Any], is_new: bool, shown_in: str, partners: Partners
) -> None:
    """Without it the session is billed as things are when it has ended, which is better than never."""
    try:
        keep_start(node, ref, session, is_new, shown_in, partners)
    except Exception as error:
        if _may_pass(error):
            raise
        log.exception("how a session began could not be kept", extra={"ref": str(ref)})


def _may_pass(error: Exception) -> bool:
    """Whether the same may succeed later: AWS failed us, and it was not for what we asked."""
    return isinstance(error, (ServerError, Conflict)) and not isinstance(error, Senseless)


def makes_cdrs_of(node: Node, source: str) -> bool:
    """Tell whether this node may make CDRs of a source's sessions: a CPO of its own, a hub of others'."""
    return node.settings.plays("HUB") if source else node.settings.plays("CPO")


# -- what is due -------------------------------------------------------------------------------------


def due_sessions(node: Node) -> Iterator[Item]:
    """The sessions that are due, as they are read."""
    return node.table.query_all("#pk = :pk", {"pk": DUE})


def due_key(session: Key) -> Key:
    """Where it is kept that a session is due."""
    return Key(DUE, session.pk)


def done(due: Item, was_set_aside: bool) -> list[Operation]:
    """The operations by which a session is no longer due, nor set aside, unless it has changed again."""
    settled = [Delete(Key(SET_ASIDE, due["sk"]))] if was_set_aside else []
    return [_taken(due), *settled]


def _taken(due: Item) -> Delete:
    return Delete(key_of(due), "#v = :v", {"v": due["v"]})


def make_due(node: Node, session: Stored, is_released: bool = False) -> None:
    """Have a session tried again.

    is_released: bill this version of it though its quantities are impossible.
    """
    item = due_item(node, str(session.ref), session.version)
    node.table.write_many([{**item, "released": 1} if is_released else item])


def due_item(node: Node, ref: str, version: int) -> Item:
    """What tells that a session is due, in a version."""
    at = format_datetime(node.clock())
    return {"pk": DUE, "sk": Ref.parse(ref).key.pk, "ref": ref, "v": version, "at": at}


# -- what has no price -------------------------------------------------------------------------------


def set_aside(node: Node, due: Item, reason: str, field: str | None, can_release: bool = False) -> None:
    """Keep why a session has no CDR, and try it no more.

    can_release: the operator may have it billed all the same.
    Raises: Conflict when it has changed again, or is no longer due.
    """
    at = format_datetime(node.clock())
    item: Item = {"pk": SET_ASIDE, "sk": due["sk"], "ref": due["ref"], "reason": reason, "at": at}
    item |= {"field": field} if field else {}
    item |= {"can_release": 1} if can_release else {}
    node.table.transact([Put(item), _taken(due)])


def set_aside_key(session: Key) -> Key:
    """Where it is kept why a session has no CDR."""
    return Key(SET_ASIDE, session.pk)


def is_set_aside(node: Node, session: Ref, known: Known = None) -> bool:
    """Tell whether a session has no CDR. known: an earlier read of `set_aside_key`."""
    key = set_aside_key(session.key)
    return key in node.table.read([key], known)


def can_release(node: Node, session: Ref, known: Known = None) -> bool:
    """Tell whether a session was set aside for impossible quantities. known: as in `is_set_aside`."""
    key = set_aside_key(session.key)
    return bool(node.table.read([key], known).get(key, {}).get("can_release"))


def sessions_set_aside(node: Node) -> list[dict[str, Any]]:
    """The sessions without a CDR, each with the reason."""
    return [_shown(item) for item in node.table.query_all("#pk = :pk", {"pk": SET_ASIDE})]


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
