"""Sends an object once more to the partners that have not taken it, because the operator says so.

What a partner refused is not tried again until it changes. A CDR never changes, and nobody may lose one, so
when the reason of a refusal is gone, somebody has to say that.

What a partner has is not forgotten if it took the object meanwhile: a CDR is sent by POST, and would be there
twice.

Source: DESIGN.md, A broadcast; OCPI 2.2.1 transport_and_format_offline_behaviour; TRN-32
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from chalicelib.partners.decisions import subject_of
from chalicelib.partners.deliveries import Status, key_of, read_delivery, write_delivery
from chalicelib.partners.visibility import hears
from chalicelib.queues import Broadcast
from chalicelib.storage.keys import Ref
from chalicelib.storage.retry import attempts
from chalicelib.storage.table import Conflict

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner
    from chalicelib.storage.table import Item, Key


def push_again(node: Node, items: Iterable[Item]) -> list[Partner]:
    """Queue objects for who is to hear of them and has not taken them.

    items: main items. Returns the partners; one that is away gets them when it is back.
    """
    partners = node.directory.all()
    asked: list[Partner] = []
    for item in items:
        module = Ref.parse(item["ref"]).module
        subject = subject_of(module, item)
        hearing = [each for each in partners if hears(node.settings, each, subject)]
        hearers = {key_of(each.id, item["pk"]): each for each in hearing}
        rows = node.table.get_many(hearers)
        for key, partner in hearers.items():
            if not _forget(node, key, rows.get(key), item):
                continue
            told = Broadcast(
                partner_id=partner.id, module=module, pk=item["pk"], sk=item["sk"], ref=item["ref"],
                cause=f"replay {node.new_id()}",
            )  # fmt: skip
            node.queues.send_broadcasts([told])
            asked.append(partner)
    return asked


def _forget(node: Node, key: Key, row: Item | None, item: Item) -> bool:
    """Make a partner's row say that nothing is known of what it has, unless it has taken the object."""
    for attempt in attempts():
        known = read_delivery(node.table.get(key) if attempt else row)
        if known.status == Status.DELIVERED and known.version == item["v"]:
            return False
        forgotten = replace(known, ref=item["ref"], status=Status.MISSED, version=0, evse="")
        try:
            write_delivery(node.table, key, known, forgotten)
        except Conflict:
            continue
        return True
    raise AssertionError("attempts() raises")
