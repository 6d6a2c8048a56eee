"""CDRs that have, or should have, a counterpart, as the table's stream tells them.

A CDR is noted under the entry of its session: a small mark, then that the session is due. `session_id` may be
left out; such a CDR has an entry of its own, and is noted by where and when it began, too, so that its
session finds it (`unnamed.py`).

Source: docs/design.md, A CDR; OCPI 2.2.1 mod_cdrs_cdr_object; CDR-22
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from chalicelib.log import log
from chalicelib.partners.changes import Change, read_change
from chalicelib.partners.visibility import partition_for_viewer
from chalicelib.protocol.json_text import read_json
from chalicelib.protocol.message import Party
from chalicelib.protocol.types import fold, format_datetime, sort_key
from chalicelib.storage.expiry import end_of
from chalicelib.storage.keys import Ref
from chalicelib.storage.operations import key_of
from chalicelib.storage.table import Item, Key

if TYPE_CHECKING:
    from chalicelib.node import Node

MODULE = "reconciliation"
DUE = "reconciliation-due"
MARK = "cdr#"
"""What the sk of a mark begins with; the CDR's pk follows."""

TOLD = "told"
"""The sk of what the webhooks were told of an entry."""

WITHOUT_SESSION = "CDR"
"""The variant of the entry of a CDR that names no session; its id is the CDR's."""

_CDRS = "cdrs#"

Document = dict[str, Any]


def note_cdrs(node: Node, records: Sequence[Mapping[str, Any]]) -> None:
    """Note the CDRs of a batch of the stream that have, or should have, a counterpart.

    Raises: ServerError when AWS fails us: then the batch comes again, and notes the same.
    """
    if not node.settings.plays("CPO"):
        return
    marks: dict[Key, Item] = {}
    due: dict[Key, Item] = {}
    for record in records:
        keys = record["dynamodb"]["Keys"]
        if not keys["pk"]["S"].startswith(_CDRS) or keys["sk"]["S"] != "#":
            continue
        try:
            mark = _mark_of(node, read_change(record))
        except Exception:
            # It would come again for ever, and nothing behind it ever.
            log.exception("a CDR could not be noted", extra={"record": record.get("eventID")})
            continue
        if mark is not None:
            item = due_item(mark["at"], mark["cdr"], mark["entry"])
            marks[key_of(mark)], due[key_of(item)] = mark, item
    places = [place_of(node, mark) for mark in marks.values() if _is_unnamed(mark)]
    node.table.write_many([*marks.values(), *{key_of(place): place for place in places}.values()])
    node.table.write_many(due.values())


def _mark_of(node: Node, change: Change) -> Item | None:
    """The mark of a CDR that is new here: the hub's of our session, or ours that is kept to ourselves."""
    after = change.after
    if change.before is not None or after is None:
        return None
    cdr_ref = Ref.parse(after["ref"])
    owner = Party(cdr_ref.country_code, cdr_ref.party_id)
    is_own_party = any(own.role == "CPO" and own.party.same_as(owner) for own in node.settings.roles)
    is_ours = not after["src"]
    if not is_own_party or (is_ours and after["lp"] != partition_for_viewer("cdrs", owner, None)):
        return None
    cdr = read_json(after["body"])
    entry = _entry_ref(owner, cdr)
    mark = {
        "pk": entry.key.pk,
        "sk": f"{MARK}{change.pk}",
        "cdr": after["ref"],
        "entry": str(entry),
        "ours": int(is_ours),
        # A version of something new is the clock, so a record that comes again says the same.
        "at": format_datetime(datetime.fromtimestamp(after["v"] / 1_000_000, UTC)),
        "evse": fold(cdr["cdr_location"]["evse_uid"]),
        "start": cdr["start_date_time"],
        "uid": fold(cdr["cdr_token"]["uid"]),
    }
    return {**mark, "credits": cdr["credit_reference_id"]} if cdr.get("credit") else mark


def _entry_ref(owner: Party, cdr: Document) -> Ref:
    """The entry of a CDR's session; one that names none has an entry of its own."""
    if cdr.get("session_id"):
        return Ref(MODULE, *owner, cdr["session_id"])
    name = cdr["credit_reference_id"] if cdr.get("credit") else cdr["id"]
    return Ref(MODULE, *owner, name, WITHOUT_SESSION)


def due_item(at: str, what: str, entry: str) -> Item:
    """What makes an entry's session due. at: from when on. what: tells apart what is due at one moment."""
    return {"pk": DUE, "sk": f"{sort_key(at)}#{what}", "entry": entry}


def _is_unnamed(mark: Item) -> bool:
    """Whether it is of a CDR of the hub that names no session; a credit CDR names the CDR."""
    is_named = Ref.parse(mark["entry"]).variant != WITHOUT_SESSION
    return not (is_named or mark["ours"] or "credits" in mark)


def place_of(node: Node, mark: Item) -> Item:
    """Where and when a mark's session began; it is kept as long as the entry."""
    ref = Ref.parse(mark["entry"])
    item = {
        "pk": place_pk(ref, mark["evse"]),
        "sk": f"{sort_key(mark['start'])}#{mark['entry']}",
        **{name: mark[name] for name in ("entry", "ours", "uid")},
    }
    return with_end(node, item)


def place_pk(ref: Ref, evse: str) -> str:
    """The pk of the places at an EVSE of an entry's CPO."""
    return f"{MODULE}-place#{Party(ref.country_code, ref.party_id).key()}#{evse}"


def with_end(node: Node, item: Item) -> Item:
    """An item that DynamoDB deletes when an entry that is written now would be forgotten."""
    end = end_of(MODULE, False, node.clock(), node.settings.retention)
    return item if end is None else {**item, "expires_at": end}
