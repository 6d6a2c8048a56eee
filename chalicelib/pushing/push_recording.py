"""Recording of a push: writes its delivery row, its retry and its log line.

A refused session or CDR raises an alarm. A refused CDR also goes to the dead-letter queue, because no later
change will correct it.

Source: docs/design.md, A broadcast; TRN-32
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from chalicelib import metrics
from chalicelib.calls.answers import PartnerRefusal
from chalicelib.errors import InvalidParameters
from chalicelib.log import log
from chalicelib.modules.registry import is_private
from chalicelib.protocol.types import format_datetime
from chalicelib.pushing.deliveries import Delivery, delivery_put, key_of
from chalicelib.pushing.push_decisions import Seen
from chalicelib.pushing.push_results import PushError
from chalicelib.pushing.retries import again_at, next_retry, retry_put
from chalicelib.queues import Broadcast
from chalicelib.storage.table import Table
from chalicelib.versions.supported import loggable
from chalicelib.versions.version import Loss

if TYPE_CHECKING:
    from chalicelib.node import Node


def record(
    table: Table, now: datetime, message: Broadcast, seen: Seen, after: Delivery, until: str = ""
) -> None:
    """Write the row of a push, and the retry when it was refused. until: as of `next_retry`.

    Raises: Conflict when another worker has written the row since it was read.
    """
    ref = seen.item["ref"] if seen.item else seen.delivery.ref or message.ref
    before = seen.delivery
    after = replace(after, ref=ref, at=format_datetime(now))
    retry = next_retry(message, before, after.status, now, until)
    if retry is not None:
        after = replace(after, again_at=again_at(retry))
    row = delivery_put(key_of(message.partner_id, message.pk), before, after)
    table.transact([row, retry_put(message, ref, retry)] if retry is not None else [row])


def record_refusal(
    node: Node,
    message: Broadcast,
    seen: Seen,
    after: Delivery,
    refusal: PartnerRefusal | InvalidParameters,
    losses: Sequence[Loss] = (),
) -> None:
    """Record a refusal. A new one of a session or a CDR raises an alarm.

    A CDR may not be lost and never changes, so a refused one also goes to the dead-letter queue.
    """
    is_new = not seen.delivery.is_refused_as(after)
    alarms = is_new and is_private(message.module)
    log_outcome("refused", metrics.push_refused(node.settings.table, alarms), refusal, losses)
    if is_new and message.module == "cdrs":
        node.queues.bury(message.model_dump_json(), message.group)
    record(node.table, node.clock(), message, seen, after)


def log_outcome(
    outcome: str, measured: metrics.Fields, error: PushError | None = None, losses: Sequence[Loss] = ()
) -> None:
    """Log how a push ended. measured: the metrics of it. losses: what the version cannot express."""
    fields: dict[str, object] = loggable(losses)
    if error is not None:
        # The partner's own text is left out: it may quote personal data of a driver.
        reason = error.detail if isinstance(error, InvalidParameters) else error.reason
        fields |= {"reason": reason, "status_code": error.status_code}
    log.info(f"push {outcome}", extra={**fields, **measured})
