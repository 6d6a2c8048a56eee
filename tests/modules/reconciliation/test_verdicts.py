"""Verdicts on CDRs that are missing or corrected. Source: OCPI 2.2.1 mod_cdrs_credit_cdrs; CDR-07, TRP-30"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from chalicelib.modules.cdr_comparison import Difference
from chalicelib.modules.cdrs import compiler
from chalicelib.modules.reconciliation.verdicts import (
    CORRECTION_TIME,
    NotedCdr,
    ReconciliationState,
    Verdict,
    judge,
    uncredited,
)
from chalicelib.pricing.credit import credit_cdr
from chalicelib.protocol.json_text import Document
from chalicelib.protocol.types import format_datetime
from chalicelib.settings import Tolerance
from tests.modules.builders import T2
from tests.modules.reconciliation.under_hub import UnderHub, of_hub

MAX_WAIT_S = 24 * 3600


@pytest.fixture
def cpo() -> UnderHub:
    return UnderHub()


def test_a_session_without_a_hub_cdr_is_pending_and_then_missing_at_hub(cpo: UnderHub) -> None:
    cpo.watch("books")
    cpo.end()
    own = cpo.compile()

    cpo.reconcile()
    pending = cpo.entry()
    cpo.reconcile(MAX_WAIT_S - 1)
    still = cpo.entry()
    cpo.reconcile(1)

    assert (pending["state"], pending["own_cdr_id"], pending["hub_cdr_id"]) == ("PENDING", own["id"], None)
    assert still == pending
    assert cpo.entry()["state"] == "MISSING_AT_HUB"
    assert cpo.entry()["since"] == pending["since"] == own["last_updated"]
    assert cpo.csms.received == [cpo.entry()]
    assert cpo.due() == []


def test_a_late_hub_cdr_that_agrees_is_notified_after_missing_at_hub(cpo: UnderHub) -> None:
    cpo.watch("books")
    cpo.end()
    own = cpo.compile()
    cpo.reconcile()
    cpo.reconcile(MAX_WAIT_S)

    cpo.receive(of_hub(own))
    cpo.reconcile()

    assert [received["state"] for received in cpo.csms.received] == ["MISSING_AT_HUB", "AGREED"]


def test_a_hub_cdr_in_time_ends_the_wait(cpo: UnderHub) -> None:
    cpo.end()
    own = cpo.compile()
    cpo.reconcile()
    assert len(cpo.due()) == 1

    cpo.receive(of_hub(own))
    cpo.reconcile()

    assert (cpo.entry()["state"], cpo.due()) == ("AGREED", [])


def test_a_hub_cdr_of_an_unknown_session_is_missing_here(cpo: UnderHub) -> None:
    cpo.end("S1")
    own = cpo.compile()
    cpo.receive(of_hub(own, session_id="S9"))

    cpo.reconcile(MAX_WAIT_S)

    (missing,) = cpo.entries(ReconciliationState.MISSING_HERE)
    assert (missing["session_id"], missing["own_cdr_id"], missing["hub_cdr_id"]) == ("S9", None, "MOB-1")


# -- corrections -------------------------------------------------------------------------------------


def corrected(cpo: UnderHub) -> tuple[Document, Document]:
    """Correct a session here after its CDRs agreed. Returns our first and our second CDR."""
    cpo.end()
    first = cpo.compile()
    cpo.receive(of_hub(first))
    cpo.reconcile()
    cpo.end(kwh=Decimal("8"))
    cpo.stream()
    compiler.run(cpo.node)
    return first, [cdr for cdr in cpo.cdrs() if not cdr.get("credit")][-1]


def test_a_correction_by_both_sides_agrees_again_without_a_notification(cpo: UnderHub) -> None:
    """Source: CDR-07, TRP-30"""
    cpo.watch("books")
    first, second = corrected(cpo)
    cpo.reconcile()
    between = cpo.entry()
    cpo.receive(credit_cdr(of_hub(first)))
    cpo.reconcile()
    credited = cpo.entry()
    cpo.receive(of_hub(second, "MOB-2"))
    cpo.reconcile()

    assert (between["state"], credited["state"], credited["hub_cdr_id"]) == ("PENDING", "PENDING", None)
    entry = cpo.entry()
    assert (entry["state"], entry["own_cdr_id"], entry["hub_cdr_id"]) == ("AGREED", second["id"], "MOB-2")
    assert (cpo.csms.calls, cpo.due()) == ([], [])


def test_a_correction_that_the_hub_does_not_make_is_a_difference(cpo: UnderHub) -> None:
    cpo.watch("books")
    corrected(cpo)

    cpo.reconcile()
    cpo.reconcile(CORRECTION_TIME.total_seconds())

    entry = cpo.entry()
    assert entry["state"] == "DIFFERENT"
    assert "total_energy" in [each["field"] for each in entry["differences"]]
    assert cpo.csms.received == [entry]


def test_a_session_that_both_sides_credited_agrees(cpo: UnderHub) -> None:
    """Source: SES-15"""
    cpo.end()
    first = cpo.compile()
    cpo.receive(of_hub(first))
    cpo.put(status="INVALID", end_date_time=T2)
    cpo.stream()
    compiler.run(cpo.node)
    cpo.receive(credit_cdr(of_hub(first)))

    cpo.reconcile()

    entry = cpo.entry()
    assert (entry["state"], entry["own_cdr_id"], entry["hub_cdr_id"]) == ("AGREED", None, None)


def test_two_uncredited_cdrs_of_a_hub_are_a_difference(cpo: UnderHub) -> None:
    cpo.end()
    own = cpo.compile()
    cpo.receive(of_hub(own))
    cpo.world.clock.forward(1)
    cpo.receive(of_hub(own, "MOB-2"))

    cpo.reconcile()

    entry = cpo.entry()
    assert entry["differences"] == [{"field": "cdrs", "ours": 1, "theirs": 2}]
    assert (entry["state"], entry["hub_cdr_id"]) == ("DIFFERENT", "MOB-2")


def test_a_late_credit_cdr_of_the_hub_is_followed_by_the_correction_time(cpo: UnderHub) -> None:
    """The credit CDR arrives long after the longest wait for the other side's first CDR."""
    cpo.watch("books")
    cpo.end()
    own = cpo.compile()
    cpo.receive(of_hub(own))
    cpo.reconcile()
    cpo.world.clock.forward(5 * MAX_WAIT_S)

    cpo.receive(credit_cdr(of_hub(own), last_updated=format_datetime(cpo.world.clock())))
    cpo.reconcile()
    credited, alarms = cpo.entry(), list(cpo.csms.calls)
    cpo.reconcile(CORRECTION_TIME.total_seconds())

    assert (credited["state"], alarms) == ("PENDING", [])
    assert cpo.entry()["state"] == "MISSING_AT_HUB"


