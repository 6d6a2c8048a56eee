"""How far each partner is with what it must hear of, for the operator.

Source: DESIGN.md, A broadcast; OCPI 2.2.1 transport_and_format_offline_behaviour; TRN-32
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.partners.catch_up import find_owed
from chalicelib.partners.deliveries import Delivery, Status, read_deliveries
from chalicelib.queues import Depths
from chalicelib.storage.keys import Ref

if TYPE_CHECKING:
    from chalicelib.node import Node


def overview(node: Node) -> list[dict[str, Any]]:
    """What each registered partner was told, and what not: three reads for each, one more when it is away.

    missed: how many objects it is to be told of when it is back. waiting: faults that are tried again.
    """
    partners = [partner for partner in node.directory.all() if partner.is_registered]
    found = []
    for partner in partners:
        rows = read_deliveries(node.table, partner.id)
        by_status: dict[Status | None, list[Delivery]] = {}
        for row in rows.values():
            by_status.setdefault(row.status, []).append(row)
        told = [*by_status.get(Status.DELIVERED, []), *by_status.get(Status.DELETED, [])]
        away = partner.connection == "OFFLINE"
        found.append(
            {
                "partner_id": partner.id,
                "name": partner.name,
                "connection": partner.connection,
                "offline_since": partner.offline_since,
                "delivered": len(told) + len(by_status.get(Status.WITHDRAWN, [])),
                "waiting": [_show(row) for row in by_status.get(Status.WAITING, [])],
                "refused": [_show(row) for row in by_status.get(Status.REFUSED, [])],
                "dead": [_show(row) for row in by_status.get(Status.DEAD, [])],
                "missed": len(find_owed(node, partner, rows)) if away else 0,
            }
        )
    return found


def depths(node: Node) -> Depths:
    """How many messages are queued and how many were given up, of all partners together."""
    return node.queues.depths()


def _show(row: Delivery) -> dict[str, Any]:
    ref = Ref.parse(row.ref)
    object_path = "/".join(part for part in (ref.country_code, ref.party_id, ref.id, row.evse_uid) if part)
    shown: dict[str, Any] = {
        "module": ref.module,
        "object": object_path,
        "method": row.method,
        "reason": row.reason,
        "at": row.at,
    }
    if row.code or row.http:
        shown |= {"status_code": row.code or None, "http_status": row.http or None}
    return shown | ({"since": row.since} if row.since else {})
