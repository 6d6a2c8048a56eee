"""Reconciliation: compares each CDR that a hub made of our session with our own CDR of it, at a CPO.

*Trigger.* The first CDR of a session has nothing to be compared with, and if both are written at the same
time, each writer may miss the other CDR. So neither the receiver nor the compiler compares. Both CDRs pass
the table's stream, which delivers each record at least once. The stream notes each CDR beside the entry of
its session, then makes the entry due (`noted_cdrs.py`). The timer (`run`) takes due entries, reads all noted
CDRs of the session and the uncredited CDRs, and writes one verdict. A CDR is noted before its entry is due,
so the second CDR is always compared with the first.

*Entry.* The result for a session. Its partition is that of its state, so entries are listed, counted and
paged like all objects. It is written only if no other write interfered (otherwise it stays due), and only if
it changed.

*CDR without session.* A CDR of the hub may omit `session_id`. It has an entry of its own until it is matched
with its session (`matching.py`).

*Missing CDR.* While one side has no CDR, the entry is PENDING. It is due again when the longest wait ends,
and becomes MISSING_AT_HUB or MISSING_HERE.

*Webhooks.* They are notified of each state that needs attention, and of the end of such a state. An entry
stays due until all of them were notified. A webhook that fails is not called again in the same run.

*Failures.* If AWS fails, the entry stays due. After a bug it becomes NOT_COMPARED, where the operator sees
it. It is retried for a day, and when the session gets another CDR.

*Time budget.* A run begins no session after its budget. Sessions are judged in parallel. Their entries are
written one after the other, because each takes the next number of its partition. Due items are written for a
hundred sessions at once; an entry that was judged and is still due is judged again, with the same result.
Calls for a session: 1 to read its items, 1 to read two CDRs or to match a CDR without session, 1 to write a
new verdict, 1 after a notification. A run reads the partners and the webhooks once.

Source: docs/design.md, A CDR; OCPI 2.2.1 mod_cdrs; CDR-22
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING

from chalicelib.calls.webhook_sender import WebhookFailed
from chalicelib.calls.webhooks import RECONCILIATION, Webhook, notify, read_webhooks
from chalicelib.errors import ServerError
from chalicelib.log import log
from chalicelib.modules.reconciliation import matching
from chalicelib.modules.reconciliation.noted_cdrs import (
    DUE,
    MODULE,
    NOTED,
    NOTIFIED,
    WITHOUT_SESSION,
    due_item,
)
from chalicelib.modules.reconciliation.verdicts import (
    CORRECTION_TIME,
    NEEDS_ATTENTION,
    NotedCdr,
    ReconciliationState,
    Verdict,
    judge,
    uncredited,
)
from chalicelib.policy.cdr_makers import hub_makes_cdr
from chalicelib.protocol.json_text import Document, JsonText, read_json, write_json
from chalicelib.protocol.message import Party
from chalicelib.protocol.types import format_datetime, parse_datetime, sort_key
from chalicelib.storage import counters
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import Stored, Write, stored_object
from chalicelib.storage.operations import key_of
from chalicelib.storage.table import Conflict, Item, Key, Snapshot, is_temporary

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner

BUDGET = timedelta(seconds=30)
"""A run begins no session and calls no webhook after this time. The compiler uses the function first."""

RETRY = timedelta(minutes=5)
NOTIFY_FOR = timedelta(days=1)
"""A failing webhook is retried for this time; the entry is listed regardless."""
COMPARE_FOR = timedelta(days=1)
"""A session whose comparison fails because of a bug is retried for this time."""

_MATCH_DELAY = timedelta(minutes=1)
_PER_PAGE = 100
_THREADS = 8
_WEBHOOK_S = 5.0


def partition_of(owner: Party, state: ReconciliationState) -> str:
    """Partition of one CPO's entries in one state."""
    return f"{MODULE}#{owner.key()}#{state}"


