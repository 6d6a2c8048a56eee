"""Sessions that have ended wait here for their CDR, and those that have no price are set aside.

Two short lists of small items, apart from the sessions. The table's stream writes the first one, so whatever
ended, and was answered with 1000, is found; the timer takes from it (`compiler.py`). An item names a session
and its version: it is taken away only as long as the session has not changed again.

What cannot be priced is never priced at 0: it is set aside with the reason, for the operator, until the
session is corrected or the operator has it tried again.

Source: DESIGN.md, A CDR
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
from chalicelib.storage.table import Conflict, Item, Key

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.storage.objects import Stored

DUE = "cdrs-due"
SET_ASIDE = "cdrs-set-aside"

_ENDED = (COMPLETED, INVALID)
_SESSIONS = "sessions#"


# -- the stream --------------------------------------------------------------------------------------


def note_sessions(node: Node, records: Sequence[Mapping[str, Any]]) -> None:
    """Keep how sessions began, and which have ended, as a batch of the stream tells.

    Raises: ServerError, Conflict when AWS fails us: then the batch comes again.
    """
    if not (node.settings.plays("CPO") or node.settings.plays("HUB")):
        return
    due: dict[str, Item] = {}
    for record in records:
        keys = record["dynamodb"]["Keys"]
        if not keys["pk"]["S"].startswith(_SESSIONS) or keys["sk"]["S"] != "#":
            continue
        if "NewImage" not in record["dynamodb"]:
            # Its time has come: nobody is to be reminded of it.
            node.table.write_many(delete=[Key(DUE, keys["pk"]["S"]), Key(SET_ASIDE, keys["pk"]["S"])])
            continue
        try:
            item = _note(node, read_change(record))
        except (ServerError, Conflict):
            raise
        except Exception:
            # It would come again for ever, and nothing behind it ever.
            log.exception("a session could not be noted", extra={"record": record.get("eventID")})
            continue
        if item is not None:
            due[item["sk"]] = item
    node.table.write_many(due.values())


def _note(node: Node, change: Change) -> Item | None:
    before, after = change.before, change.after
    if after is None or not makes_cdrs_of(node, after["src"]):
        return None
    ref, session = Ref.parse(after["ref"]), read_json(after["body"])
    place = place_of(read_json(before["body"])) if before is not None else None
    if place != place_of(session):
        keep_start(node, ref, session, is_new=before is None)
    if session["status"] not in _ENDED or (before is not None and before["v"] == after["v"]):
        return None
    return _due_item(node, after["ref"], after["v"])


def makes_cdrs_of(node: Node, source: str) -> bool:
    """Tell whether this node may make CDRs of a source's sessions: a CPO of its own, a hub of others'."""
    return node.settings.plays("HUB") if source else node.settings.plays("CPO")


# -- what is due -------------------------------------------------------------------------------------


def due_sessions(node: Node) -> Iterator[Item]:
    """The sessions that are due, as they are read."""
    return node.table.query_all("#pk = :pk", {"pk": DUE})


def take_away(node: Node, due: Item) -> None:
    """A session is no longer due, unless it has changed again."""
    try:
        node.table.delete(Key(DUE, due["sk"]), "#v = :v", {"v": due["v"]})
    except Conflict:
        return


def make_due(node: Node, session: Stored) -> None:
    """Have a session tried again."""
    node.table.write_many([_due_item(node, str(session.ref), session.version)])


def _due_item(node: Node, ref: str, version: int) -> Item:
    at = format_datetime(node.clock())
    return {"pk": DUE, "sk": Ref.parse(ref).key.pk, "ref": ref, "v": version, "at": at}


# -- what has no price -------------------------------------------------------------------------------


def set_aside(node: Node, due: Item, reason: str, field: str | None) -> None:
    """Keep why a session has no CDR."""
    at = format_datetime(node.clock())
    item: Item = {"pk": SET_ASIDE, "sk": due["sk"], "ref": due["ref"], "reason": reason, "at": at}
    node.table.put({**item, "field": field} if field else item)


def settle(node: Node, due: Item) -> None:
    """A session that was set aside has what it needs."""
    node.table.delete(Key(SET_ASIDE, due["sk"]))


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
        "last_updated": item["at"],
    }
