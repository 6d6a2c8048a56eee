"""Starts pulls by the clock: those of the night and the hour, and those after an outage of this node.

The timer of the partners runs every minute and writes when it ran: its *heartbeat*, one write that also
returns the one before. What was due between the two is started. So nothing is started twice or left out when
a run is late, and no pull has to be read to see whether it is due.

When the heartbeat before is long ago, this node was away: what partners pushed meanwhile is lost, since the
sender keeps nothing for a receiver that does not answer. Then every list is read from that time on.

The pulls of the night are spread over four hours by the partner's id, those of the hour over its minutes.

Source: OCPI 2.2.1 transport_and_format_offline_behaviour; TRN-32
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from chalicelib.log import log
from chalicelib.protocol.types import format_datetime, parse_datetime
from chalicelib.pulling.lists import pulled_modules
from chalicelib.pulling.objects import OVERLAP, Cause
from chalicelib.queues import PullRequest
from chalicelib.storage.table import Key, Table

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner
    from chalicelib.settings import Settings

OUTAGE = timedelta(minutes=10)
"""A longer time between two heartbeats is an outage of this node."""

NIGHT_BEGINS_H = 1
NIGHT_MINUTES = 240
"""The pulls of the night are between 01:00 and 05:00 UTC."""

_HEARTBEAT = Key("heartbeat")
_MINUTE = timedelta(minutes=1)


def run(node: Node, partners: Sequence[Partner]) -> None:
    """Start the pulls that are due. partners: all there are."""
    now = node.clock()
    before = _beat(node.table, now)
    if before is None or before >= now:
        return
    try:
        registered = [partner for partner in partners if partner.is_registered]
        node.queues.send_background(list(_due(node.settings, registered, before, now)))
    except Exception:
        # The next run starts what this one could not.
        _set_heartbeat(node.table, before)
        log.exception("failed to start the pulls that are due")


def due_modules(partner: Partner, modules: Iterable[str], before: datetime, now: datetime) -> list[str]:
    """The modules of a partner whose time came after `before`, and not after `now`."""
    slots = {"nightly": _night_of(partner.id), "hourly": _minute_of(partner.id)}
    periods = {"nightly": timedelta(days=1), "hourly": timedelta(hours=1)}
    due = {how for how, slot in slots.items() if _comes(slot, periods[how], before, now)}
    return [module for module in modules if partner.pull.get(module, "nightly") in due]


def _due(
    settings: Settings, partners: Sequence[Partner], before: datetime, now: datetime
) -> Iterator[PullRequest]:
    was_away = now - before > OUTAGE
    if was_away:
        log.warning("this node was away; the lists of all partners are read", extra={"since": str(before)})
    for partner in partners:
        if was_away:
            date_from = format_datetime(before - OVERLAP)
            yield _request(partner, Cause.OUTAGE, before, date_from=date_from)
        if modules := due_modules(partner, pulled_modules(settings, partner), before, now):
            yield _request(partner, Cause.SCHEDULE, now, modules=tuple(modules))


def _request(partner: Partner, cause: Cause, at: datetime, **more: object) -> PullRequest:
    name = f"{cause.lower()}-{format_datetime(at)}"
    return PullRequest.model_validate({"partner_id": partner.id, "id": name, "cause": cause, **more})


def _comes(slot: timedelta, period: timedelta, before: datetime, now: datetime) -> bool:
    """Tell whether a time that returns after each period is in the span. slot: time since midnight UTC."""
    midnight = before.replace(hour=0, minute=0, second=0, microsecond=0)
    periods = (before - midnight - slot) // period + 1
    return midnight + slot + periods * period <= now


def _night_of(partner_id: str) -> timedelta:
    return timedelta(hours=NIGHT_BEGINS_H) + _spread(partner_id, NIGHT_MINUTES) * _MINUTE


def _minute_of(partner_id: str) -> timedelta:
    return _spread(partner_id, 60) * _MINUTE


def _spread(partner_id: str, number: int) -> int:
    return int.from_bytes(hashlib.sha256(partner_id.encode()).digest()[:8]) % number


def _beat(table: Table, now: datetime) -> datetime | None:
    """Write the heartbeat. Returns the one before, None for the first."""
    expression = "SET #before = if_not_exists(#at, :now), #at = :now"
    item = table.update(_HEARTBEAT, expression, {"now": format_datetime(now)})
    before = parse_datetime(item["before"])
    return before if before < now else None


def _set_heartbeat(table: Table, at: datetime) -> None:
    table.update(_HEARTBEAT, "SET #at = :at", {"at": format_datetime(at)})
