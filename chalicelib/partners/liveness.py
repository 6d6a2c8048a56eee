"""The timer that probes partners that are OFFLINE: one that takes a push is CONNECTED again.

What it missed is queued because the table's stream tells that the partner is back (`changes.py`), so
that a timer that dies after the one cannot leave out the other. How long a partner that fails again is left
alone stands in its record (`breaker.py`). The timer also takes the second looks of `catch_up.py`.

Partners are probed side by side, and an error with one of them is logged and stops no other.

Source: OCPI 2.2.1 transport_and_format_offline_behaviour; TRN-32, HCI-10
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from chalicelib import metrics
from chalicelib.log import log
from chalicelib.partners.answers import PartnerError
from chalicelib.partners.breaker import Breaker
from chalicelib.partners.catch_up import take_second_looks
from chalicelib.partners.failing import breaker_of
from chalicelib.partners.probes import PushFailed, takes_pushes
from chalicelib.partners.retries import take_due
from chalicelib.partners.role_notices import notify_of_roles

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner

_AT_ONCE = 20


def run(node: Node) -> None:
    """Look for the partners that are away, and catch up where a second look is due."""
    partners = node.directory.all()
    away = [partner for partner in partners if partner.is_registered and partner.connection == "OFFLINE"]
    back = _probe_all(node, away)
    still_away = len(away) - len(back)
    if still_away:
        log.info("partners are away", extra=metrics.partners_offline(node.settings.table, still_away))
    take_second_looks(node, {partner.id: partner for partner in partners})
    take_due(node)
    _notify_of_roles(node, partners)


def _notify_of_roles(node: Node, partners: Sequence[Partner]) -> None:
    """Notify the operator of pending roles; an error there stops nothing else."""
    try:
        notify_of_roles(node, partners)
    except Exception:
        log.exception("the webhooks could not be notified of pending roles")


def _probe_all(node: Node, away: Sequence[Partner]) -> list[Partner]:
    """Probe partners side by side. Returns those that are back."""
    due = [partner for partner in away if not breaker_of(partner).wait_s(node.clock())]
    if not due:
        return []
    with ThreadPoolExecutor(min(_AT_ONCE, len(due)), thread_name_prefix="probe") as pool:
        outcomes = list(pool.map(lambda partner: _probe_alone(node, partner), due))
    return [partner for partner, is_back in zip(due, outcomes, strict=True) if is_back]


def _probe_alone(node: Node, partner: Partner) -> bool:
    """Probe one partner. Returns whether it is back; raises nothing, for the others' sake."""
    try:
        return _probe(node, partner)
    except Exception:
        log.exception("a partner could not be probed", extra={"partner": partner.id})
        return False


def _probe(node: Node, partner: Partner) -> bool:
    try:
        takes_pushes(node, partner)
    except PartnerError:
        return False
    except PushFailed as failed:
        _leave_alone(node, partner, str(failed))
        return False
    log.info("a partner is back", extra={"partner": partner.id, "offline_since": partner.offline_since})
    _change(node, partner, lambda breaker: breaker.close(node.clock()), connection="CONNECTED")
    return True


def _leave_alone(node: Node, partner: Partner, reason: str) -> None:
    now, window = node.clock(), node.settings.freshness
    after = _change(node, partner, lambda breaker: breaker.after_failed_probe(now, window, reason))
    known = after.breaker if after else None
    extra = {"partner": partner.id, "reason": reason, "until": known.until if known else None}
    log.warning(
        "a partner answers but takes no push",
        extra={**extra, **metrics.breaker_reopened(node.settings.table)},
    )


def _change(
    node: Node, partner: Partner, change: Callable[[Breaker], Breaker], connection: str = "OFFLINE"
) -> Partner | None:
    """Change the breaker of a partner that is still OFFLINE, and perhaps its connection."""
    is_back = {"connection": "CONNECTED", "offline_since": None} if connection == "CONNECTED" else {}

    def changed(current: Partner) -> Partner | None:
        if current.connection == "CONNECTED":
            return None
        return current.model_copy(update={**is_back, "breaker": change(breaker_of(current))})

    return node.directory.update(partner.id, changed)