def show(entry: str, now: datetime) -> Document:
    """Convert an entry for the operator API: `age_s` is added unless the state is AGREED."""
    shown: Document = read_json(entry)
    if shown["state"] == ReconciliationState.AGREED:
        return shown
    return {**shown, "age_s": max(int((now - parse_datetime(shown["since"])).total_seconds()), 0)}


# -- the timer ---------------------------------------------------------------------------------------


@dataclass
class _Run:
    """Data that all sessions of one run share.

    deadline: no session is begun after it. failing: names of webhooks that are not called again. roots:
    counters of the partitions, as after our last write. writing: lock of the thread that writes an entry.
    """

    deadline: datetime
    expects_hub: bool
    webhooks: Sequence[Webhook]
    failing: set[str] = field(default_factory=set)
    roots: dict[Key, Item] = field(default_factory=dict)
    writing: Lock = field(default_factory=Lock)


@dataclass
class _Session:
    """An entry that is due, with its due items.

    failing: time since when its comparison fails because of a bug. later: items that make it due again. done:
    keys of the due items to delete.
    """

    entry: str
    due: list[Item] = field(default_factory=list)
    later: list[Item] = field(default_factory=list)
    done: set[Key] = field(default_factory=set)

    @property
    def failing(self) -> str | None:
        return min((item["failing"] for item in self.due if "failing" in item), default=None)


def run(node: Node) -> None:
    """Compare the CDRs of due entries until the time budget is used up."""
    if not node.settings.plays("CPO"):
        return
    deadline, due = node.clock() + BUDGET, _due(node)
    this: _Run | None = None
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="reconcile") as pool:
        while node.clock() < deadline and (page := list(islice(due, _PER_PAGE))):
            this = this or _begin(node, deadline)
            sessions = _group(page)
            list(pool.map(partial(_reconcile, node, this), sessions))
            _write_due(node, sessions)


def _due(node: Node) -> Iterator[Item]:
    end = f"{sort_key(format_datetime(node.clock()))}$"  # `$` follows on `#`
    return node.table.query_all("#pk = :pk AND #sk < :end", {"pk": DUE, "end": end})


def _begin(node: Node, deadline: datetime) -> _Run:
    wanted = [known for known in read_webhooks(node.table) if RECONCILIATION in known.events]
    return _Run(deadline, _expects_hub(node.directory.all()), wanted)


def _expects_hub(partners: Sequence[Partner]) -> bool:
    return any(partner.is_registered and partner.is_hub and hub_makes_cdr(partner) for partner in partners)


def _group(page: Sequence[Item]) -> list[_Session]:
    sessions: dict[str, _Session] = {}
    for item in page:
        sessions.setdefault(item["entry"], _Session(item["entry"])).due.append(item)
    return list(sessions.values())


def _write_due(node: Node, sessions: Sequence[_Session]) -> None:
    """Write the items that make entries due again, and delete those that are done."""
    later = [item for session in sessions for item in session.later]
    done = {key for session in sessions for key in session.done} - {key_of(item) for item in later}
    try:
        node.table.write_many(later, delete=done)
    except ServerError:
        log.warning("failed to write due reconciliation items, trying again in the next run", exc_info=True)


def _reconcile(node: Node, this: _Run, session: _Session) -> None:
    """Judge a session and set in it which due items to write and to delete."""
    if node.clock() >= this.deadline:
        return
    try:
        again, obsolete = _judge_session(node, this, Ref.parse(session.entry))
        item = due_item(format_datetime(again), session.entry, session.entry) if again else None
    except Exception as error:
        if is_temporary(error):
            log.warning(
                "failed to compare the CDRs of a session, trying again in the next run",
                exc_info=True,
                extra={"ref": session.entry},
            )
            return
        log.exception("failed to compare the CDRs of a session", extra={"ref": session.entry})
        item, obsolete = _fail(node, session), []
    session.later = [item] if item else []
    session.done = {*map(key_of, session.due), *obsolete}


