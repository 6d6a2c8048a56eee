"""Sends what partners have not taken once more, because the operator says so.

What a partner refused is tried again slowly by itself (`retries.py`), and at last not any more. When the
reason is gone the operator need not wait for that: everything that a partner has not taken, of one module or
one object, is queued. A partner may have a hundred thousand objects, so everything is found step by step on
the queue of pushes (`catch_up.py`). A partner that is away gets it when it is back.

Each push reads and decides again, and what the partner has as it is now is not sent: a CDR is sent by POST,
and would be there twice.

Source: docs/design.md, A broadcast; OCPI 2.2.1 transport_and_format_offline_behaviour; TRN-32
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from chalicelib.partners.decisions import subject_of
from chalicelib.partners.deliveries import Delivery, key_of, read_delivery
from chalicelib.partners.visibility import is_pushed_to
from chalicelib.queues import Broadcast, CatchUp
from chalicelib.storage.keys import Ref
from chalicelib.storage.table import Item

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner


def push_again(node: Node, items: Iterable[Item]) -> list[Partner]:
    """Queue objects for whom they are meant and who has not taken them.

    items: main items. Returns the partners.
    """
    partners = node.directory.all()
    asked: list[Partner] = []
    for item in items:
        subject = subject_of(Ref.parse(item["ref"]).module, item)
        hearing = [each for each in partners if is_pushed_to(node.settings, each, subject)]
        rows = node.table.get_many(key_of(each.id, item["pk"]) for each in hearing)
        for partner in hearing:
            row = read_delivery(rows.get(key_of(partner.id, item["pk"])))
            if not _has(row, item):
                _queue(node, partner, item["pk"], item["ref"])
                asked.append(partner)
    return asked


def replay(node: Node, partner: Partner, module: str = "") -> None:
    """Queue everything that a partner has not taken, step by step. module: of that one, "" for all."""
    step = CatchUp(
        what="REPLAY", partner_id=partner.id, cause=f"replay {node.new_id()}", refused_too=True, module=module
    )
    node.queues.send_broadcasts([step])


def replay_object(node: Node, partner: Partner, refs: Sequence[Ref]) -> bool | None:
    """Queue one object for a partner, unless it has taken it.

    refs: the names that it may be stored under. Returns whether it was queued; None when there is no such
    object that is meant for the partner.
    """
    rows = [key_of(partner.id, ref.key.pk) for ref in refs]
    found = node.table.get_many([*(ref.key for ref in refs), *rows])
    is_known, is_queued = False, False
    for ref, row_key in zip(refs, rows, strict=True):
        row, item = read_delivery(found.get(row_key)), found.get(ref.key)
        if not _is_meant(node, partner, ref, item, row):
            continue
        is_known = True
        if not _has(row, item):
            _queue(node, partner, ref.key.pk, row.ref or (item["ref"] if item else str(ref)))
            is_queued = True
    return is_queued if is_known else None


def _is_meant(node: Node, partner: Partner, ref: Ref, item: Item | None, row: Delivery) -> bool:
    """Tell whether a partner is to have an object, or to know that it went."""
    if item is None:
        return row.status is not None and ref.module == "tariffs"
    # What it was shown before it may have to be told the end of.
    return is_pushed_to(node.settings, partner, subject_of(ref.module, item)) or row.status is not None


def _has(row: Delivery, item: Item | None) -> bool:
    """Tell whether a partner has taken an object, or its deletion, as it is now."""
    taken = row.reopened()
    return taken.is_settled(item["v"]) if item is not None else taken.is_told_of_deletion(0)


def _queue(node: Node, partner: Partner, pk: str, ref: str) -> None:
    message = Broadcast(
        partner_id=partner.id, module=pk.partition("#")[0], pk=pk, sk="#", ref=ref,
        cause=f"replay {node.new_id()}", again=True,
    )  # fmt: skip
    node.queues.send_broadcasts([message])
