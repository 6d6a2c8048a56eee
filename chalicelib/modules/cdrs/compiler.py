"""The scheduled compiler: every minute the sessions that have ended become CDRs.

Each CDR is written once, although a compiler may be killed at any point and two may run together: the id
follows from the session (`rules.cdr_id`), and the write's condition is that it is not there. There is no
other state. Which CDRs a session has is seen by reading their ids, the first, the second and so on; which
version of the session each is of, it says itself.

*Corrections.* A session that was corrected after its CDR gets a credit CDR for the latest one, then a new
one; a session that has become INVALID the credit CDR only. Where the bill is the same, nothing.

*Of record.* At a hub the CDR is for the eMSP and for the CPO, and stands twice: it never changes. At a CPO
it is for the session's viewer, or, if that is a hub that makes the CDRs, for nobody but the operator.

*Work* is bounded by time, so that the function ends before it must; what is left is due in a minute. A
session that fails by AWS's fault stays due; by ours, or for lack of a price, it is set aside.

Source: DESIGN.md, A CDR; OCPI 2.2.1 mod_cdrs_credit_cdrs; CDR-07, CDR-11, CDR-13, CDR-22, TRP-30
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
from typing import TYPE_CHECKING, Any

from chalicelib import metrics
from chalicelib.errors import InvalidParameters, NotEnoughInformation, ServerError
from chalicelib.log import about, log
from chalicelib.modules.cdrs.billing import Bill, make_bill
from chalicelib.modules.cdrs.ends import (
    SET_ASIDE,
    due_sessions,
    makes_cdrs_of,
    set_aside,
    settle,
    take_away,
)
from chalicelib.modules.cdrs.objects import Cdr
from chalicelib.modules.cdrs.rules import cdr_id, is_same_bill
from chalicelib.modules.cdrs.starts import completed, read_start, start_key
from chalicelib.modules.sessions.objects import COMPLETED
from chalicelib.partners.cdr_makers import hub_makes_cdr
from chalicelib.partners.owners import remember_owners
from chalicelib.partners.token_owners import emsp_of
from chalicelib.partners.visibility import Viewer, partition_for_viewer, viewer_of
from chalicelib.pricing.credit import credit_cdr
from chalicelib.protocol.json_text import JsonText, read_json, write_json
from chalicelib.protocol.message import Party
from chalicelib.protocol.types import format_datetime, validate
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import Stored, Write, stored_object
from chalicelib.storage.table import Conflict, Item, Key, Snapshot

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner

MODULE = "cdrs"
OF_CPO = "CPO"
"""The variant of a hub's CDR that stands in its CPO's list."""

BUDGET = timedelta(seconds=40)
"""No session is begun later in a run."""

_AT_ONCE = 4
_PER_BATCH = 40
_READ_AHEAD = 2
_PREFERENCES = "preferences"

Document = dict[str, Any]


@dataclass(frozen=True)
class Lists:
    """Where a session's CDRs stand. of_cpo: the list of the copy for the CPO, None when there is none."""

    maker: str
    partition: str
    of_cpo: str | None


class _End(Enum):
    """How it ended for a session that was due. FAILED: it is still due."""

    DONE = auto()
    SET_ASIDE = auto()
    FAILED = auto()


def run(node: Node) -> None:
    """Make the CDRs that are due, as many as there is time for."""
    ends = node.clock() + BUDGET
    due = due_sessions(node)
    partners: list[Partner] | None = None
    ended: Counter[_End] = Counter()
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="cdr") as pool:
        while node.clock() < ends and (batch := list(islice(due, _PER_BATCH))):
            partners = node.directory.all() if partners is None else partners
            ended.update(pool.map(partial(_compile, node, partners), batch))
    if ended:
        numbers = ended.total(), ended[_End.SET_ASIDE], ended[_End.FAILED]
        log.info("CDRs were due", extra=metrics.cdrs_compiled(node.settings.table, *numbers))


def _compile(node: Node, partners: Sequence[Partner], due: Item) -> _End:
    with about(ocpi_module=MODULE, ref=due["ref"]):
        return _compile_or_set_aside(node, partners, due)


def _compile_or_set_aside(node: Node, partners: Sequence[Partner], due: Item) -> _End:
    try:
        _compile_session(node, partners, due)
    except (InvalidParameters, NotEnoughInformation) as error:
        log.warning("a session has no price", extra={"field": error.field})
        set_aside(node, due, error.detail, error.field)
        take_away(node, due)
        return _End.SET_ASIDE
    except (ServerError, Conflict):
        log.exception("a CDR could not be written")
        return _End.FAILED
    except Exception:
        log.exception("a session cannot be compiled")
        set_aside(node, due, "something went wrong here; the log has more", None)
        take_away(node, due)
        return _End.SET_ASIDE
    return _End.DONE


