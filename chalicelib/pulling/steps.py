"""One step of a pull: reads pages for some seconds, stores their objects, and queues the next step.

The pull's item is written after each page, so a worker that is killed loses at most the page that it had in
hand: the queue gives the same message out again, and the step goes on at the next page. Storing an object
twice changes nothing. A step whose number is no longer that of the pull does nothing; of two workers with the
same message the one that writes second stops.

*Time.* A step starts no page after `ends`. A page that arrives late has `KEEP_S` for its objects. A page may
have more objects than one step can store: the next step reads it again and goes on after those that were
taken. So a step ends at the latest 50 s after its batch began: 20 s (`background.STEP_S`), one call (20 s,
`lists.CALL_S`), and `KEEP_S`.

*Faults.* A call that fails is tried again after a growing delay, at least as late as the partner asks for
(`Retry-After`): eight times in a row, fifty times if it asks for that. Then the pull has failed, and the next
one begins where the last successful one did. A refusal is final, except that a first page is asked for once
more without `limit`. A partner that is OFFLINE is not called: the pull waits until it is back. Each pull has
its own messages, so one partner delays no other.

Source: OCPI 2.2.1 transport_and_format, Pagination; TRN-30, TRN-32, PAG-12, PAG-13
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from chalicelib.calls.answers import PartnerError, PartnerFault, PartnerRefusal
from chalicelib.calls.pages import Crawl, Page, read_page
from chalicelib.errors import InvalidParameters
from chalicelib.log import add_fields, log, log_fields
from chalicelib.protocol.types import format_datetime, parse_datetime
from chalicelib.pulling.comparing import COMPARED, compare_some
from chalicelib.pulling.lists import first_url, get_page
from chalicelib.pulling.objects import Comparison, Pull, PullState
from chalicelib.pulling.page_keeping import Tally, keep_page
from chalicelib.pulling.starting import queue_step
from chalicelib.pulling.store import SEEN_KEPT, forget_seen, note_seen, read_pull, save_pull
from chalicelib.storage.table import Conflict

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner
    from chalicelib.queues import PullStep

MOST_TRIES = 8
MOST_WAITS = 50
KEEP_S = 10
"""Seconds for storing the objects of a page that arrived when the time of the step was nearly over."""

AWAY_S = 300
"""Seconds between two looks whether a partner is back."""

_FIRST_DELAY_S = 30
_LONGEST_DELAY_S = 900


def run_step(node: Node, step: PullStep, ends: datetime) -> None:
    """Handle the message of a step; an old one does nothing."""
    with log_fields(partner=step.partner_id, ocpi_module=step.module):
        pull = read_pull(node.table, step.partner_id, step.module)
        if pull is None or pull.id != step.pull_id or pull.is_over:
            return
        if step.number == pull.step - 1:
            queue_step(node, pull)  # The worker of that step may have been killed before it queued this one.
        if step.number != pull.step:
            return
        add_fields(step=step.number)
        try:
            _run(node, pull, ends)
        except Conflict:
            log.info("another worker has this step of the pull")


def _run(node: Node, pull: Pull, ends: datetime) -> None:
    partner = node.directory.get(pull.partner_id)
    if partner is None or not partner.is_registered:
        _fail(node, pull, "the partner is no longer registered")
    elif partner.endpoint(pull.module, "SENDER") is None:
        _fail(node, pull, "the partner no longer offers this list")
    elif not pull.is_from(partner.version, partner.endpoint(pull.module, "SENDER")):
        _fail(node, pull, "the partner has another endpoint or version now; a new pull begins")
    elif partner.connection == "OFFLINE":
        _wait(node, pull, "the partner is OFFLINE", timedelta(seconds=AWAY_S))
    elif pull.retry_at and parse_datetime(pull.retry_at) > node.clock():
        queue_step(node, pull)
    else:
        _go_on(node, partner, pull, ends)


def _go_on(node: Node, partner: Partner, pull: Pull, ends: datetime) -> None:
    """Read pages, and compare at the end, until the time of the step is over."""
    while not pull.is_over:
        before = pull
        try:
            pull = _next(node, partner, pull, ends)
        except PartnerRefusal as refusal:
            return _refused(node, partner, pull, refusal)
        except (PartnerFault, InvalidParameters) as fault:
            return _failed(node, pull, fault)
        is_next_step = not pull.is_over and node.clock() >= ends
        pull = _save(node, before, pull.model_copy(update={"step": pull.step + is_next_step}))
        if is_next_step:
            return queue_step(node, pull)
    _end(node, pull)


def _next(node: Node, partner: Partner, pull: Pull, ends: datetime) -> Pull:
    """Read one page, or compare a part of what is stored. Returns the pull as it is then."""
    if pull.crawl is None:
        return compare_some(node, partner, pull, ends)
    answer = get_page(node, partner, pull, pull.crawl.url)
    page = read_page(pull.crawl, answer, f"{pull.module} of partner {partner.id}")
    entries = page.objects[pull.skip :]
    until = max(ends, node.clock() + timedelta(seconds=KEEP_S))
    tally = keep_page(node, partner, pull.module, entries, lambda: node.clock() >= until)
    if _is_compared(pull, node.clock()) and tally.seen:
        note_seen(node.table, pull, tally.seen, node.clock())
    return _after_page(pull, page, tally, _now(node))


def _after_page(pull: Pull, page: Page, tally: Tally, now: str) -> Pull:
    """The pull after some entries of a page were taken, or all of them."""
    counted: dict[str, Any] = {
        "objects": pull.objects + tally.taken,
        "kept": pull.kept + tally.kept,
        "unchanged": pull.unchanged + tally.unchanged,
        "refused": pull.refused + tally.refused,
        "odd": pull.odd + tally.odd,
        "own": pull.own + tally.own,
        "state": PullState.RUNNING,
        **_FINE,
    }
    if pull.skip + tally.taken < len(page.objects):
        return pull.changed(now, **counted, skip=pull.skip + tally.taken)
    counted |= {"skip": 0, "pages": pull.pages + 1, "crawl": page.following}
    if page.following is not None:
        return pull.changed(now, **counted)
    if page.endless and not page.is_all(counted["objects"]):
        failed = {"state": PullState.FAILED, "error": page.endless, "finished": now, "crawl": pull.crawl}
        return pull.changed(now, **counted | failed)
    if _is_compared(pull, parse_datetime(now)):
        return pull.changed(now, **counted | {"state": PullState.COMPARING, "comparison": Comparison()})
    return pull.changed(now, **counted).done(now)


def _is_compared(pull: Pull, now: datetime) -> bool:
    """Tell whether what vanished is looked for: not if the pull lasts longer than its digests are kept."""
    is_short = now - parse_datetime(pull.started) < SEEN_KEPT
    return pull.date_from is None and pull.module in COMPARED and is_short


_FINE = {"tries": 0, "error": None, "retry_at": None}


# -- faults --------------------------------------------------------------------------------------------


def _refused(node: Node, partner: Partner, pull: Pull, refusal: PartnerRefusal) -> None:
    """Ask for the first page once more without `limit`; any other refusal is final."""
    plain = Crawl(url=first_url(partner, pull.module, pull.date_from, limit=None))
    is_first = pull.crawl is not None and not pull.crawl.pages
    if not is_first or pull.crawl == plain:
        return _fail(node, pull, str(refusal))
    after = pull.changed(_now(node), crawl=plain, step=pull.step + 1, error=str(refusal))
    queue_step(node, _save(node, pull, after))


def _failed(node: Node, pull: Pull, fault: PartnerError | InvalidParameters) -> None:
    """Try again later, unless that cannot help or was done often enough."""
    tries, asked_s = pull.tries + 1, getattr(fault, "retry_after_s", None)
    most = MOST_TRIES if asked_s is None else MOST_WAITS
    if tries > most or isinstance(fault, InvalidParameters):
        return _fail(node, pull, str(fault))
    delay_s = max(min(_FIRST_DELAY_S << (tries - 1), _LONGEST_DELAY_S), asked_s or 0)
    pull_now = pull.model_copy(update={"tries": tries, "waits": pull.waits + (asked_s is not None)})
    _wait(node, pull, str(fault), timedelta(seconds=delay_s), pull_now)


def _wait(node: Node, before: Pull, reason: str, time: timedelta, pull: Pull | None = None) -> None:
    """Queue the next step for later, and show why."""
    pull = pull or before
    retry_at = format_datetime(node.clock() + time)
    after = pull.changed(
        _now(node), state=PullState.WAITING, error=reason, retry_at=retry_at, step=pull.step + 1
    )
    log.info("a pull waits", extra={"until": retry_at})
    queue_step(node, _save(node, before, after))


def _fail(node: Node, pull: Pull, reason: str) -> None:
    now = _now(node)
    _end(node, _save(node, pull, pull.changed(now, state=PullState.FAILED, error=reason, finished=now)))


def _save(node: Node, before: Pull, after: Pull) -> Pull:
    return save_pull(node.table, after, before)


def _end(node: Node, pull: Pull) -> None:
    """Log the end of a pull, and delete what was only needed to compare."""
    if pull.date_from is None and pull.module in COMPARED:
        forget_seen(node.table, pull)
    counts = pull.model_dump(include={"pages", "objects", "kept", "unchanged", "refused", "odd", "vanished"})
    if pull.state is PullState.FAILED:
        # Not its error: that may quote a body of the partner. The log of the call has the reason.
        log.warning("a pull failed", extra=counts)
    else:
        log.info("a pull is done", extra=counts)


def _now(node: Node) -> str:
    return format_datetime(node.clock())