def test_ids_of_credited_cdrs_are_matched_case_insensitively(cpo: UnderHub) -> None:
    """Source: TYP-01"""
    cpo.end()
    own = cpo.compile()
    cpo.receive(of_hub(own, "mob-1"))
    cpo.receive(credit_cdr(of_hub(own, "mob-1")))

    cpo.reconcile()

    assert (cpo.entry()["state"], cpo.entry()["hub_cdr_id"]) == ("PENDING", None)


# -- pure functions ----------------------------------------------------------------------------------

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MAX_WAIT = timedelta(hours=24)
SECOND = timedelta(seconds=1)


def noted(number: int, is_ours: bool = True, minutes: int = 0, takes_back: str | None = None) -> NotedCdr:
    at = NOON + timedelta(minutes=minutes)
    return NotedCdr(f"{'own' if is_ours else 'hub'}-{number}", f"C{number}", is_ours, at, takes_back)


def verdict(*noted_cdrs: NotedCdr, now: datetime, costs: int = 1) -> Verdict:
    """Judge a session. costs: total cost of the hub's CDRs; ours cost 1."""
    documents = {
        each.ref: {
            "start_date_time": T2,
            "end_date_time": T2,
            "currency": "EUR",
            "total_cost": {"excl_vat": Decimal(1 if each.is_ours else costs)},
        }
        for each in noted_cdrs
    }
    return judge(noted_cdrs, documents, now, MAX_WAIT, Tolerance(Decimal(0), Decimal(0), Decimal(0)))


