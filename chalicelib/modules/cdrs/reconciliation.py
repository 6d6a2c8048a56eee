"""Reconciliation: a CPO under a hub that makes the CDRs compares each with the one that it made itself.

*Where.* Neither the receiver of the hub's CDR nor the compiler of ours compares: whoever is first has nothing
to compare with, and when both write at once, each may miss the other's. Both CDRs pass the table's stream,
which tells each at least once, after it was written. So the stream notes them (`marks.py`): a small mark
beside the session's entry, then that the session is due. The timer (`run`) takes what is due, reads all marks
of the session and the CDRs that stand, and writes one verdict. The mark is there before the session is due,
so whichever CDR comes second is compared with the first; two at once are one comparison.

*The entry* stands in the list of its state, so it is listed, counted and paged like all objects. It is
written only if nothing came between (otherwise the session stays due) and only when it says something new.

*What names no session.* A CDR of the hub may leave it out. It has an entry of its own, and goes to that of
its session when it is found (`unnamed.py`).

*What never comes.* While one side's CDR is not there, the entry is PENDING and due again when patience ends;
then it is MISSING_AT_HUB or MISSING_HERE.

*Telling.* A session stays due until every webhook for it was told of what needs a look, and of what does no
more; a webhook that fails is not called again in this run, and the session is put off.

*Failing.* A session that AWS fails us with stays due. One that fails by our own fault is NOT_COMPARED, where
the operator sees it, and is tried again for a day, or when it gets another CDR.

*Work* is bounded by time. Sessions are judged side by side and their entries written one after the other,
since each takes its list's next number. What is due is written for a hundred sessions at once: one that was
judged and is still due is judged again, which changes nothing. Calls for a session: 1 to read what there is,
1 for two CDRs or to look for one that names no session, 1 for a new verdict, 1 when it is told. A run reads
the partners and the webhooks once.

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
from typing import TYPE_CHECKING, Any

from chalicelib.errors import ServerError
from chalicelib.log import log
from chalicelib.modules.cdrs import unnamed
from chalicelib.modules.cdrs.marks import DUE, MARK, MODULE, TOLD, WITHOUT_SESSION, due_item
from chalicelib.modules.cdrs.verdicts import (
    CORRECTION_TIME,
    NEEDS_A_LOOK,
    Mark,
    State,
    Verdict,
    judge,
    standing,
)
from chalicelib.partners.cdr_makers import hub_makes_cdr
from chalicelib.partners.webhooks import RECONCILIATION, Webhook, WebhookFailed, notify, read_webhooks
from chalicelib.protocol.json_text import JsonText, read_json, write_json
from chalicelib.protocol.message import Party
from chalicelib.protocol.types import format_datetime, parse_datetime, sort_key
from chalicelib.storage import counters
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import Stored, Write, stored_object
from chalicelib.storage.operations import key_of
from chalicelib.storage.table import Conflict, Item, Key, Senseless, Snapshot

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner

BUDGET = timedelta(seconds=30)
"""No session is begun and no webhook called later in a run; the compiler has run before."""

RETRY = timedelta(minutes=5)
TELL_FOR = timedelta(days=1)
"""So long a webhook that fails is tried again; the entry stands in the list all the same."""
TRY_FOR = timedelta(days=1)
"""So long a session that cannot be compared, by our own fault, is tried again."""

_ON_ITS_WAY = timedelta(minutes=1)
_PER_PAGE = 100
_AT_ONCE = 8
_WEBHOOK_S = 5.0

Document = dict[str, Any]


def partition_of(owner: Party, state: State) -> str:
    """The list of one CPO's sessions in one state."""
    return f"{MODULE}#{owner.key()}#{state}"


def show(entry: str, now: datetime) -> Document:
    """An entry as the operator sees it: how old it is, too, unless all is well."""
    told: Document = read_json(entry)
    if told["state"] == State.AGREED:
        return told
    return {**told, "age_s": max(int((now - parse_datetime(told["since"])).total_seconds()), 0)}


# -- the timer ---------------------------------------------------------------------------------------


@dataclass
class _Run:
    """What the sessions of one run have in common.

    failing: webhooks that are not called again. roots: of the lists, as they are after our last write.
    writing: held by who writes an entry.
    """

    ends: datetime
    expects_hub: bool
    webhooks: Sequence[Webhook]
    failing: set[str] = field(default_factory=set)
    roots: dict[Key, Item] = field(default_factory=dict)
    writing: Lock = field(default_factory=Lock)


@dataclass
class _Session:
    """A session that is due. failing: since when it fails by our own fault. later: when it is due again.

    done: what of it was due and is no more.
    """

    entry: str
    due: list[Item] = field(default_factory=list)
    later: list[Item] = field(default_factory=list)
    done: set[Key] = field(default_factory=set)

    @property
    def failing(self) -> str | None:
        return min((item["failing"] for item in self.due if "failing" in item), default=None)