def _fail(node: Node, session: _Session) -> Item | None:
    """Write a NOT_COMPARED entry. Returns the item that makes it due again; None after the last retry."""
    now = node.clock()
    since = session.failing or format_datetime(now)
    ref = Ref.parse(session.entry)
    shown = _not_compared(ref, since, format_datetime(now))
    write = Write(JsonText(write_json(shown)), shown["last_updated"])

    def decide(current: Stored | None) -> Write | None:
        is_shown = (
            current is not None and read_json(str(current.body))["state"] == ReconciliationState.NOT_COMPARED
        )
        return None if is_shown else write

    partition = partition_of(Party(ref.country_code, ref.party_id), ReconciliationState.NOT_COMPARED)
    try:
        node.objects.change(ref, decide, partition=partition, source="")
    except Exception:
        log.exception("failed to write the NOT_COMPARED entry of a session", extra={"ref": session.entry})
    if now - parse_datetime(since) >= COMPARE_FOR:
        return None
    return {**due_item(format_datetime(now + RETRY), session.entry, session.entry), "failing": since}


def _judge_session(node: Node, this: _Run, ref: Ref) -> tuple[datetime | None, list[Key]]:
    """Write the verdict of a session and notify the webhooks.

    Returns the time when the entry is due again (None: never), and the keys of obsolete due items.
    """
    found = {item["sk"]: item for item in node.table.query_all("#pk = :pk", {"pk": ref.key.pk})}
    known = found.get(ref.key.sk)
    waited_for = [Key(DUE, known["again"])] if known and "again" in known else []
    if ref.variant == WITHOUT_SESSION and matching.move_to_session(node, ref, found):
        return None, waited_for
    noted_cdrs = [_read_noted(item) for sk, item in found.items() if sk.startswith(NOTED)]
    theirs = [noted for noted in noted_cdrs if not noted.is_ours]
    if not noted_cdrs or not (theirs or this.expects_hub):
        return None, []  # No hub makes CDRs.
    settings = node.settings
    cdrs = _read_both(node, noted_cdrs)
    # A CDR without session waits longer, so that its session searches for it first.
    max_wait = settings.hub_cdr_time + (CORRECTION_TIME if ref.variant == WITHOUT_SESSION else timedelta())
    verdict = judge(noted_cdrs, cdrs, node.clock(), max_wait, settings.tolerance)
    if verdict.ours is not None and verdict.theirs is None:
        own, is_final = found[NOTED + Ref.parse(verdict.ours.ref).key.pk], verdict.judge_again_at is None
        if matching.match_hub_cdrs(node, own, is_final) and is_final and _has_time(node, verdict):
            return node.clock() + _MATCH_DELAY, waited_for
    entry = _write(node, this, ref, known, verdict)
    if verdict.judge_again_at is not None:
        return verdict.judge_again_at, waited_for
    return _notify_webhooks(node, this, ref, entry, found.get(NOTIFIED)), waited_for


def _has_time(node: Node, verdict: Verdict) -> bool:
    """Return whether there is time to wait for a matched hub CDR before it counts as missing."""
    return node.clock() < verdict.since + node.settings.hub_cdr_time + CORRECTION_TIME


def _read_both(node: Node, noted_cdrs: Sequence[NotedCdr]) -> dict[str, Document]:
    """Read the two CDRs to compare, by ref; empty when one side has none."""
    sides = [uncredited(noted_cdrs, is_ours) for is_ours in (True, False)]
    refs = [Ref.parse(side[-1].ref) for side in sides] if all(sides) else []
    return {str(cdr): read_json(str(stored.body)) for cdr, stored in node.objects.get_many(refs).items()}


def _read_noted(item: Item) -> NotedCdr:
    cdr = item["cdr"]
    return NotedCdr(
        cdr, Ref.parse(cdr).id, bool(item["ours"]), parse_datetime(item["at"]), item.get("credits")
    )


