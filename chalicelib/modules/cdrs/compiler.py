"""The scheduled compiler: every minute the sessions that have ended become CDRs.

Each CDR is written once, although a compiler may be killed at any point and two may run together: all that
comes of a session is one transaction, and with it the session is no longer due. Its condition is that the
session is still due in the version that was read, so whoever is late writes nothing. There is no other
state. Which CDRs a session has is seen by reading their ids, the first, the second and so on, which follow
from the session and a key of this node (`rules.cdr_id`); which version of the session each is
of, it says itself.

*Corrections.* A session that was corrected after its CDR gets a credit CDR for the latest one, then a new
one; a session that has become INVALID the credit CDR only. Where the bill is the same, nothing. A credit CDR
stands where the CDR stands that it takes back, although the new one may be another partner's.

*Of record.* At a hub the CDR is for the eMSP and for the CPO, and stands twice: it never changes. At a CPO
it is for the session's viewer, or, if that is a hub that makes the CDRs, for nobody but the operator.

*Work* is bounded by time, so that the function ends before it must; what is left is due in a minute. Sessions
are read and priced side by side and written one after the other (`ledger.py`), in two calls each. A session
that fails by AWS's fault stays due; by ours, or for lack of a price, it is set aside. So is one that takes
too much work to price (`pricing/work.py`), or that is never finished (`tries.py`).

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
from chalicelib.modules.cdrs.billing import Bill, make_bill, remark_on_claim, with_fewer_periods
from chalicelib.modules.cdrs.ends import done, due_key, due_sessions, makes_cdrs_of, set_aside, set_aside_key
from chalicelib.modules.cdrs.ledger import Ledger
from chalicelib.modules.cdrs.objects import Cdr
from chalicelib.modules.cdrs.reasons import pack_reasons
from chalicelib.modules.cdrs.rules import cdr_id, former_cdr_id, is_same_bill
from chalicelib.modules.cdrs.starts import completed, preferences_key, read_profile, read_start, start_key
from chalicelib.modules.cdrs.tries import LONGEST_TRY, begin_try, count_try, is_suspect
from chalicelib.modules.sessions.objects import COMPLETED
from chalicelib.partners.cdr_makers import hub_makes_cdr
from chalicelib.partners.time_prices import prices_by_the_minute
from chalicelib.partners.token_owners import emsp_of
from chalicelib.partners.visibility import Viewer, partition_for_viewer, viewer_of
from chalicelib.pricing.credit import credit_cdr
from chalicelib.pricing.plausibility import Implausible
from chalicelib.pricing.work import OutOfTime, Work
from chalicelib.protocol.json_text import JsonText, read_json, write_json
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
"""The variant of a hub's CDR that stands in its CPO's list."""

BUDGET = timedelta(seconds=45)
"""No session is begun later in a run."""

_LARGEST_CDR = LARGEST_ITEM - 8 * 1024
"""A CDR with its reasons; the rest is for the item's other attributes."""

_AT_ONCE = 4
_PER_PAGE = 1000

Document = dict[str, Any]


@dataclass(frozen=True)
class Lists:
    """Where a session's new CDR stands. of_cpo: the list of its copy for the CPO, None when there is none."""

    maker: str
    partition: str
    of_cpo: str | None


@dataclass(frozen=True)
class Run:
    """What the sessions of one run have in common."""

    node: Node
    partners: Sequence[Partner]
    ledger: Ledger
    ends: datetime


class _End(Enum):
    """How it ended for a session that was due. FAILED: it is still due."""

    DONE = auto()
    SET_ASIDE = auto()
    FAILED = auto()


