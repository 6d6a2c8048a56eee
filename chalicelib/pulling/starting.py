"""Starts pulls: decides for each module whether a new one begins, and queues its first step.

Two pulls of the same partner and module never run at once. A request joins the pull that is going on if that
one reads everything that was asked for; otherwise a new pull replaces it, and the steps of the old one do
nothing any more. After a registration the pages before are read again as well: with other roles, endpoints or
another version the same list means other objects. The same request twice (the stream and the queue repeat
themselves) is one pull.

Source: docs/design.md, A pull
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from chalicelib.calls.pages import Crawl
from chalicelib.log import log
from chalicelib.protocol.types import format_datetime, parse_datetime
from chalicelib.pulling.lists import first_url, pulled_modules
from chalicelib.pulling.objects import OVERLAP, Cause, Pull
from chalicelib.pulling.store import forget_seen, read_pulls, save_pull
from chalicelib.queues import LONGEST_DELAY_S, PullRequest, PullStep
from chalicelib.storage.retry import attempts
from chalicelib.storage.table import Conflict

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner


@dataclass(frozen=True)
class Wanted:
    """A request for pulls.

    id: the same for the same request, so that it starts one pull. modules: those to read, empty for all that
    are of use. date_from: objects changed since then; None for those since the last successful pull. full:
    everything. delay_s: seconds before the first call.
    """

    id: str
    cause: Cause
    modules: Collection[str] = ()
    date_from: str | None = None
    full: bool = False
    delay_s: int = 0


def run_request(node: Node, request: PullRequest, ends: datetime) -> None:
    """Handle the message that asks for pulls of a partner."""
    partner = node.directory.get(request.partner_id)
    if partner is None or not partner.is_registered:
        return
    cause = Cause(request.cause)
    start_pulls(node, partner, Wanted(request.id, cause, request.modules, request.date_from, request.full))


def start_pulls(node: Node, partner: Partner, wanted: Wanted) -> list[Pull]:
    """Start a pull of each module, or join the one that is going on. Returns them."""
    known = read_pulls(node.table, partner.id)
    chosen = [name for name in pulled_modules(node.settings, partner) if name in (wanted.modules or [name])]
    return [_start(node, partner, module, wanted, known.get(module)) for module in chosen]


def queue_step(node: Node, pull: Pull, delay_s: int = 0) -> None:
    """Queue the message of a pull's next step; a pull that may not call yet waits until it may."""
    if pull.retry_at:
        left = (parse_datetime(pull.retry_at) - node.clock()).total_seconds()
        delay_s = max(delay_s, round(left))
    step = PullStep(
        partner_id=pull.partner_id, module=pull.module, pull_id=pull.id, number=pull.step,
        delay_s=min(delay_s, LONGEST_DELAY_S),
    )  # fmt: skip
    node.queues.send_background([step])


def _start(node: Node, partner: Partner, module: str, wanted: Wanted, known: Pull | None) -> Pull:
    for attempt in attempts():
        before = read_pulls(node.table, partner.id).get(module) if attempt else known
        if before is not None and before.id == wanted.id:
            if not before.is_over and not before.step:
                queue_step(node, before, wanted.delay_s)  # Its first message may not have been sent.
            return before
        pull = _new(node, partner, module, wanted, before)
        if before is not None and before.is_alive(node.clock()) and _joins(pull, before):
            return before
        try:
            pull = save_pull(node.table, pull, before)
        except Conflict:
            continue
        if before is not None and not before.is_over:
            forget_seen(node.table, before)
        log.info("a pull begins", extra={"partner": partner.id, "ocpi_module": module, "cause": pull.cause})
        queue_step(node, pull, wanted.delay_s)
        return pull
    raise AssertionError("attempts() raises")


def _joins(wanted: Pull, before: Pull) -> bool:
    """Tell whether a pull that is going on reads everything that another one would."""
    if wanted.cause is Cause.REGISTRATION and (before.crawl != wanted.crawl or before.skip):
        return False
    return before.covers(wanted.date_from) and before.is_from(wanted.version, wanted.endpoint)


def _new(node: Node, partner: Partner, module: str, wanted: Wanted, before: Pull | None) -> Pull:
    now = format_datetime(node.clock())
    succeeded = before.succeeded if before else None
    date_from = None if wanted.full else wanted.date_from or _since(succeeded)
    return Pull(
        id=wanted.id,
        partner_id=partner.id,
        module=module,
        cause=wanted.cause,
        started=now,
        progressed=now,
        date_from=date_from,
        crawl=Crawl(url=first_url(partner, module, date_from)),
        version=partner.version,
        endpoint=partner.endpoint(module, "SENDER"),
        succeeded=succeeded,
    )


def _since(succeeded: str | None) -> str | None:
    return format_datetime(parse_datetime(succeeded) - OVERLAP) if succeeded else None
