"""Scheduled compiler: makes the CDRs of the due sessions, every minute.

*Exactly once.* Each session gets each CDR once, even if a compiler is killed at any point or two run at the
same time. One transaction writes the CDRs of a session and deletes the due session. Its condition is that
the session is still due in the version that was read, so the slower of two compilers writes nothing. There is
no other state. The ids of a session's first, second and further CDRs follow from the session and a secret key
of this node (`rules.cdr_id`), so the compiler finds them by reading these ids. Each CDR is stored with the
version of the session that it was made from.

*Corrections.* A session that is corrected after its CDR gets a credit CDR for the latest CDR, then a new CDR.
A session that became INVALID gets the credit CDR only. If the new CDR would be equal to the old one, nothing
is written. A credit CDR goes to the partition of the CDR that it credits, even if the new CDR goes to another
partner.

*Viewers.* At a hub both the eMSP and the CPO see a CDR, so it is stored twice, once in the partition of each;
this is safe because a CDR never changes. At a CPO the viewer of the session sees its CDR. If that viewer is a
hub that makes the CDRs itself, only the operator sees it.

*Time budget.* A run begins no session after its budget, so that the function ends before its timeout; the
remaining sessions are due in the next minute. Sessions are read and priced in parallel and written one after
the other (`cdr_writer.py`), in two calls each. A session that fails because of AWS stays due. A session that
has no price, or fails because of a bug, is set aside. So is one that takes too much work to price
(`pricing/work_limits.py`), or whose attempts never finish (`attempts.py`).

Source: docs/design.md, A CDR; OCPI 2.2.1 mod_cdrs_credit_cdrs; CDR-07, CDR-11, CDR-13, CDR-22, TRP-30
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib import metrics
from chalicelib.errors import InvalidParameters, NotEnoughInformation, ServerError
from chalicelib.log import log, log_fields
from chalicelib.modules.cdrs.assembly import CdrDraft, draft_cdr, remark_on_session_cost, with_fewer_periods
from chalicelib.modules.cdrs.attempts import ATTEMPT_TIME_LIMIT, begin_attempt, count_attempt, is_suspect
from chalicelib.modules.cdrs.breakdowns import pack_reasons
from chalicelib.modules.cdrs.cdr_writer import Ledger
from chalicelib.modules.cdrs.due_sessions import (
    clear_due,
    due_key,
    makes_cdrs_of,
    read_due_sessions,
    set_aside,
    set_aside_key,
)
from chalicelib.modules.cdrs.objects import Cdr
from chalicelib.modules.cdrs.rules import cdr_id, has_same_content, keyless_cdr_id
from chalicelib.modules.cdrs.start_snapshots import (
    complete_snapshot,
    preferences_key,
    read_profile,
    read_start_snapshot,
    start_snapshot_key,
)
from chalicelib.modules.sessions.objects import COMPLETED
from chalicelib.policy.cdr_makers import hub_makes_cdr
from chalicelib.policy.session_viewers import emsp_of
from chalicelib.policy.time_prices import prices_by_the_minute
from chalicelib.policy.visibility import Viewer, partition_for_viewer, viewer_of
from chalicelib.pricing.credit import credit_cdr
from chalicelib.pricing.plausibility import Implausible
from chalicelib.pricing.work_limits import OutOfTime, Work
from chalicelib.protocol.json_text import Document, JsonText, read_json, write_json
from chalicelib.protocol.message import Party
from chalicelib.protocol.types import format_datetime, validate
from chalicelib.storage.items import LARGEST_ITEM
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import New, Stored, Write, stored_object
from chalicelib.storage.retry import attempts, draw_lot
from chalicelib.storage.table import Conflict, Item, Senseless, Snapshot

if TYPE_CHECKING:
    from datetime import datetime

    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner

MODULE = "cdrs"
OF_CPO = "CPO"
"""Variant of the copy of a hub's CDR, in the partition of the CPO."""

BUDGET = timedelta(seconds=45)
"""A run begins no session after this time."""

_LARGEST_CDR = LARGEST_ITEM - 8 * 1024
"""Most bytes of a CDR with its price explanation; the other 8 KB are for the item's other attributes."""

_THREADS = 4
_PER_PAGE = 1000


@dataclass(frozen=True)
class Lists:
    """Partitions of a session's new CDR.

    maker: key of the party that makes it. of_cpo: partition of the copy for the CPO; None without a copy.
    """

    maker: str
    partition: str
    of_cpo: str | None


@dataclass(frozen=True)
class Run:
    """Data that all sessions of one run share. deadline: no session is begun after it."""

    node: Node
    partners: Sequence[Partner]
    ledger: Ledger
    deadline: datetime


class _Outcome(Enum):
    """Result of an attempt for a due session. FAILED: the session is still due."""

    DONE = auto()
    SET_ASIDE = auto()
    FAILED = auto()


def run(node: Node) -> None:
    """Make the CDRs of due sessions until the time budget is used up."""
    deadline = node.clock() + BUDGET
    due = read_due_sessions(node)
    this: Run | None = None
    outcomes: Counter[_Outcome | None] = Counter()
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="cdr") as pool:
        while node.clock() < deadline and (page := list(islice(due, _PER_PAGE))):
            this = this or Run(node, node.directory.all(), Ledger(node), deadline)
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


