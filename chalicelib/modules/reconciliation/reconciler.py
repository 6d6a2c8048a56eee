"""Reconciliation: compares each CDR that a hub made of our session with our own CDR of it, at a CPO.

*Trigger.* The first CDR of a session has nothing to be compared with, and if both are written at the same
time, each writer may miss the other CDR. So neither the receiver nor the compiler compares. Both CDRs pass
the table's stream, which delivers each record at least once. The stream notes each CDR beside the entry of
its session, then makes the entry due (`noted_cdrs.py`). The timer (`run`) takes due entries, reads all noted
CDRs of the session and the uncredited CDRs, and writes one verdict. A CDR is noted before its entry is due,
so the second CDR is always compared with the first.

*Entry.* The result for a session (`entries.py`). It is written only if no other write interfered (otherwise
it stays due), and only if it changed (`entry_writer.py`).

*CDR without session.* A CDR of the hub may omit `session_id`. It has an entry of its own until it is matched
with its session (`matching.py`).

*Missing CDR.* While one side has no CDR, the entry is PENDING. It is due again when the longest wait ends,
and becomes MISSING_AT_HUB or MISSING_HERE.

*Webhooks.* They are notified of each state that needs attention, and of the end of such a state
(`notifications.py`). An entry stays due until all of them were notified.

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

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from chalicelib.errors import ServerError
from chalicelib.log import log
from chalicelib.modules.reconciliation.entries import decide_entry, not_compared, partition_of, state_of
from chalicelib.modules.reconciliation.entry_writer import EntryWriter
from chalicelib.modules.reconciliation.matching import match_hub_cdrs, move_to_session
from chalicelib.modules.reconciliation.noted_cdrs import (
    DUE,
    NOTED,
    NOTIFIED,
    WITHOUT_SESSION,
    due_entry_item,
)
from chalicelib.modules.reconciliation.notifications import RETRY, Notifier
from chalicelib.modules.reconciliation.verdicts import (
    CORRECTION_TIME,
    NotedCdr,
    ReconciliationState,
    Verdict,
    judge,
    uncredited,
)
from chalicelib.policy.cdr_makers import hub_makes_cdr
from chalicelib.protocol.json_text import Document, read_json
from chalicelib.protocol.message import Party
from chalicelib.protocol.types import format_datetime, parse_datetime, sort_key
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import Stored, Write, stored_object
from chalicelib.storage.operations import key_of
from chalicelib.storage.table import Item, Key, is_temporary

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner
    from chalicelib.storage.objects import ObjectStore
    from chalicelib.storage.table import Table

BUDGET = timedelta(seconds=30)
"""A run begins no session and calls no webhook after this time. The compiler uses the function first."""

COMPARE_FOR = timedelta(days=1)
"""A session whose comparison fails because of a bug is retried for this time."""

_MATCH_DELAY = timedelta(minutes=1)
_PER_PAGE = 100
_THREADS = 8


@dataclass(frozen=True)
class _Run:
    """Data that all sessions of one run share. deadline: no session is begun after it."""

    deadline: datetime
    expects_hub: bool
    writer: EntryWriter
    notifier: Notifier


@dataclass
class _DueEntry:
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


@dataclass(frozen=True)
class _Read:
    """All items of an entry, by sk."""

    ref: Ref
    items: dict[str, Item]

    @property
    def entry(self) -> Item | None:
        return self.items.get(self.ref.key.sk)

    @property
    def noted_cdrs(self) -> list[NotedCdr]:
        return [_noted_cdr(item) for sk, item in self.items.items() if sk.startswith(NOTED)]

    @property
    def waited_for(self) -> list[Key]:
        """Keys of the due items that the entry waited for."""
        return [Key(DUE, self.entry["again"])] if self.entry and "again" in self.entry else []

    def noted_item(self, noted: NotedCdr) -> Item:
        """Item of a noted CDR."""
        return self.items[NOTED + Ref.parse(noted.ref).key.pk]


@dataclass(frozen=True)
class _Search:
    """Decision to search for the hub's CDR without session that belongs to our CDR.

    is_final: this is the last search. can_wait: a matched CDR may be judged later, before it counts as
    missing.
    """

    own: NotedCdr
    is_final: bool
    can_wait: bool


def run(node: Node) -> None:
    """Compare the CDRs of due entries until the time budget is used up."""
    if not node.settings.plays("CPO"):
        return
    deadline, due = node.clock() + BUDGET, _read_due(node.table, node.clock())
    this: _Run | None = None
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="reconcile") as pool:
        while node.clock() < deadline and (page := list(islice(due, _PER_PAGE))):
            this = this or _begin(node, deadline)
            entries = _group(page)
            list(pool.map(partial(_reconcile, node, this), entries))
            _write_due(node.table, entries)


def _read_due(table: Table, now: datetime) -> Iterator[Item]:
    end = f"{sort_key(format_datetime(now))}$"  # `$` follows on `#`
    return table.query_all("#pk = :pk AND #sk < :end", {"pk": DUE, "end": end})


def _begin(node: Node, deadline: datetime) -> _Run:
    writer, notifier = EntryWriter(node.table, node.objects), Notifier(node, deadline)
    return _Run(deadline, _expects_hub(node.directory.all()), writer, notifier)


def _expects_hub(partners: Sequence[Partner]) -> bool:
    return any(partner.is_registered and partner.is_hub and hub_makes_cdr(partner) for partner in partners)


def _group(page: Sequence[Item]) -> list[_DueEntry]:
    entries: dict[str, _DueEntry] = {}
    for item in page:
        entries.setdefault(item["entry"], _DueEntry(item["entry"])).due.append(item)
    return list(entries.values())


def _write_due(table: Table, entries: Sequence[_DueEntry]) -> None:
    """Write the items that make entries due again, and delete those that are done."""
    later = [item for entry in entries for item in entry.later]
    done = {key for entry in entries for key in entry.done} - {key_of(item) for item in later}
    try:
        table.write_many(later, delete=done)
    except ServerError:
        log.warning("failed to write due reconciliation items, trying again in the next run", exc_info=True)


def _reconcile(node: Node, this: _Run, due: _DueEntry) -> None:
    """Judge a session and set in it which due items to write and to delete."""
    if node.clock() >= this.deadline:
        return
    ref = Ref.parse(due.entry)
    try:
        again, obsolete = _judge_session(node, this, ref)
        item = due_entry_item(format_datetime(again), due.entry, due.entry) if again else None
    except Exception as error:
        if is_temporary(error):
            log.warning(
                "failed to compare the CDRs of a session, trying again in the next run",
                exc_info=True,
                extra={"ref": due.entry},
            )
            return
        log.exception("failed to compare the CDRs of a session", extra={"ref": due.entry})
        now = node.clock()
        since, obsolete = due.failing or format_datetime(now), []
        _write_not_compared(node.objects, ref, not_compared(ref, since, now))
        item = _retry_item(due.entry, since, now)
    due.later = [item] if item else []
    due.done = {*map(key_of, due.due), *obsolete}


def _write_not_compared(objects: ObjectStore, ref: Ref, write: Write) -> None:
    def decide(current: Stored | None) -> Write | None:
        is_shown = current is not None and state_of(current) == ReconciliationState.NOT_COMPARED
        return None if is_shown else write

    partition = partition_of(Party(ref.country_code, ref.party_id), ReconciliationState.NOT_COMPARED)
    try:
        objects.change(ref, decide, partition=partition, source="")
    except Exception:
        log.exception("failed to write the NOT_COMPARED entry of a session", extra={"ref": str(ref)})


def _retry_item(entry: str, since: str, now: datetime) -> Item | None:
    """Item that makes an entry due again after a bug; None after the last retry."""
    if now - parse_datetime(since) >= COMPARE_FOR:
        return None
    return {**due_entry_item(format_datetime(now + RETRY), entry, entry), "failing": since}


def _judge_session(node: Node, this: _Run, ref: Ref) -> tuple[datetime | None, list[Key]]:
    """Write the verdict of a session and notify the webhooks.

    Returns the time when the entry is due again (None: never), and the keys of obsolete due items.
    """
    found = _read(node.table, ref)
    if ref.variant == WITHOUT_SESSION and move_to_session(node, ref, found.items):
        return None, found.waited_for
    noted_cdrs = found.noted_cdrs
    if not noted_cdrs or not (this.expects_hub or any(not noted.is_ours for noted in noted_cdrs)):
        return None, []  # No hub makes CDRs.
    documents = _read_both(node.objects, noted_cdrs)
    now, longest = node.clock(), node.settings.hub_cdr_time
    verdict = judge(noted_cdrs, documents, now, _max_wait(ref, longest), node.settings.tolerance)
    search = _decide_search(verdict, now, longest)
    if search is not None:
        is_matched = match_hub_cdrs(node, found.noted_item(search.own), search.is_final)
        if is_matched and search.can_wait:
            return now + _MATCH_DELAY, found.waited_for
    entry = _write_entry(this.writer, found, verdict, node.clock())
    again = verdict.judge_again_at or this.notifier.notify(entry, found.items.get(NOTIFIED))
    return again, found.waited_for


def _read(table: Table, ref: Ref) -> _Read:
    return _Read(ref, {item["sk"]: item for item in table.query_all("#pk = :pk", {"pk": ref.key.pk})})


def _noted_cdr(item: Item) -> NotedCdr:
    cdr, at = item["cdr"], parse_datetime(item["at"])
    return NotedCdr(cdr, Ref.parse(cdr).id, bool(item["ours"]), at, item.get("credits"))


def _read_both(objects: ObjectStore, noted_cdrs: Sequence[NotedCdr]) -> dict[str, Document]:
    """Read the two CDRs to compare, by ref; empty when one side has none."""
    sides = [uncredited(noted_cdrs, is_ours) for is_ours in (True, False)]
    refs = [Ref.parse(side[-1].ref) for side in sides] if all(sides) else []
    return {str(cdr): read_json(str(stored.body)) for cdr, stored in objects.get_many(refs).items()}


def _max_wait(ref: Ref, longest: timedelta) -> timedelta:
    """Longest wait for the other side; longer without session, so that the session searches for it first."""
    return longest + CORRECTION_TIME if ref.variant == WITHOUT_SESSION else longest


def _decide_search(verdict: Verdict, now: datetime, longest: timedelta) -> _Search | None:
    """Decide whether to search for the hub's CDR: only ours is there."""
    if verdict.ours is None or verdict.theirs is not None:
        return None
    is_final = verdict.judge_again_at is None
    return _Search(verdict.ours, is_final, is_final and now < verdict.since + longest + CORRECTION_TIME)


def _write_entry(writer: EntryWriter, found: _Read, verdict: Verdict, now: datetime) -> Stored:
    """Write the entry if it changed.

    Raises: Conflict when another run wrote the entry since it was read.
    """
    before = stored_object(found.entry) if found.entry else None
    change = decide_entry(found.ref, before, verdict, now)
    if change is None:
        assert before is not None
        return before
    return writer.write(found.ref, found.entry, change)