def run(node: Node) -> None:
    """Make the CDRs that are due, as many as there is time for."""
    ends = node.clock() + BUDGET
    due = due_sessions(node)
    this: Run | None = None
    ended: Counter[_End | None] = Counter()
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="cdr") as pool:
        while node.clock() < ends and (page := list(islice(due, _PER_PAGE))):
            this = this or Run(node, node.directory.all(), Ledger(node), ends)
            # Two compilers begin at different sessions, or one of them would work for nothing.
            start = int(draw_lot(), 16) % len(page)
            page = [*page[start:], *page[:start]]
            compile_one = partial(_compile, this)
            ended.update(pool.map(compile_one, [due for due in page if not is_suspect(due)]))
            # What may stop this function comes last, and alone.
            ended.update(map(compile_one, filter(is_suspect, page)))
    if number := ended.total() - ended[None]:
        numbers = number, ended[_End.SET_ASIDE], ended[_End.FAILED]
        log.info("CDRs were due", extra=metrics.cdrs_compiled(node.settings.table, *numbers))


def _compile(this: Run, due: Item) -> _End | None:
    """Returns None when there was no time for it, or another compiler was quicker."""
    if this.node.clock() >= this.ends:
        return None
    with log_fields(ocpi_module=MODULE, ref=due["ref"]):
        try:
            for number, _ in enumerate(attempts()):
                try:
                    return _compile_session(this, due, is_first=number == 0)
                except Conflict:
                    continue
        except Exception:
            log.exception("a CDR could not be written")
    return _End.FAILED


def _compile_session(this: Run, told: Item, is_first: bool) -> _End | None:
    """Write what is missing of a session's CDRs, or why it has none.

    is_first: it is a new try, and not the same again after another write came between.
    Raises: Conflict when something came between; ServerError.
    """
    node, ref = this.node, Ref.parse(told["ref"])
    maker = _maker(node, ref)
    start, preferences = start_key(ref.key), preferences_key(ref.key)
    aside, due_at = set_aside_key(ref.key), due_key(ref.key)
    first = [named.key for named in _refs(node, ref, maker, 1)]
    items = node.table.get_many([due_at, ref.key, start, preferences, aside, *first])
    due = items.get(due_at)
    if due is None:
        return None  # another compiler was quicker
    session = stored_object(items[ref.key]) if ref.key in items else None
    if session is not None and session.version < due["v"]:
        raise Conflict("the session changed while it was read")
    begun = due
    try:
        begun = begin_try(node, due) if session and is_first else due
        made = _missing(this, maker, session, items, bool(due.get("released"))) if session else []
        this.ledger.write(made, done(due, was_set_aside=aside in items))
    except OutOfTime:
        log.warning("a session took too long to price")
        if begun is due:
            count_try(node, due)
        return _End.FAILED
    except (InvalidParameters, NotEnoughInformation) as error:
        is_implausible = isinstance(error, Implausible)
        set_aside(node, due, error.detail, error.field, can_release=is_implausible)
        log.warning("a session has no price", extra={"field": error.field, "implausible": is_implausible})
        return _End.SET_ASIDE
    except Exception as error:
        if isinstance(error, (ServerError, Conflict)) and not isinstance(error, Senseless):
            raise
        log.exception("a session cannot be compiled")
        set_aside(node, due, "something went wrong here; the log has more", None)
        return _End.SET_ASIDE
    return _End.DONE


def _missing(this: Run, maker: str, session: Stored, items: Snapshot, is_released: bool) -> list[New]:
    """The CDRs of a session that are not there yet, and their copies.

    is_released: the operator has it billed though its quantities are impossible.
    Raises: InvalidParameters, NotEnoughInformation when it has no price.
    """
    lists = _lists(this, maker, session)
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
    start = completed(node, session.ref, document, read_start(items.get(start_key(session.ref.key))))
    per_minute = prices_by_the_minute(this.partners, session.source, session.partition)
    profile = read_profile(items.get(preferences_key(session.ref.key)))
    began = node.clock()
    work = Work(is_late=lambda: node.clock() > began + LONGEST_TRY)
    bill = make_bill(document, start, profile, per_minute, now=began, is_released=is_released, work=work)
    bill = remark_on_claim(_fitted(bill), document, node.settings.tolerance)
    if credit and latest is not None and is_same_bill(read_json(str(latest.body)), bill.cdr):
        return []
    cdr = {**bill.cdr, "id": _refs(node, session.ref, maker, number + 1)[0].id, **_now(node)}
    extra = {"sv": session.version, "why": _reasons(bill)}
    return [*credit, *_new(session.ref, cdr, lists.partition, lists.of_cpo, extra)]


