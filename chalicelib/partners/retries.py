"""Refused pushes that are tried again slowly: one small item for each, in the order of their due times.

What a partner refused is tried again after an hour, and once more after a day. Then only a change of the
object, of the partner's endpoints, token or version (`changes.py`), or the operator (`replays.py`) has it
sent again.

The item is written in one transaction with the row that says that the push was refused. The row has the
time as `again_at`, so that an object that is refused with every change has one item, not one for each. The
timer (`liveness.py`) reads what is due and nothing else, queues ordinary messages, and each push reads and
decides again: what the partner has taken meanwhile is not sent, so no CDR is posted twice.

Source: OCPI 2.2.1 transport_and_format_offline_behaviour; TRN-32
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.partners.deliveries import Delivery, Status
from chalicelib.protocol.types import format_datetime, parse_datetime
from chalicelib.queues import Broadcast, Lane
from chalicelib.storage.table import Item, Key, Put

if TYPE_CHECKING:
    from chalicelib.node import Node

AFTER_REFUSAL = (timedelta(hours=1), timedelta(days=1))
"""How long after each refusal of an object it is tried again; after the last not any more."""

MOST_PER_RUN = 1000
"""As many take a second or two to queue; the rest is due in the next minute."""

_PARTITION = "retries"
_ITEMS_PER_DELETE = 100


class Retry(NamedTuple):
    """The next try of a push that was refused. tried: how many such tries there were before it, and it."""

    at: datetime
    tried: int


def next_retry(message: Broadcast, before: Delivery, status: Status | None, now: datetime) -> Retry | None:
    """The next retry of a push that ended with a status; None when there is none or one is due already.

    message: that was pushed. before: the delivery's row before the push.
    """
    # What was not refused before has a new beginning.
    tried = message.tried if before.status == Status.REFUSED else 0
    if status != Status.REFUSED or tried >= len(AFTER_REFUSAL):
        return None
    at = now + AFTER_REFUSAL[tried]
    if before.again_at and now < parse_datetime(before.again_at) <= at:
        return None  # An item is there already that comes soon enough.
    return Retry(at, tried + 1)


def retry_put(message: Broadcast, ref: str, retry: Retry) -> Put:
    """The operation that notes a retry. ref: the object's name."""
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


def again_at(retry: Retry) -> str:
    """The time of a retry as a delivery's row has it."""
    return format_datetime(retry.at)


def take_due(node: Node) -> None:
    """Queue the pushes whose time has come, at most `MOST_PER_RUN`.

    Killed before an item is deleted, it is queued once more, which costs a read.
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
