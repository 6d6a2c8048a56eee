"""Schedule of retries of refused and held pushes: one small item for each, in the order of their due times.

A refused push is retried after an hour, and once more after a day. After that the object is sent again only
when it changes, when the partner's endpoints, token or version change (`outbox.py`), or when the operator
requests it (`replays.py`). A held push is retried if a time is known at which its object may be sent.

The item is written in one transaction with the delivery row that records the refusal. The row holds the
time as `again_at`, so an object that is refused with every change has one item, not one for each change. The
timer (`liveness.py`) reads only the due items and queues ordinary messages. Each push reads and decides
again: an object that the partner has received meanwhile is not sent, so no CDR is posted twice.

Source: OCPI 2.2.1 transport_and_format_offline_behaviour; TRN-32
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.protocol.types import format_datetime, parse_datetime
from chalicelib.pushing.deliveries import Delivery, DeliveryStatus
from chalicelib.queues import Broadcast, Lane
from chalicelib.storage.table import Item, Key, Put

if TYPE_CHECKING:
    from chalicelib.node import Node

AFTER_REFUSAL = (timedelta(hours=1), timedelta(days=1))
"""Time from each refusal of an object to its next retry. The refusal after the last of them is final."""

MOST_PER_RUN = 1000
"""Retries that a run queues at most, in a second or two. The next minute's run queues the rest."""

_PARTITION = "retries"
_ITEMS_PER_DELETE = 100


class RefusalRetry(NamedTuple):
    """Next retry of a refused push.

    tried: number of such retries after a refusal so far, including this one.
    """

    at: datetime
    tried: int


def next_retry(
    message: Broadcast, before: Delivery, status: DeliveryStatus | None, now: datetime, until: str = ""
) -> RefusalRetry | None:
    """Schedule the next retry of a push that ended with a status.

    message: the pushed one. before: the delivery row before the push. until: time until which the object is
    held, "" for none.
    Returns None when the status is final, or an earlier retry is already scheduled.
    """
    # The first refusal of an object starts a new count.
    tried = message.tried if before.status == DeliveryStatus.REFUSED else 0
    if until:
        at, tried = parse_datetime(until), -1
    elif status == DeliveryStatus.REFUSED and tried < len(AFTER_REFUSAL):
        at = now + AFTER_REFUSAL[tried]
    else:
        return None
    if before.again_at and now < parse_datetime(before.again_at) <= at:
        return None  # the retry that is already scheduled comes first
    return RefusalRetry(at, tried + 1)


def retry_put(message: Broadcast, ref: str, retry: RefusalRetry) -> Put:
    """Operation that writes a retry. ref: reference of the object."""
    return Put(
        {
            "pk": _PARTITION,
            "sk": f"{_sort_key(retry.at)}#{message.partner_id}#{message.pk}",
            "partner_id": message.partner_id,
            "object_pk": message.pk,
            "ref": ref,
            "tried": retry.tried,
        }
    )


def again_at(retry: RefusalRetry) -> str:
    """Time of a retry in the format of a delivery row."""
    return format_datetime(retry.at)


def queue_due_retries(node: Node) -> None:
    """Queue the retries that are due, at most `MOST_PER_RUN`.

    If the process dies before it deletes an item, that retry is queued once more. The second message costs
    one read and no request.
    """
    now = {"pk": _PARTITION, "now": _sort_key(node.clock())}
    due = node.table.query("#pk = :pk AND #sk < :now", now, limit=MOST_PER_RUN, consistent=False).items
    for start in range(0, len(due), _ITEMS_PER_DELETE):
        some = due[start : start + _ITEMS_PER_DELETE]
        node.queues.send_broadcasts([_broadcast(item) for item in some], Lane.CATCH_UP)
        node.table.write_many(delete=[Key(item["pk"], item["sk"]) for item in some])


def _broadcast(item: Item) -> Broadcast:
    return Broadcast(
        partner_id=item["partner_id"], module=item["ref"].partition("#")[0], pk=item["object_pk"], sk="#",
        ref=item["ref"], cause=f"retry {item['sk']}", again=True, tried=int(item["tried"]),
    )  # fmt: skip


def _sort_key(at: datetime) -> str:
    return f"{int(at.timestamp()):012d}"
