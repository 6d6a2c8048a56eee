"""Timer of the partners: probes those that are OFFLINE, and runs scheduled rechecks and retries.

A partner that takes a push is set to CONNECTED. The record of that change in the table's stream then starts
the catch-up (`outbox.py`), so a timer that dies in between cannot lose it. The partner's record holds the
pause before the next probe (`breaker.py`). Rechecks are those of `catch_up.py`, retries those of
`retries.py`.

Partners are probed in parallel. An error with one partner is logged and does not stop the others.

Source: OCPI 2.2.1 transport_and_format_offline_behaviour; TRN-32, HCI-10
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from chalicelib import metrics
from chalicelib.calls.answers import PartnerError
from chalicelib.log import log
from chalicelib.partners.breaker import Breaker
from chalicelib.pushing.catch_up import run_rechecks
from chalicelib.pushing.failure_record import breaker_of
from chalicelib.pushing.probes import PushFailed, probe_pushes
from chalicelib.pushing.retries import queue_due_retries
from chalicelib.pushing.role_notices import notify_of_roles

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Directory, Partner

_AT_ONCE = 20


def run(node: Node, partners: Sequence[Partner]) -> None:
    """Probe the partners that are OFFLINE, then run the rechecks and retries that are due.

    partners: all there are.
    """
    offline = [partner for partner in partners if partner.is_registered and partner.connection == "OFFLINE"]
    back = _probe_all(node, offline)
    still_offline = len(offline) - len(back)
    if still_offline:
        log.info("partners are offline", extra=metrics.partners_offline(node.settings.table, still_offline))
    run_rechecks(node, {partner.id: partner for partner in partners})
    queue_due_retries(node)
    _notify_of_roles(node, partners)


def _notify_of_roles(node: Node, partners: Sequence[Partner]) -> None:
    """Notify the operator of pending roles. An error is logged and stops nothing else."""
    try:
        notify_of_roles(node, partners)
    except Exception:
        log.exception("failed to notify the webhooks of pending roles")


def _probe_all(node: Node, offline: Sequence[Partner]) -> list[Partner]:
    """Probe partners in parallel. Returns those that are back."""
    due = [partner for partner in offline if not breaker_of(partner).wait_s(node.clock())]
    if not due:
        return []
    with ThreadPoolExecutor(min(_AT_ONCE, len(due)), thread_name_prefix="probe") as pool:
        outcomes = list(pool.map(lambda partner: _probe_alone(node, partner), due))
    return [partner for partner, is_back in zip(due, outcomes, strict=True) if is_back]


def _probe_alone(node: Node, partner: Partner) -> bool:
    """Probe one partner and log every error, so that the others go on. Returns whether it is back."""
    try:
        return _probe(node, partner)
    except Exception:
        log.exception("failed to probe a partner", extra={"partner": partner.id})
        return False


def _probe(node: Node, partner: Partner) -> bool:
    try:
        probe_pushes(node, partner)
    except PartnerError:
        return False
    except PushFailed as failed:
        _extend_pause(node, partner, str(failed))
        return False
    log.info(
        "a partner is connected again", extra={"partner": partner.id, "offline_since": partner.offline_since}
    )
    _change(node.directory, partner, lambda breaker: breaker.close(node.clock()), connection="CONNECTED")
    return True


def _extend_pause(node: Node, partner: Partner, reason: str) -> None:
    now, window = node.clock(), node.settings.freshness
    after = _change(node.directory, partner, lambda breaker: breaker.after_failed_probe(now, window, reason))
    known = after.breaker if after else None
    extra = {"partner": partner.id, "reason": reason, "until": known.until if known else None}
    log.warning(
        "a partner answers with its versions but takes no push",
        extra={**extra, **metrics.breaker_reopened(node.settings.table)},
    )


def _change(
    directory: Directory, partner: Partner, change: Callable[[Breaker], Breaker], connection: str = "OFFLINE"
) -> Partner | None:
    """Change the breaker, and optionally the connection, of a partner that is still OFFLINE."""
    is_back = {"connection": "CONNECTED", "offline_since": None} if connection == "CONNECTED" else {}

    def changed(current: Partner) -> Partner | None:
        if current.connection == "CONNECTED":
            return None
        return current.model_copy(update={**is_back, "breaker": change(breaker_of(current))})

    return directory.update(partner.id, changed)