# -- which CDRs there are ----------------------------------------------------------------------------


class _Latest(NamedTuple):
    """The latest CDR of a session, which number it is, and whether there is a credit CDR for it."""

    number: int = 0
    cdr: Stored | None = None
    is_credited: bool = False


def _latest(node: Node, session: Ref, maker: str, items: Snapshot) -> _Latest:
    """The latest CDR of a session, found by the ids of the first, the second and so on.

    items: has what there is of the first.
    Raises: InvalidParameters when a partner has sent a CDR of an id that is for ours.
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
    """Our own CDR of the first of these ids that has one; a partner's under the last one is none of ours."""
    for ref in refs:
        found = node.objects.get(ref, items)
        if found is not None and not found.source:
            return found
        if found is not None and ref is refs[0]:
            raise InvalidParameters(f"a partner has sent a CDR of the id {ref.id}", field="id")
    return None


def _refs(node: Node, session: Ref, maker: str, number: int) -> list[Ref]:
    """The names that a session's first, second … CDR may have: as they are made now, and formerly."""
    pk = session.key.pk
    ids = cdr_id(node.directory.keyed_digest, maker, pk, number), former_cdr_id(maker, pk, number)
    return [_ref_of(session, own_id) for own_id in ids]


def _ref_of(session: Ref, own_id: str, variant: str = "") -> Ref:
    return Ref(MODULE, session.country_code, session.party_id, own_id, variant)


def _credit_ref(cdr: Ref) -> Ref:
    return cdr._replace(id=f"{cdr.id}-C")


def _maker(node: Node, session: Ref) -> str:
    """Who makes the CDR: a CPO its own sessions', the hub all others'."""
    owner = Party(session.country_code, session.party_id)
    is_own = any(own.role == "CPO" and own.party.same_as(owner) for own in node.settings.roles)
    maker = owner if is_own else node.settings.party_of("HUB")
    return (maker or owner).key()


def _lists(this: Run, maker: str, session: Stored) -> Lists | None:
    """Where the CDRs of a session stand; None when others make them."""
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
    if not _counts(partners, partition):
        partition = partition_for_viewer(MODULE, owner, None)
    return Lists(maker, partition, None)


def _counts(partners: Iterable[Partner], partition: str) -> bool:
    """Whether an own CDR is the one of record: unless it would go to a hub that makes them."""
    shown = [partner for partner in partners if viewer_of(partner, partition) is not None]
    if not shown:
        return not partition.endswith("#HUB")
    return not any(partner.is_hub and hub_makes_cdr(partner) for partner in shown)


def _fitted(bill: Bill) -> Bill:
    """A bill that can be stored, where fewer charging periods make it one."""
    return with_fewer_periods(bill) if len(write_json(bill.cdr).encode()) > _LARGEST_CDR else bill


def _reasons(bill: Bill) -> str:
    """The reasons of a CDR's price; without a line for each period where both would be too large an item."""
    packed, size = pack_reasons(bill.why), len(write_json(bill.cdr).encode())
    if size + len(packed) <= _LARGEST_CDR:
        return packed
    text = "the breakdown of the charging periods is left out: it is too large to be kept beside the CDR"
    warnings = [*bill.why["warnings"], {"code": "breakdown_cut", "field": "", "message": text}]
    breakdown = {**bill.why["breakdown"], "periods": []}
    return pack_reasons({**bill.why, "breakdown": breakdown, "warnings": warnings})


# -- what is written ---------------------------------------------------------------------------------


def _new(
    session: Ref, document: Document, partition: str, of_cpo: str | None, extra: dict[str, Any]
) -> list[New]:
    """A CDR, and its copy for the CPO where it has one."""
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
