"""Notify the operator's webhooks of roles that wait for approval.

The timer reads every partner each minute anyway (`liveness.py`). A partner's record has its pending roles,
and the roles that the webhooks were notified of. So a notice that failed or was interrupted is sent again
each minute for one day, with the same message id. Without pending roles there is no additional call.

Source: docs/security.md, Roles
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from chalicelib.calls.webhook_events import ROLES_PENDING
from chalicelib.calls.webhook_sender import WebhookFailed
from chalicelib.calls.webhooks import Webhook, notify, read_webhooks
from chalicelib.log import log
from chalicelib.partners.directory import Partner, claim_of
from chalicelib.protocol.types import parse_datetime

if TYPE_CHECKING:
    from datetime import datetime

    from chalicelib.node import Node
    from chalicelib.partners.directory import Directory

NOTIFY_FOR = timedelta(days=1)
BUDGET = timedelta(seconds=15)
"""Time in one run after which no further partner is handled: the timer has other work as well."""

_WEBHOOK_S = 5.0


def notify_of_roles(node: Node, partners: Sequence[Partner]) -> None:
    """Notify the webhooks of the pending roles of these partners that they were not notified of yet."""
    now = node.clock()
    waiting = [partner for partner in partners if is_due(partner, now)]
    if not waiting:
        return
    webhooks = [known for known in read_webhooks(node.table) if ROLES_PENDING in known.events]
    for partner in waiting if webhooks else ():
        if node.clock() - now > BUDGET:
            return
        failed = [webhook for webhook in webhooks if not _send_notice(node, webhook, partner)]
        if not failed:
            _record_notified(node.directory, partner)


def is_due(partner: Partner, now: datetime) -> bool:
    """Check whether the webhooks still have to be notified of pending roles, for at most one day."""
    has_news = not _names(partner) <= set(partner.notified_roles)
    return has_news and now - parse_datetime(partner.last_updated) < NOTIFY_FOR


def _send_notice(node: Node, webhook: Webhook, partner: Partner) -> bool:
    digest = hashlib.sha256("\x1f".join([partner.id, *sorted(_names(partner))]).encode()).hexdigest()
    try:
        notify(node, webhook, ROLES_PENDING, f"roles-{digest[:32]}", _notice(partner), total_s=_WEBHOOK_S)
    except WebhookFailed as failure:
        log.warning("a webhook call failed", extra={"webhook": webhook.name, "reason": str(failure)})
        return False
    return True


def _notice(partner: Partner) -> dict[str, Any]:
    return {
        "partner": {"id": partner.id, "name": partner.name},
        "pending_roles": [role.model_dump(exclude_none=True) for role in partner.pending_roles],
        "hint": f"POST /operator/partners/{partner.id}/roles/approve, or /roles/reject",
    }


def _record_notified(directory: Directory, partner: Partner) -> None:
    names = tuple(sorted(_names(partner)))
    directory.update(
        partner.id,
        lambda current: (
            None if current.notified_roles == names else current.model_copy(update={"notified_roles": names})
        ),
    )


def _names(partner: Partner) -> set[str]:
    return {claim_of(role) for role in partner.pending_roles}
