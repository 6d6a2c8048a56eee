"""Noted CDRs: small items, written from the table's stream, for each CDR that reconciliation compares.

First a noted CDR is written beside the reconciliation entry of its session, then the entry is made due. A CDR
may omit `session_id`; then it has an entry of its own. It is also noted by the place and time of its start,
so that it can be matched with its session (`matching.py`).

Source: docs/design.md, A CDR; OCPI 2.2.1 mod_cdrs_cdr_object; CDR-22
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from chalicelib.log import log
from chalicelib.policy.visibility import partition_for_viewer
from chalicelib.protocol.json_text import Document, read_json
from chalicelib.protocol.message import Party
from chalicelib.protocol.types import fold, format_datetime, sort_key
from chalicelib.pushing.stream_changes import StreamChange, read_change
from chalicelib.storage.expiry import end_of
from chalicelib.storage.keys import Ref
from chalicelib.storage.operations import key_of
from chalicelib.storage.table import Item, Key

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.settings import Settings

MODULE = "reconciliation"
DUE = "reconciliation-due"
NOTED = "cdr#"
"""Prefix of the sk of a noted CDR; the pk of the CDR follows."""

NOTIFIED = "told"
"""sk of the record of which webhooks were notified of an entry."""

WITHOUT_SESSION = "CDR"
"""Variant of the entry of a CDR without `session_id`; the id of the entry is that of the CDR."""

_CDRS = "cdrs#"


def note_cdrs(node: Node, records: Sequence[Mapping[str, Any]]) -> None:
    """Note the CDRs of a batch of stream records that reconciliation has to compare.

    Raises: ServerError when AWS fails: Lambda then repeats the batch, which writes the same items.
    """
    if not node.settings.plays("CPO"):
        return
    noted_cdrs: dict[Key, Item] = {}
    due: dict[Key, Item] = {}
    for record in records:
        keys = record["dynamodb"]["Keys"]
        if not keys["pk"]["S"].startswith(_CDRS) or keys["sk"]["S"] != "#":
            continue
        try:
            noted = _noted_cdr(node.settings, read_change(record))
        except Exception:
            # Skip it: a record that always fails would block the stream's shard.
            log.exception(
                "failed to note a CDR for reconciliation, skipping the stream record",
                extra={"record": record.get("eventID")},
            )
            continue
        if noted is not None:
            item = due_entry_item(noted["at"], noted["cdr"], noted["entry"])
            noted_cdrs[key_of(noted)], due[key_of(item)] = noted, item
    places = [place_item(node, noted) for noted in noted_cdrs.values() if _is_unnamed(noted)]
    node.table.write_many([*noted_cdrs.values(), *{key_of(place): place for place in places}.values()])
    node.table.write_many(due.values())


def _noted_cdr(settings: Settings, change: StreamChange) -> Item | None:
    """Noted CDR of a new CDR: the hub's for our session, or our own that only the operator sees.

    Returns None for all other changes.
    """
    after = change.after
    if change.before is not None or after is None:
        return None
    cdr_ref = Ref.parse(after["ref"])
    owner = Party(cdr_ref.country_code, cdr_ref.party_id)
    is_own_party = settings.owns(owner, "CPO")
    is_ours = not after["src"]
    if not is_own_party or (is_ours and after["lp"] != partition_for_viewer("cdrs", owner, None)):
        return None
    cdr = read_json(after["body"])
    entry = _entry_ref(owner, cdr)
    noted = {
        "pk": entry.key.pk,
        "sk": f"{NOTED}{change.pk}",
        "cdr": after["ref"],
        "entry": str(entry),
        "ours": int(is_ours),
        # The version of a new object is its time of writing, so a repeated record gives the same item.
        "at": format_datetime(datetime.fromtimestamp(after["v"] / 1_000_000, UTC)),
        "evse": fold(cdr["cdr_location"]["evse_uid"]),
        "start": cdr["start_date_time"],
        "uid": fold(cdr["cdr_token"]["uid"]),
    }
    return {**noted, "credits": cdr["credit_reference_id"]} if cdr.get("credit") else noted


def _entry_ref(owner: Party, cdr: Document) -> Ref:
    """Ref of the entry of a CDR's session; a CDR without `session_id` has an entry of its own."""
    if cdr.get("session_id"):
        return Ref(MODULE, *owner, cdr["session_id"])
    name = cdr["credit_reference_id"] if cdr.get("credit") else cdr["id"]
    return Ref(MODULE, *owner, name, WITHOUT_SESSION)


def due_entry_item(at: str, what: str, entry: str) -> Item:
    """Item that makes an entry due.

    at: earliest time. what: makes the key unique among the items of that time.
    """
    return {"pk": DUE, "sk": f"{sort_key(at)}#{what}", "entry": entry}


def _is_unnamed(noted: Item) -> bool:
    """Return whether it is a CDR of the hub without `session_id`, other than a credit CDR."""
    is_named = Ref.parse(noted["entry"]).variant != WITHOUT_SESSION
    return not (is_named or noted["ours"] or "credits" in noted)


def place_item(node: Node, noted: Item) -> Item:
    """Item to find a noted CDR by the place and time of its start; it expires with the entry."""
    ref = Ref.parse(noted["entry"])
    item = {
        "pk": place_pk(ref, noted["evse"]),
        "sk": f"{sort_key(noted['start'])}#{noted['entry']}",
        **{name: noted[name] for name in ("entry", "ours", "uid")},
    }
    return with_end(node, item)


def place_pk(ref: Ref, evse: str) -> str:
    """pk of the place items at an EVSE of an entry's CPO."""
    return f"{MODULE}-place#{Party(ref.country_code, ref.party_id).key()}#{evse}"


def with_end(node: Node, item: Item) -> Item:
    """Add to an item the expiry time of an entry that is written now."""
    end = end_of(MODULE, False, node.clock(), node.settings.retention)
    return item if end is None else {**item, "expires_at": end}