def _compile(this: Run, due: Item) -> _Outcome | None:
    """Attempt one due session. Returns None when the time is up or another compiler was faster."""
    if this.node.clock() >= this.deadline:
        return None
    with log_fields(ocpi_module=MODULE, ref=due["ref"]):
        try:
            for number, _ in enumerate(attempts()):
                try:
                    return _compile_session(this, due, is_first=number == 0)
                except Conflict:
                    continue
        except Exception:
            log.exception("failed to write the CDR of a session, trying again in the next run")
    return _Outcome.FAILED


def _compile_session(this: Run, read_due: Item, is_first: bool) -> _Outcome | None:
    """Write the missing CDRs of a session, or set it aside with the reason.

    read_due: the due session as the run read it. is_first: count this attempt; false in a repetition after a
    Conflict.
    Raises: Conflict when another write interfered; ServerError when AWS fails.
    """
    node, ref = this.node, Ref.parse(read_due["ref"])
    maker = _maker(node, ref)
    start, preferences = start_snapshot_key(ref.key), preferences_key(ref.key)
    aside, due_at = set_aside_key(ref.key), due_key(ref.key)
    first = [named.key for named in _refs(node, ref, maker, 1)]
    items = node.table.get_many([due_at, ref.key, start, preferences, aside, *first])
    due = items.get(due_at)
    if due is None:
        return None  # another compiler was faster
    session = stored_object(items[ref.key]) if ref.key in items else None
    if session is not None and session.version < due["v"]:
        raise Conflict("the session changed while it was read")
    counted = due
    try:
        counted = begin_attempt(node, due) if session and is_first else due
        made = _missing_cdrs(this, maker, session, items, bool(due.get("released"))) if session else []
        this.ledger.write(made, clear_due(due, was_set_aside=aside in items))
    except OutOfTime:
        log.warning("a session took too long to price")
        if counted is due:
            count_attempt(node, due)
        return _Outcome.FAILED
    except (InvalidParameters, NotEnoughInformation) as error:
        is_implausible = isinstance(error, Implausible)
        set_aside(node, due, error.detail, error.field, can_release=is_implausible)
        log.warning("a session has no price", extra={"field": error.field, "implausible": is_implausible})
        return _Outcome.SET_ASIDE
    except Exception as error:
        if isinstance(error, (ServerError, Conflict)) and not isinstance(error, Senseless):
            raise
        log.exception("failed to make the CDR of a session, setting it aside")
        set_aside(node, due, "something went wrong here; the log has more", None)
        return _Outcome.SET_ASIDE
    return _Outcome.DONE


def _missing_cdrs(this: Run, maker: str, session: Stored, items: Snapshot, is_released: bool) -> list[New]:
    """Make the CDRs of a session that are missing, and their copies.

    is_released: the operator wants a CDR although the quantities are impossible.
    Raises: InvalidParameters, NotEnoughInformation when the session has no price.
    """
    lists = _lists_of(this, maker, session)
    if lists is None:
        return []
    node = this.node
    number, latest, is_credited = _latest(node, session.ref, maker, items)
    if latest is not None and int(latest.extra["sv"]) >= session.version:
        return []
    credit = [] if latest is None or is_credited else _credit(node, latest, lists, session.version)
    document: Document = read_json(str(session.body))
    if document["status"] != COMPLETED:
        return credit
    start = complete_snapshot(
        node, session.ref, document, read_start_snapshot(items.get(start_snapshot_key(session.ref.key)))
    )
    per_minute = prices_by_the_minute(this.partners, session.source, session.partition)
    profile = read_profile(items.get(preferences_key(session.ref.key)))
    began = node.clock()
    work = Work(is_late=lambda: node.clock() > began + ATTEMPT_TIME_LIMIT)
    draft = draft_cdr(document, start, profile, per_minute, now=began, is_released=is_released, work=work)
    draft = remark_on_session_cost(_shrink_to_fit(draft), document, node.settings.tolerance)
    if credit and latest is not None and has_same_content(read_json(str(latest.body)), draft.cdr):
        return []
    cdr = {**draft.cdr, "id": _refs(node, session.ref, maker, number + 1)[0].id, **_now(node)}
    extra = {"sv": session.version, "why": _reasons(draft)}
    return [*credit, *_new(session.ref, cdr, lists.partition, lists.of_cpo, extra)]


# -- existing CDRs ----------------------------------------------------------------------------------


class _Latest(NamedTuple):
    """Latest CDR of a session, its number (1 for the first), and whether a credit CDR exists for it."""

    number: int = 0
    cdr: Stored | None = None
    is_credited: bool = False