def _compile_session(node: Node, partners: Sequence[Partner], due: Item) -> None:
    ref = Ref.parse(due["ref"])
    maker = _maker(node, due)
    keys = [
        ref.key,
        start_key(ref.key),
        Key(ref.key.pk, _PREFERENCES),
        Key(SET_ASIDE, due["sk"]),
        *(_ref_of(ref, cdr_id(maker, due["sk"], number)).key for number in range(1, _READ_AHEAD + 1)),
    ]
    items = node.table.get_many(keys)
    session = stored_object(items[ref.key]) if ref.key in items else None
    if session is not None and makes_cdrs_of(node, session.source):
        lists = _lists(node, partners, maker, session)
        if lists is not None:
            _bring_up_to_date(node, session, lists, items)
    if Key(SET_ASIDE, due["sk"]) in items:
        settle(node, due)
    take_away(node, due)


def _bring_up_to_date(node: Node, session: Stored, lists: Lists, items: Snapshot) -> None:
    """Write what is missing of a session's CDRs; what is there already is left alone."""
    document: Document = read_json(str(session.body))
    number, latest = _latest(node, session.ref, lists.maker, items)
    if latest is not None:
        _write_for_cpo(node, latest, lists)
        if int(latest.extra["sv"]) >= session.version:
            return
    if document["status"] != COMPLETED:
        if latest is not None:
            _write_credit(node, latest, lists, session.version)
        return
    start = completed(node, session.ref, document, read_start(items.get(start_key(session.ref.key))))
    bill = make_bill(document, start, _profile(items, session.ref))
    if latest is not None:
        is_credited = node.objects.get(_credit_ref(latest)) is not None
        if is_same_bill(read_json(str(latest.body)), bill.cdr) and not is_credited:
            return
        _write_credit(node, latest, lists, session.version)
    made = {**bill.cdr, "id": cdr_id(lists.maker, session.ref.key.pk, number + 1)}
    written = _write(node, session.ref, _dated(node, made), lists, _why(bill, session.version))
    if int(written.extra["sv"]) != session.version:
        # Another compiler was here with another version of the session: see what is left to do.
        raise ServerError("the session was compiled by another at the same time")


# -- which CDRs there are ----------------------------------------------------------------------------


def _latest(node: Node, session: Ref, maker: str, items: Snapshot) -> tuple[int, Stored | None]:
    """The latest CDR of a session and its number; 0 and None when there is none."""
    number, latest = 0, None
    while True:
        ref = _ref_of(session, cdr_id(maker, session.key.pk, number + 1))
        found = node.objects.get(ref, items)
        if found is None:
            return number, latest
        number, latest = number + 1, found


def _ref_of(session: Ref, own_id: str, variant: str = "") -> Ref:
    return Ref(MODULE, session.country_code, session.party_id, own_id, variant)


def _credit_ref(cdr: Stored) -> Ref:
    return cdr.ref._replace(id=f"{cdr.ref.id}-C")


def _maker(node: Node, due: Item) -> str:
    """Who makes the CDR: a CPO its own sessions', the hub all others'."""
    owner = Party(*Ref.parse(due["ref"])[1:3])
    is_own = any(own.role == "CPO" and own.party.same_as(owner) for own in node.settings.roles)
    maker = owner if is_own else node.settings.party_of("HUB")
    return (maker or owner).key()


def _lists(node: Node, partners: Sequence[Partner], maker: str, session: Stored) -> Lists | None:
    """Where the CDRs of a session stand; None when others make them."""
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


# -- writing -----------------------------------------------------------------------------------------


def _write(node: Node, session: Ref, document: Document, lists: Lists, extra: dict[str, Any]) -> Stored:
    """Write a CDR and its copy, if they are not there yet. Returns the one that is there then."""
    validate(Cdr, document)
    ref = _ref_of(session, document["id"])
    written = Write(JsonText(write_json(document)), document["last_updated"], extra=extra)
    change = node.objects.change(
        ref, lambda current: written if current is None else None, partition=lists.partition, source=""
    )
    assert change.after is not None
    if change.created and lists.of_cpo is not None:
        # Its source is ourselves, so the stream does not tell who the owner is.
        remember_owners(node.table, [ref])
    _write_for_cpo(node, change.after, lists)
    return change.after


def _write_for_cpo(node: Node, cdr: Stored, lists: Lists) -> None:
    if lists.of_cpo is None:
        return
    copy = Write(cdr.body, read_json(str(cdr.body))["last_updated"])
    ref = cdr.ref._replace(variant=OF_CPO)
    node.objects.change(
        ref, lambda current: copy if current is None else None, partition=lists.of_cpo, source=""
    )


def _write_credit(node: Node, cdr: Stored, lists: Lists, version: int) -> None:
    document = credit_cdr(read_json(str(cdr.body)), last_updated=format_datetime(node.clock()))
    _write(node, cdr.ref, document, lists, {"sv": version})


def _dated(node: Node, document: Document) -> Document:
    return {**document, "last_updated": format_datetime(node.clock())}


def _why(bill: Bill, version: int) -> dict[str, Any]:
    """What stands beside a CDR: the version of its session, and how its price came about."""
    return {"sv": version, "why": write_json(bill.why)}


def _profile(items: Snapshot, session: Ref) -> str | None:
    item = items.get(Key(session.key.pk, _PREFERENCES))
    return read_json(item["body"]).get("profile_type") if item else None
