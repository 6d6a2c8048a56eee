"""Replays: pushes that the operator requests for objects that partners have not received.

A refused push is retried a few times (`retries.py`). When the cause of the refusals is mended, the operator
can replay at once: every object of a partner that it has not received, all objects of one module, or one
object. A partner may have a hundred thousand objects, so they are found step by step on the push queue
(`catch_up.py`). A partner that is OFFLINE gets them when it is back.

Each push reads and decides again. An object that the partner has received in its present version is not
sent: a CDR is sent by POST, so the partner would have it twice.

Source: docs/design.md, A broadcast; OCPI 2.2.1 transport_and_format_offline_behaviour; TRN-32
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from chalicelib.modules.registry import find_module
from chalicelib.policy.visibility import is_pushed_to
from chalicelib.pushing.deliveries import Delivery, key_of, read_delivery
from chalicelib.pushing.push_decisions import subject_of
from chalicelib.queues import Broadcast, CatchUp
from chalicelib.storage.keys import Ref
from chalicelib.storage.table import Item

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner
    from chalicelib.settings import Settings


def push_again(node: Node, items: Iterable[Item]) -> list[Partner]:
    """Queue objects for each partner in their audience that has not received them.

    items: main items. Returns the partners, one entry for each queued message.
    """
    partners = node.directory.all()
    asked: list[Partner] = []
    for item in items:
        subject = subject_of(Ref.parse(item["ref"]).module, item)
        receivers = [each for each in partners if is_pushed_to(node.settings, each, subject)]
        rows = node.table.get_many(key_of(each.id, item["pk"]) for each in receivers)
        for partner in receivers:
            row = read_delivery(rows.get(key_of(partner.id, item["pk"]))).reopened(partner.version)
            if not _has_received(row, item):
                _queue(node, partner, item["pk"], item["ref"])
                asked.append(partner)
    return asked


def replay(node: Node, partner: Partner, module: str = "") -> None:
    """Queue every object that a partner has not received, step by step. module: only this one, "" for all."""
    step = CatchUp(
        what="REPLAY", partner_id=partner.id, cause=f"replay {node.new_id()}", refused_too=True, module=module
    )
    node.queues.send_broadcasts([step])


def replay_object(node: Node, partner: Partner, refs: Sequence[Ref]) -> bool | None:
    """Queue one object for a partner, unless the partner has received it.

    refs: references under which it may be stored. Returns whether it was queued; None when the partner is not
    in the audience of any such object.
    """
    rows = [key_of(partner.id, ref.key.pk) for ref in refs]
    found = node.table.get_many([*(ref.key for ref in refs), *rows])
    is_known, is_queued = False, False
    for ref, row_key in zip(refs, rows, strict=True):
        row, item = read_delivery(found.get(row_key)).reopened(partner.version), found.get(ref.key)
        if not _concerns(node.settings, partner, ref, item, row):
            continue
        is_known = True
        if not _has_received(row, item):
            _queue(node, partner, ref.key.pk, row.ref or (item["ref"] if item else str(ref)))
            is_queued = True
    return is_queued if is_known else None


def _concerns(settings: Settings, partner: Partner, ref: Ref, item: Item | None, row: Delivery) -> bool:
    """Tell whether a partner must receive an object or its deletion."""
    if item is None:
        return row.status is not None and find_module(ref.module).deletable
    # A partner that received the object before may need its last state, when it was withdrawn.
    return is_pushed_to(settings, partner, subject_of(ref.module, item)) or row.status is not None


def _has_received(row: Delivery, item: Item | None) -> bool:
    """Tell whether a partner has received an object, or its deletion, in the present version.

    row: reopened.
    """
    return row.is_up_to_date(item["v"]) if item is not None else row.is_deletion_sent(0)


def _queue(node: Node, partner: Partner, pk: str, ref: str) -> None:
    message = Broadcast(
        partner_id=partner.id, module=pk.partition("#")[0], pk=pk, sk="#", ref=ref,
        cause=f"replay {node.new_id()}", again=True,
    )  # fmt: skip
    node.queues.send_broadcasts([message])