def _latest(node: Node, session: Ref, maker: str, items: Snapshot) -> _Latest:
    """Find the latest CDR of a session by the ids of the first, second and further CDRs.

    items: an earlier read that includes the keys of the first CDR.
    Raises: InvalidParameters when a partner has sent a CDR under an id that is reserved for ours.
    """
    latest = _Latest()
    while True:
        following = _find(node, _refs(node, session, maker, latest.number + 1), items)
        if following is None:
            return latest
        credit = _credit_ref(following.ref)
        after = [ref.key for ref in _refs(node, session, maker, latest.number + 2)]
        items = node.table.get_many([credit.key, *after])
        latest = _Latest(latest.number + 1, following, _find(node, [credit], items) is not None)


def _find(node: Node, refs: Sequence[Ref], items: Snapshot) -> Stored | None:
    """Find our own CDR under one of these ids.

    Raises: InvalidParameters when a partner's CDR has the first id. Under the others it is ignored.
    """
    for ref in refs:
        found = node.objects.get(ref, items)
        if found is not None and not found.source:
            return found
        if found is not None and ref is refs[0]:
            raise InvalidParameters(f"a partner has sent a CDR of the id {ref.id}", field="id")
    return None


def _refs(node: Node, session: Ref, maker: str, number: int) -> list[Ref]:
    """Refs that CDR `number` of a session may have: with its current id, and with that of old releases."""
    pk = session.key.pk
    ids = cdr_id(node.directory.keyed_digest, maker, pk, number), keyless_cdr_id(maker, pk, number)
    return [_ref_of(session, own_id) for own_id in ids]


def _ref_of(session: Ref, own_id: str, variant: str = "") -> Ref:
    return Ref(MODULE, session.country_code, session.party_id, own_id, variant)


def _credit_ref(cdr: Ref) -> Ref:
    return cdr._replace(id=f"{cdr.id}-C")


def _maker(node: Node, session: Ref) -> str:
    """Key of the party that makes the CDR: our own CPO party for its sessions, the hub for all others."""
    owner = Party(session.country_code, session.party_id)
    is_own = any(own.role == "CPO" and own.party.same_as(owner) for own in node.settings.roles)
    maker = owner if is_own else node.settings.party_of("HUB")
    return (maker or owner).key()


def _lists_of(this: Run, maker: str, session: Stored) -> Lists | None:
    """Partitions for the CDRs of a session; None when another node makes them."""
    if not makes_cdrs_of(this.node, session.source):
        return None
    partners = this.partners
    owner = Party(session.ref.country_code, session.ref.party_id)
    if session.source:
        sender = next((partner for partner in partners if partner.id == session.source), None)
        if not hub_makes_cdr(sender):
            return None
        emsp = emsp_of(read_json(str(session.body))["cdr_token"])
        of_cpo = partition_for_viewer(MODULE, None, Viewer(owner, OF_CPO))
        return Lists(maker, partition_for_viewer(MODULE, None, emsp), of_cpo)
    partition = MODULE + session.partition[session.partition.index("#") :]
    if not _is_of_record(partners, partition):
        partition = partition_for_viewer(MODULE, owner, None)
    return Lists(maker, partition, None)


def _is_of_record(partners: Iterable[Partner], partition: str) -> bool:
    """Return whether an own CDR is the CDR of record: its viewer is no hub that makes the CDRs."""
    shown = [partner for partner in partners if viewer_of(partner, partition) is not None]
    if not shown:
        return not partition.endswith("#HUB")
    return not any(partner.is_hub and hub_makes_cdr(partner) for partner in shown)


def _shrink_to_fit(draft: CdrDraft) -> CdrDraft:
    """Join charging periods of a draft that is too large to store."""
    return with_fewer_periods(draft) if len(write_json(draft.cdr).encode()) > _LARGEST_CDR else draft


def _reasons(draft: CdrDraft) -> str:
    """Pack the price explanation; leave out its lines for periods if it would be too large to store."""
    packed, size = pack_reasons(draft.why), len(write_json(draft.cdr).encode())
    if size + len(packed) <= _LARGEST_CDR:
        return packed
    text = "the breakdown of the charging periods is left out: it is too large to be kept beside the CDR"
    warnings = [*draft.why["warnings"], {"code": "breakdown_cut", "field": "", "message": text}]
    breakdown = {**draft.why["breakdown"], "periods": []}
    return pack_reasons({**draft.why, "breakdown": breakdown, "warnings": warnings})


# -- new CDRs ---------------------------------------------------------------------------------------


def _new(
    session: Ref, document: Document, partition: str, of_cpo: str | None, extra: dict[str, Any]
) -> list[New]:
    """Build a new CDR, and its copy if `of_cpo` is given."""
    validate(Cdr, document)
    ref, body = _ref_of(session, document["id"]), JsonText(write_json(document))
    written = [New(ref, Write(body, document["last_updated"], partition, extra))]
    if of_cpo is not None:
        copy = Write(body, document["last_updated"], of_cpo)
        written.append(New(ref._replace(variant=OF_CPO), copy))
    return written


def _credit(node: Node, cdr: Stored, lists: Lists, version: int) -> list[New]:
    document = credit_cdr(read_json(str(cdr.body)), **_now(node))
    return _new(cdr.ref, document, cdr.partition, lists.of_cpo, {"sv": version})


def _now(node: Node) -> dict[str, str]:
    return {"last_updated": format_datetime(node.clock())}
