"""Finds what vanished: objects that are stored from a partner and that its full list no longer had.

Nothing is deleted: OCPI has other ways to say that an object is gone, and a list may be wrong. The operator
sees how many there are, and the names of the first ones.

No object is marked as seen, because that would rewrite a million tokens in a night. Each page leaves the
digests of its objects, eight bytes each, in one item (`store.py`); in the end our own list is walked by its
index, a thousand entries in a call, and what is not among the digests is read, to see from whom it came. The
walk goes in steps, as the pull does.

Left out: what was stored after the pull began; tokens that are not valid, since nobody has to list them for
ever. Sessions and CDRs are not compared: their lists may end at some age.

Source: docs/decisions.md, What vanished from a full pull
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from chalicelib.modules.registry import find_module
from chalicelib.policy.visibility import owner_role, partition_for_received
from chalicelib.protocol.json_text import read_json
from chalicelib.protocol.types import format_datetime, parse_datetime
from chalicelib.pulling.objects import Comparison, Pull
from chalicelib.pulling.store import digest, read_seen, read_vanished, save_vanished
from chalicelib.storage.keys import Ref
from chalicelib.storage.table import Item

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner

COMPARED = ("locations", "tariffs", "tokens")
"""Modules whose full list has every object that counts."""

ENTRIES_PER_CALL = 1000


def compare_some(node: Node, partner: Partner, pull: Pull, ends: datetime) -> Pull:
    """Compare stored objects until the time is over. Returns the pull as it is then."""
    seen = read_seen(node.table, pull)
    vanished = read_vanished(node.table, pull)
    count = pull.vanished or 0
    place: Comparison | None = pull.comparison or Comparison()
    while place is not None:
        found, place = _compare_part(node, partner, pull, place, seen)
        vanished = list(dict.fromkeys([*vanished, *found]))
        count += len(found)
        if node.clock() >= ends:
            break
    if vanished:
        save_vanished(node.table, pull, vanished, node.clock())
    now = format_datetime(node.clock())
    after = pull.changed(now, vanished=count, comparison=place)
    if place is not None:
        return after
    return after.done(now)


def _compare_part(
    node: Node, partner: Partner, pull: Pull, place: Comparison, seen: set[bytes]
) -> tuple[list[str], Comparison | None]:
    """Compare some entries of one list. Returns the names of what vanished, and the next place."""
    lists = _lists_of(pull.module)
    store = node.locations if pull.module == "locations" else node.objects
    entries, after = store.some_versions(lists[place.list_index], ENTRIES_PER_CALL, place.after)
    began = int(parse_datetime(pull.started).timestamp() * 1_000_000)
    role = owner_role(pull.module)
    missing = [
        ref
        for ref, version in entries
        if version < began
        and digest(ref.key.pk) not in seen
        and (partner.is_hub or partner.plays_as(ref.owner, role))
    ]
    following: Comparison | None = place.model_copy(update={"after": after})
    if after is None:
        index = place.list_index + 1
        following = Comparison(list_index=index) if index < len(lists) else None
    return _from_partner(node, partner, missing), following


def _from_partner(node: Node, partner: Partner, refs: Sequence[Ref]) -> list[str]:
    """The names of those objects that came from a partner and are in use."""
    if not refs:
        return []
    items = node.table.get_many((ref.key for ref in refs), consistent=False)
    return [item["ref"] for item in items.values() if item["src"] == partner.id and _is_in_use(item)]


def _is_in_use(item: Item) -> bool:
    """Tell whether an object is still used: a token may be invalid."""
    return read_json(item["body"]).get("valid") is not False


def _lists_of(module: str) -> list[str]:
    hidden = [True] if find_module(module).hidden_field else []
    return [partition_for_received(module, each) for each in [False, *hidden]]