def _write(node: Node, this: _Run, ref: Ref, known: Item | None, verdict: Verdict) -> Stored:
    """Write the entry if it changed.

    Raises: Conflict when another run wrote the entry since it was read.
    """
    before = stored_object(known) if known else None
    entry = _entry(ref, verdict)
    if before is not None:
        old = read_json(str(before.body))
        if {**entry, "last_updated": old["last_updated"]} == old:
            return before
    entry["last_updated"] = format_datetime(node.clock())
    again = verdict.judge_again_at
    extra = {"again": due_item(format_datetime(again), str(ref), str(ref))["sk"]} if again else {}
    write = Write(JsonText(write_json(entry)), entry["last_updated"], extra=extra)
    partition = partition_of(Party(ref.country_code, ref.party_id), verdict.state)
    is_new_there = before is None or before.partition != partition
    calls = 0

    def decide(current: Stored | None) -> Write:
        nonlocal calls
        calls += 1
        if (current.version if current else 0) != (before.version if before else 0):
            raise Conflict("another run wrote the entry")
        return write

    root = counters.root_key(partition)
    with this.writing:
        if is_new_there and root not in this.roots:
            this.roots |= node.table.get_many([root]) or {root: {"next": 0}}
        items = Snapshot({**({ref.key: known} if known else {}), **this.roots}, [ref.key, *this.roots])
        following = this.roots.pop(root, None)
        written = node.objects.change(ref, decide, items, partition=partition, source="").after
        if following is not None and calls == 1:
            this.roots[root] = {"next": counters.next_number(following) + is_new_there}
    assert written is not None
    return written


def _entry(ref: Ref, verdict: Verdict) -> Document:
    return {
        **_session_of(ref),
        "state": str(verdict.state),
        "own_cdr_id": verdict.ours.id if verdict.ours else None,
        "hub_cdr_id": verdict.theirs.id if verdict.theirs else None,
        "differences": [vars(each) for each in verdict.comparison.differences],
        "not_judged": list(verdict.comparison.not_judged),
        "since": format_datetime(verdict.since),
    }


def _not_compared(ref: Ref, since: str, at: str) -> Document:
    return {
        **_session_of(ref),
        "state": str(ReconciliationState.NOT_COMPARED),
        "reason": "something went wrong here; the log has more",
        "own_cdr_id": None,
        "hub_cdr_id": None,
        "differences": [],
        "not_judged": [],
        "since": since,
        "last_updated": at,
    }


def _session_of(ref: Ref) -> Document:
    return {
        "country_code": ref.country_code,
        "party_id": ref.party_id,
        "session_id": None if ref.variant == WITHOUT_SESSION else ref.id,
    }


# -- the webhooks ------------------------------------------------------------------------------------


def _notify_webhooks(node: Node, this: _Run, ref: Ref, entry: Stored, before: Item | None) -> datetime | None:
    """Notify the webhooks of a state that needs attention, and of its end.

    before: record of the last notification. Returns the time of the next attempt; None when all is done.
    """
    state = ReconciliationState(read_json(str(entry.body))["state"])
    if state not in NEEDS_ATTENTION and before is None:
        return None
    message_id = f"reconciliation-{hashlib.sha256(str(entry.body).encode()).hexdigest()[:32]}"
    notified = set(before["webhooks"]) if before is not None and before["message"] == message_id else set()
    waiting = [webhook for webhook in this.webhooks if webhook.name not in notified]
    if not waiting:
        return None
    data: Document = read_json(str(entry.body))
    reached = {each.name for each in waiting if _notify_one(node, this, each, message_id, data)}
    if reached:
        names = sorted(notified | reached)
        node.table.put({"pk": ref.key.pk, "sk": NOTIFIED, "message": message_id, "webhooks": names})
    is_given_up = node.clock() - parse_datetime(data["last_updated"]) >= NOTIFY_FOR
    return None if len(reached) == len(waiting) or is_given_up else node.clock() + RETRY


def _notify_one(node: Node, this: _Run, webhook: Webhook, message_id: str, data: Document) -> bool:
    if webhook.name in this.failing or node.clock() >= this.deadline:
        return False
    try:
        notify(node, webhook, RECONCILIATION, message_id, data, total_s=_WEBHOOK_S)
    except WebhookFailed as failure:
        this.failing.add(webhook.name)
        log.warning(
            "a webhook did not accept a reconciliation event, trying again later",
            extra={"webhook": webhook.name, "reason": str(failure)},
        )
        return False
    return True