def run(node: Node) -> None:
    """Compare the CDRs of the sessions that are due, as many as there is time for."""
    if not node.settings.plays("CPO"):
        return
    ends, due = node.clock() + BUDGET, _due(node)
    this: _Run | None = None
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="reconcile") as pool:
        while node.clock() < ends and (page := list(islice(due, _PER_PAGE))):
            this = this or _begin(node, ends)
            sessions = _group(page)
            list(pool.map(partial(_reconcile, node, this), sessions))
            _settle(node, sessions)


def _due(node: Node) -> Iterator[Item]:
    end = f"{sort_key(format_datetime(node.clock()))}$"  # `$` follows on `#`
    return node.table.query_all("#pk = :pk AND #sk < :end", {"pk": DUE, "end": end})


def _begin(node: Node, ends: datetime) -> _Run:
    wanted = [known for known in read_webhooks(node.table) if RECONCILIATION in known.events]
    return _Run(ends, _expects_hub(node.directory.all()), wanted)


def _expects_hub(partners: Sequence[Partner]) -> bool:
    return any(partner.is_registered and partner.is_hub and hub_makes_cdr(partner) for partner in partners)


def _group(page: Sequence[Item]) -> list[_Session]:
    sessions: dict[str, _Session] = {}
    for item in page:
        sessions.setdefault(item["entry"], _Session(item["entry"])).due.append(item)
    return list(sessions.values())


def _settle(node: Node, sessions: Sequence[_Session]) -> None:
    """Write when sessions are due again, and what is due no more."""
    later = [item for session in sessions for item in session.later]
    done = {key for session in sessions for key in session.done} - {key_of(item) for item in later}
    try:
        node.table.write_many(later, delete=done)
    except ServerError:
        log.warning("what is due could not be written now", exc_info=True)


def _reconcile(node: Node, this: _Run, session: _Session) -> None:
    """Judge a session, and note in it what becomes of it."""
    if node.clock() >= this.ends:
        return
    try:
        again, obsolete = _judge_session(node, this, Ref.parse(session.entry))
        item = due_item(format_datetime(again), session.entry, session.entry) if again else None
    except Exception as error:
        if isinstance(error, (ServerError, Conflict)) and not isinstance(error, Senseless):
            log.warning("CDRs could not be compared now", exc_info=True, extra={"ref": session.entry})
            return
        log.exception("a session's CDRs cannot be compared", extra={"ref": session.entry})
        item, obsolete = _fail(node, session), []
    session.later = [item] if item else []
    session.done = {*map(key_of, session.due), *obsolete}


def _fail(node: Node, session: _Session) -> Item | None:
    """Show that a session cannot be compared. Returns what makes it due again, None when it is given up."""
    now = node.clock()
    since = session.failing or format_datetime(now)
    ref = Ref.parse(session.entry)
    shown = _not_compared(ref, since, format_datetime(now))
    write = Write(JsonText(write_json(shown)), shown["last_updated"])

    def decide(current: Stored | None) -> Write | None:
        is_shown = current is not None and read_json(str(current.body))["state"] == State.NOT_COMPARED
        return None if is_shown else write

    partition = partition_of(Party(ref.country_code, ref.party_id), State.NOT_COMPARED)
    try:
        node.objects.change(ref, decide, partition=partition, source="")
    except Exception:
        log.exception("it could not be shown either", extra={"ref": session.entry})
    if now - parse_datetime(since) >= TRY_FOR:
        return None
    return {**due_item(format_datetime(now + RETRY), session.entry, session.entry), "failing": since}


def _judge_session(node: Node, this: _Run, ref: Ref) -> tuple[datetime | None, list[Key]]:
    """Write the verdict and tell it.

    Returns when the session is due again, None for not at all, and what was due later and is no more.
    """
    found = {item["sk"]: item for item in node.table.query_all("#pk = :pk", {"pk": ref.key.pk})}
    known = found.get(ref.key.sk)
    waited_for = [Key(DUE, known["again"])] if known and "again" in known else []
    if ref.variant == WITHOUT_SESSION and unnamed.follow(node, ref, found):
        return None, waited_for
    marks = [_read_mark(item) for sk, item in found.items() if sk.startswith(MARK)]
    theirs = [mark for mark in marks if not mark.is_ours]
    if not marks or not (theirs or this.expects_hub):
        return None, []  # Nobody else makes a CDR of it.
    settings = node.settings
    cdrs = _read_both(node, marks)
    # What names no session waits longer, so that its session looks for it first.
    patience = settings.hub_cdr_time + (CORRECTION_TIME if ref.variant == WITHOUT_SESSION else timedelta())
    verdict = judge(marks, cdrs, node.clock(), patience, settings.tolerance)
    if verdict.ours is not None and verdict.theirs is None:
        own, is_final = found[MARK + Ref.parse(verdict.ours.ref).key.pk], verdict.look_again is None
        if unnamed.claim(node, own, is_final) and is_final and _has_time(node, verdict):
            return node.clock() + _ON_ITS_WAY, waited_for
    entry = _write(node, this, ref, known, verdict)
    if verdict.look_again is not None:
        return verdict.look_again, waited_for
    return _tell(node, this, ref, entry, found.get(TOLD)), waited_for


