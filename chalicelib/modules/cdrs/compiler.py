"""Scheduled compiler: makes the CDRs of the due sessions, every minute.

*Exactly once.* Each session gets each CDR once, even if a compiler is killed at any point or two run at the
same time. One transaction writes the CDRs of a session and deletes the due session. Its condition is that
the session is still due in the version that was read, so the slower of two compilers writes nothing. There is
no other state: the ids of a session's CDRs follow from the session (`earlier_cdrs.py`). Each CDR is stored
with the version of the session that it was made from.

*One session.* Its items are read in one call; its maker and partitions are decided (`cdr_partitions.py`), its
latest CDR is found, its price is drafted (`assembly.py`), the CDRs that it lacks are decided (`new_cdrs.py`)
and written.

*Time budget.* A run begins no session after its budget, so that the function ends before its timeout; the
remaining sessions are due in the next minute. Sessions are read and priced in parallel and written one after
the other (`cdr_writer.py`), in two calls each. A session that fails because of AWS stays due. A session that
has no price, or fails because of a bug, is set aside. So is one that takes too much work to price
(`pricing/work_limits.py`), or whose attempts never finish (`due_sessions.py`).

Source: docs/design.md, A CDR; OCPI 2.2.1 mod_cdrs_credit_cdrs; CDR-07, CDR-11, CDR-13, CDR-22, TRP-30
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from chalicelib import metrics
from chalicelib.errors import InvalidParameters, NotEnoughInformation
from chalicelib.log import log, log_fields
from chalicelib.modules.cdrs.assembly import FinishedDraft, draft_cdr, finish_draft
from chalicelib.modules.cdrs.cdr_partitions import MODULE, partitions_of
from chalicelib.modules.cdrs.cdr_writer import CdrWriter
from chalicelib.modules.cdrs.due_sessions import (
    ATTEMPT_TIME_LIMIT,
    NoCdr,
    clear_due,
    count_attempt,
    due_key,
    is_suspect,
    must_count,
    read_due_sessions,
    set_aside,
    set_aside_key,
)
from chalicelib.modules.cdrs.earlier_cdrs import CdrRefs, find_latest_cdr, maker_of
from chalicelib.modules.cdrs.new_cdrs import new_cdrs
from chalicelib.modules.cdrs.start_snapshots import (
    complete_snapshot,
    preferences_key,
    read_profile,
    read_start_snapshot,
    start_snapshot_key,
)
from chalicelib.modules.sessions.objects import COMPLETED
from chalicelib.policy.time_prices import prices_by_the_minute
from chalicelib.pricing.plausibility import Implausible
from chalicelib.pricing.work_limits import OutOfTime, Work
from chalicelib.protocol.json_text import Document, read_json
from chalicelib.protocol.types import format_datetime
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import New, Stored, stored_object
from chalicelib.storage.retry import attempts, draw_lot
from chalicelib.storage.table import Conflict, Item, Snapshot, is_temporary

if TYPE_CHECKING:
    from datetime import datetime

    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner

BUDGET = timedelta(seconds=45)
"""A run begins no session after this time."""

_THREADS = 4
_PER_PAGE = 1000


@dataclass(frozen=True)
class _Run:
    """Data that all sessions of one run share. deadline: no session is begun after it."""

    node: Node
    partners: Sequence[Partner]
    writer: CdrWriter
    deadline: datetime


@dataclass(frozen=True)
class _DueSession:
    """A due session as it was read. session: None if it expired. items: all items that were read with it."""

    due: Item
    session: Stored | None
    refs: CdrRefs
    items: Snapshot


class _Outcome(Enum):
    """Result of an attempt for a due session. FAILED: the session is still due."""

    DONE = auto()
    SET_ASIDE = auto()
    FAILED = auto()


def run(node: Node) -> None:
    """Make the CDRs of due sessions until the time budget is used up."""
    deadline = node.clock() + BUDGET
    due = read_due_sessions(node.table)
    this: _Run | None = None
    outcomes: Counter[_Outcome | None] = Counter()
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="cdr") as pool:
        while node.clock() < deadline and (page := list(islice(due, _PER_PAGE))):
            this = this or _begin(node, deadline)
            # Start at a random session: two compilers in the same order would do all work twice.
            start = int(draw_lot(), 16) % len(page)
            page = [*page[start:], *page[:start]]
            compile_one = partial(_compile, this)
            outcomes.update(pool.map(compile_one, [due for due in page if not is_suspect(due)]))
            # A suspect session may kill this function, so it runs last and alone.
            outcomes.update(map(compile_one, filter(is_suspect, page)))
    if number := outcomes.total() - outcomes[None]:
        numbers = number, outcomes[_Outcome.SET_ASIDE], outcomes[_Outcome.FAILED]
        log.info("CDRs were due", extra=metrics.cdrs_compiled(node.settings.table, *numbers))


def _begin(node: Node, deadline: datetime) -> _Run:
    writer = CdrWriter(node.table, node.objects, is_hub=node.settings.plays("HUB"))
    return _Run(node, node.directory.all(), writer, deadline)


def _compile(this: _Run, due: Item) -> _Outcome | None:
    """Attempt one due session. Returns None when the time is up or another compiler was faster."""
    if this.node.clock() >= this.deadline:
        return None
    with log_fields(ocpi_module=MODULE, ref=due["ref"]):
        try:
            for number, _ in enumerate(attempts()):
                try:
                    return _compile_session(this, Ref.parse(due["ref"]), is_first=number == 0)
                except Conflict:
                    continue
        except Exception:
            log.exception("failed to write the CDR of a session, trying again in the next run")
    return _Outcome.FAILED


def _compile_session(this: _Run, ref: Ref, is_first: bool) -> _Outcome | None:
    """Write the missing CDRs of a session, or set it aside with the reason.

    is_first: count this attempt; false in a repetition after a Conflict.
    Raises: Conflict when another write interfered; ServerError when AWS fails.
    """
    found = _read(this.node, ref)
    if found is None:
        return None  # another compiler was faster
    table, is_counted = this.node.table, False
    try:
        is_counted = is_first and found.session is not None and must_count(found.due, this.node.clock())
        if is_counted:
            count_attempt(table, found.due)
        this.writer.write(
            _missing_cdrs(this, found), clear_due(found.due, set_aside_key(ref.key) in found.items)
        )
    except OutOfTime:
        log.warning("a session took too long to price")
        if not is_counted:
            count_attempt(table, found.due)
        return _Outcome.FAILED
    except Exception as error:
        if is_temporary(error):
            raise
        return _set_aside(this.node, found.due, error)
    return _Outcome.DONE


def _set_aside(node: Node, due: Item, error: Exception) -> _Outcome:
    """Set a session aside: it has no price, or a bug prevents its CDR."""
    if isinstance(error, (InvalidParameters, NotEnoughInformation)):
        reason = NoCdr(error.detail, error.field, can_release=isinstance(error, Implausible))
        set_aside(node.table, due, reason, node.clock())
        extra = {"field": reason.field, "implausible": reason.can_release}
        log.warning("a session has no price", extra=extra)
    else:
        log.exception("failed to make the CDR of a session, setting it aside", exc_info=error)
        set_aside(node.table, due, NoCdr("something went wrong here; the log has more"), node.clock())
    return _Outcome.SET_ASIDE


def _read(node: Node, ref: Ref) -> _DueSession | None:
    """Read a due session with its CDRs so far, in one call; None when it is no longer due.

    Raises: Conflict when the session changed while it was read.
    """
    refs = CdrRefs(ref, maker_of(node.settings, ref), node.directory.keyed_digest)
    first = [cdr.key for cdr in refs.of(1)]
    beside = start_snapshot_key(ref.key), preferences_key(ref.key), set_aside_key(ref.key)
    due_at = due_key(ref.key)
    items = node.table.get_many([due_at, ref.key, *beside, *first])
    if due_at not in items:
        return None
    due, session = items[due_at], stored_object(items[ref.key]) if ref.key in items else None
    if session is not None and session.version < due["v"]:
        raise Conflict("the session changed while it was read")
    return _DueSession(due, session, refs, items)


def _missing_cdrs(this: _Run, found: _DueSession) -> list[New]:
    """Make the CDRs of a session that are missing, and their copies.

    Raises: InvalidParameters, NotEnoughInformation when the session has no price; OutOfTime.
    """
    node, session = this.node, found.session
    if session is None:
        return []
    document: Document = read_json(str(session.body))
    partitions = partitions_of(node.settings, this.partners, session, document["cdr_token"])
    if partitions is None:
        return []
    latest = find_latest_cdr(node.table, found.refs, found.items)
    if latest.has_version(session.version):
        return []
    draft = _draft(this, found, session, document) if document["status"] == COMPLETED else None
    ref = found.refs.of(latest.number + 1)[0]
    return new_cdrs(session.version, latest, draft, ref, partitions, format_datetime(node.clock()))


def _draft(this: _Run, found: _DueSession, session: Stored, document: Document) -> FinishedDraft:
    """Price a session and draft its CDR. It is released if the operator wants it as it is."""
    node, key = this.node, session.ref.key
    start = read_start_snapshot(found.items.get(start_snapshot_key(key)))
    start = complete_snapshot(node, session.ref, document, start)
    profile = read_profile(found.items.get(preferences_key(key)))
    per_minute = prices_by_the_minute(this.partners, session.source, session.partition)
    began = node.clock()
    work = Work(is_late=lambda: node.clock() > began + ATTEMPT_TIME_LIMIT)
    is_released = bool(found.due.get("released"))
    draft = draft_cdr(document, start, profile, per_minute, now=began, is_released=is_released, work=work)
    return finish_draft(draft, document, node.settings.tolerance)