def test_a_credit_cdr_credits_only_a_cdr_of_its_own_side() -> None:
    noted_cdrs = [noted(1), noted(1, is_ours=False), noted(2, takes_back="c1")]

    assert uncredited(noted_cdrs, is_ours=True) == []
    assert uncredited(noted_cdrs, is_ours=False) == [noted_cdrs[1]]


def test_of_cdrs_with_the_same_time_the_one_with_the_greater_id_is_the_latest() -> None:
    noted_cdrs = [noted(2), noted(3, minutes=-1), noted(1)]

    assert [each.id for each in uncredited(noted_cdrs, is_ours=True)] == ["C3", "C1", "C2"]


@pytest.mark.parametrize(
    ("is_ours", "missing"),
    [(True, ReconciliationState.MISSING_AT_HUB), (False, ReconciliationState.MISSING_HERE)],
)
def test_one_side_waits_for_the_other_until_the_longest_wait_ends(
    is_ours: bool, missing: ReconciliationState
) -> None:
    one = noted(1, is_ours)
    early, late = (verdict(one, now=NOON + MAX_WAIT - left) for left in (SECOND, timedelta()))

    assert (early.state, early.judge_again_at) == (ReconciliationState.PENDING, NOON + MAX_WAIT)
    assert (late.state, late.judge_again_at, late.since) == (missing, None, NOON)
    assert (late.ours, late.theirs) == ((one, None) if is_ours else (None, one))


def test_a_difference_without_a_correction_is_different_at_once() -> None:
    found = verdict(
        noted(1), noted(1, is_ours=False, minutes=5), now=NOON + 5 * timedelta(minutes=1), costs=2
    )

    assert (found.state, found.judge_again_at) == (ReconciliationState.DIFFERENT, None)
    assert found.since == NOON + timedelta(minutes=5)


def test_a_difference_after_a_correction_is_pending_until_the_correction_time_is_over() -> None:
    noted_cdrs = [
        noted(1, minutes=-9),
        noted(2, minutes=-1, takes_back="C1"),
        noted(3),
        noted(1, is_ours=False),
    ]
    ends = NOON + CORRECTION_TIME

    early, late = (verdict(*noted_cdrs, now=ends - left, costs=2) for left in (SECOND, timedelta()))

    assert (early.state, early.judge_again_at) == (ReconciliationState.PENDING, ends)
    assert (late.state, late.ours) == (ReconciliationState.DIFFERENT, noted_cdrs[2])


def test_equal_cdrs_agree_at_once_also_after_a_correction() -> None:
    noted_cdrs = [noted(1), noted(2, takes_back="C1"), noted(3, minutes=1), noted(1, is_ours=False)]

    found = verdict(*noted_cdrs, now=NOON + timedelta(minutes=1))

    assert (found.state, found.since) == (ReconciliationState.AGREED, NOON + timedelta(minutes=1))


def test_an_earlier_correction_does_not_shorten_the_longest_wait() -> None:
    noted_cdrs = [noted(1, minutes=-9), noted(2, minutes=-5, takes_back="C1"), noted(3)]

    assert verdict(*noted_cdrs, now=NOON + CORRECTION_TIME).judge_again_at == NOON + MAX_WAIT


def test_a_session_without_uncredited_cdrs_agrees_since_its_last_cdr() -> None:
    found = verdict(noted(1), noted(2, minutes=7, takes_back="C1"), now=NOON)

    assert (found.state, found.ours, found.theirs) == (ReconciliationState.AGREED, None, None)
    assert found.since == NOON + timedelta(minutes=7)


def test_a_different_number_of_cdrs_is_listed_before_other_differences() -> None:
    noted_cdrs = [noted(1), noted(2, minutes=1), noted(1, is_ours=False)]

    found = verdict(*noted_cdrs, now=NOON, costs=2)

    assert found.comparison.differences[0] == Difference("cdrs", 2, 1)
    assert [each.field for each in found.comparison.differences[1:]] == ["total_cost.excl_vat"]