def _has_time(node: Node, verdict: Verdict) -> bool:
    """Whether a CDR of the hub that was found for it is waited for, before it is called missing."""
    return node.clock() < verdict.since + node.settings.hub_cdr_time + CORRECTION_TIME


def _read_both(node: Node, marks: Sequence[Mark]) -> dict[str, Document]:
    """The CDRs that are to be compared, by ref; none when one side has none."""
    sides = [standing(marks, is_ours) for is_ours in (True, False)]
    refs = [Ref.parse(side[-1].ref) for side in sides] if all(sides) else []
    return {str(cdr): read_json(str(stored.body)) for cdr, stored in node.objects.get_many(refs).items()}


def _read_mark(item: Item) -> Mark:
    cdr = item["cdr"]
    return Mark(cdr, Ref.parse(cdr).id, bool(item["ours"]), parse_datetime(item["at"]), item.get("credits"))


def _write(node: Node, this: _Run, ref: Ref, known: Item | None, verdict: Verdict) -> Stored:
    """Write the entry, if it says something new.

    Raises: Conflict when another run was here since it was read.
    """
    before = stored_object(known) if known else None
    told = _entry(ref, verdict)
    if before is not None:
        said = read_json(str(before.body))
        if {**told, "last_updated": said["last_updated"]} == said:
            return before
    told["last_updated"] = format_datetime(node.clock())
    again = verdict.look_again
    extra = {"again": due_item(format_datetime(again), str(ref), str(ref))["sk"]} if again else {}
    write = Write(JsonText(write_json(told)), told["last_updated"], extra=extra)
    partition = partition_of(Party(ref.country_code, ref.party_id), verdict.state)
    is_new_there = before is None or before.partition != partition
    tries = 0

    def decide(current: Stored | None) -> Write:
        nonlocal tries
        tries += 1
        if (current.version if current else 0) != (before.version if before else 0):
            raise Conflict("another run was here")
        return write

    root = counters.root_key(partition)
    with this.writing:
        if is_new_there and root not in this.roots:
            this.roots |= node.table.get_many([root]) or {root: {"next": 0}}
        items = Snapshot({**({ref.key: known} if known else {}), **this.roots}, [ref.key, *this.roots])
        following = this.roots.pop(root, None)
        written = node.objects.change(ref, decide, items, partition=partition, source="").after
        if following is not None and tries == 1:
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
        "state": str(State.NOT_COMPARED),
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


def _tell(node: Node, this: _Run, ref: Ref, entry: Stored, told: Item | None) -> datetime | None:
    """Tell the webhooks what needs a look, or does no more. Returns when to try again."""
    state = State(read_json(str(entry.body))["state"])
    if state not in NEEDS_A_LOOK and told is None:
        return None
    message_id = f"reconciliation-{hashlib.sha256(str(entry.body).encode()).hexdigest()[:32]}"
    knowing = set(told["webhooks"]) if told is not None and told["message"] == message_id else set()
    waiting = [webhook for webhook in this.webhooks if webhook.name not in knowing]
    if not waiting:
        return None
    data: Document = read_json(str(entry.body))
    reached = {each.name for each in waiting if _reaches(node, this, each, message_id, data)}
    if reached:
        names = sorted(knowing | reached)
        node.table.put({"pk": ref.key.pk, "sk": TOLD, "message": message_id, "webhooks": names})
    is_over = node.clock() - parse_datetime(data["last_updated"]) >= TELL_FOR
    return None if len(reached) == len(waiting) or is_over else node.clock() + RETRY


def _reaches(node: Node, this: _Run, webhook: Webhook, message_id: str, data: Document) -> bool:
    if webhook.name in this.failing or node.clock() >= this.ends:
        return False
    try:
        notify(node, webhook, RECONCILIATION, message_id, data, total_s=_WEBHOOK_S)
    except WebhookFailed as failure:
        this.failing.add(webhook.name)
        log.warning("a webhook did not answer", extra={"webhook": webhook.name, "reason": str(failure)})
        return False
    return True
