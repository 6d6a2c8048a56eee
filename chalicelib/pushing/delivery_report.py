"""Delivery report of a partner for the operator: counts and the newest problems.

When a partner's system is broken, every object may be refused, waiting or dead. So the report counts all of
them, and shows the newest.

Source: docs/design.md, A broadcast; OCPI 2.2.1 transport_and_format_offline_behaviour; TRN-32
"""

from __future__ import annotations

from heapq import nlargest
from typing import TYPE_CHECKING, Any

from chalicelib.partners.directory import Partner
from chalicelib.protocol.types import sort_key
from chalicelib.pushing.catch_up import count_pending
from chalicelib.pushing.deliveries import Delivery, DeliveryStatus, read_deliveries
from chalicelib.storage.keys import Ref

if TYPE_CHECKING:
    from chalicelib.node import Node

MOST_SHOWN = 100
_SHOWN = {
    "waiting": DeliveryStatus.WAITING,
    "refused": DeliveryStatus.REFUSED,
    "held": DeliveryStatus.HELD,
    "dead": DeliveryStatus.DEAD,
}


def delivery_report(node: Node, partner: Partner) -> dict[str, Any]:
    """Report the deliveries to a registered partner, from its delivery rows.

    For a partner that is OFFLINE the lists of objects are read as well.
    In the report, missed: number of objects to push when the partner is back. waiting: faults that are being
    retried. held: what the partner's OCPI version cannot express. left_out: what it has without some fields
    or values, for the same reason. counts: totals of the lists that the report shows in part.
    """
    rows = read_deliveries(node.table, partner.id)
    by_status: dict[DeliveryStatus | None, list[Delivery]] = {}
    for row in rows.values():
        by_status.setdefault(row.status, []).append(row)
    final = (DeliveryStatus.DELIVERED, DeliveryStatus.DELETED, DeliveryStatus.WITHDRAWN)
    is_offline = partner.connection == "OFFLINE"
    shown = {name: by_status.get(status, []) for name, status in _SHOWN.items()}
    shown["left_out"] = [row for status in final for row in by_status.get(status, []) if row.lost]
    return {
        "partner_id": partner.id,
        "name": partner.name,
        "version": partner.version,
        "connection": partner.connection,
        "offline_since": partner.offline_since,
        "delivered": sum(len(by_status.get(status, [])) for status in final),
        "missed": count_pending(node, partner, rows) if is_offline else 0,
        "counts": {name: len(found) for name, found in shown.items()},
        **{name: [_show(row) for row in _newest(found)] for name, found in shown.items()},
    }


def _newest(rows: list[Delivery]) -> list[Delivery]:
    return nlargest(MOST_SHOWN, rows, key=lambda row: sort_key(row.at))


def _show(row: Delivery) -> dict[str, Any]:
    ref = Ref.parse(row.ref)
    parts = (ref.country_code, ref.party_id, ref.id, ref.variant, row.evse_uid)
    object_path = "/".join(part for part in parts if part)
    shown: dict[str, Any] = {
        "module": ref.module,
        "object": object_path,
        "method": row.method,
        "reason": f"{row.reason}: {row.words}" if row.words else row.reason,
        "at": row.at,
    }
    if row.lost:
        shown |= {"losses": list(row.losses), "losses_count": row.lost}
    if row.words:
        shown["partner_words"] = row.words
    if row.code or row.http:
        shown |= {"status_code": row.code or None, "http_status": row.http or None}
    if again_at := _again_at(row):
        shown["again_at"] = again_at
    return shown | ({"since": row.since} if row.since else {})


def _again_at(row: Delivery) -> str:
    """Time at which an object is tried again, "" for none."""
    if row.status == DeliveryStatus.DEAD:
        return row.retry_at
    is_ahead = sort_key(row.again_at) > sort_key(row.at) if row.again_at else False
    is_shown = row.status == DeliveryStatus.REFUSED or (row.status == DeliveryStatus.HELD and is_ahead)
    return row.again_at if is_shown else ""
