"""Notification of webhooks about reconciliation: states that need attention, and the end of such a state.

A record beside the entry has the webhooks that were notified of it. A webhook that fails is not called again
in the same run. It is retried for a day; the entry is listed regardless.

Source: docs/design.md, A CDR; CDR-22
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from chalicelib.calls.webhook_events import RECONCILIATION
from chalicelib.calls.webhook_sender import WebhookFailed
from chalicelib.calls.webhooks import Webhook, notify, read_webhooks
from chalicelib.log import log
from chalicelib.modules.reconciliation.entries import state_of
from chalicelib.modules.reconciliation.noted_cdrs import NOTIFIED
from chalicelib.modules.reconciliation.verdicts import NEEDS_ATTENTION
from chalicelib.protocol.json_text import Document, read_json
from chalicelib.protocol.types import parse_datetime
from chalicelib.storage.objects import Stored
from chalicelib.storage.table import Item

if TYPE_CHECKING:
    from chalicelib.node import Node

NOTIFY_FOR = timedelta(days=1)
"""A failing webhook is retried for this time; the entry is listed regardless."""
RETRY = timedelta(minutes=5)

_WEBHOOK_S = 5.0


@dataclass(frozen=True)
class _Notice:
    """Decision to notify webhooks. notified: names of those that were notified before."""

    message_id: str
    data: Document
    notified: frozenset[str]
    waiting: Sequence[Webhook]


class Notifier:
    """Notifier of the webhooks in one run. deadline: no webhook is called after it."""

    def __init__(self, node: Node, deadline: datetime) -> None:
        self._node = node
        self._deadline = deadline
        self._webhooks = [each for each in read_webhooks(node.table) if RECONCILIATION in each.events]
        self._failing: set[str] = set()

    def notify(self, entry: Stored, before: Item | None) -> datetime | None:
        """Notify the webhooks of an entry.

        before: record of the last notification. Returns the time of the next attempt; None when all is done.
        """
        notice = _decide(entry, before, self._webhooks)
        if notice is None:
            return None
        reached = {each.name for each in notice.waiting if self._notify_one(each, notice)}
        if reached:
            names = sorted(notice.notified | reached)
            key = {"pk": entry.ref.key.pk, "sk": NOTIFIED}
            self._node.table.put({**key, "message": notice.message_id, "webhooks": names})
        now = self._node.clock()
        is_given_up = now - parse_datetime(notice.data["last_updated"]) >= NOTIFY_FOR
        return None if len(reached) == len(notice.waiting) or is_given_up else now + RETRY

    def _notify_one(self, webhook: Webhook, notice: _Notice) -> bool:
        if webhook.name in self._failing or self._node.clock() >= self._deadline:
            return False
        message_id = notice.message_id
        try:
            notify(self._node, webhook, RECONCILIATION, message_id, notice.data, total_s=_WEBHOOK_S)
        except WebhookFailed as failure:
            self._failing.add(webhook.name)
            log.warning(
                "a webhook did not accept a reconciliation event, trying again later",
                extra={"webhook": webhook.name, "reason": str(failure)},
            )
            return False
        return True


def _decide(entry: Stored, before: Item | None, webhooks: Sequence[Webhook]) -> _Notice | None:
    """Decide which webhooks to notify; None when there is none."""
    if before is None and state_of(entry) not in NEEDS_ATTENTION:
        return None
    message_id = f"reconciliation-{hashlib.sha256(str(entry.body).encode()).hexdigest()[:32]}"
    is_same = before is not None and before["message"] == message_id
    notified = frozenset(before["webhooks"] if before is not None and is_same else ())
    waiting = [webhook for webhook in webhooks if webhook.name not in notified]
    return _Notice(message_id, read_json(str(entry.body)), notified, waiting) if waiting else None
