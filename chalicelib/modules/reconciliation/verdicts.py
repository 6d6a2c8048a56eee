"""Verdict of a reconciliation: the state of a session, decided from our CDRs and the hub's. Pure functions.

A CDR is *uncredited* when it is no credit CDR and no credit CDR refers to it. Normally each side has one
uncredited CDR or none. If a side has more, the latest is compared; different numbers of uncredited CDRs are a
difference in the field `cdrs`.

Source: OCPI 2.2.1 mod_cdrs_credit_cdrs; docs/design.md, A CDR
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from chalicelib.modules.cdr_comparison import Comparison, Difference, compare
from chalicelib.protocol.types import fold
from chalicelib.settings import Tolerance

CORRECTION_TIME = timedelta(minutes=10)
"""Time after a correction in which the entry stays PENDING: the other side may be correcting its CDR, too."""


class ReconciliationState(StrEnum):
    """State of a session's reconciliation, as the operator sees it."""

    AGREED = "AGREED"
    DIFFERENT = "DIFFERENT"
    PENDING = "PENDING"
    MISSING_AT_HUB = "MISSING_AT_HUB"
    MISSING_HERE = "MISSING_HERE"
    NOT_COMPARED = "NOT_COMPARED"


NEEDS_ATTENTION = (
    ReconciliationState.DIFFERENT,
    ReconciliationState.MISSING_AT_HUB,
    ReconciliationState.MISSING_HERE,
    ReconciliationState.NOT_COMPARED,
)
"""States that an operator has to resolve."""


@dataclass(frozen=True)
class NotedCdr:
    """A noted CDR of a session. credits: id of the CDR that it credits. at: time when it was stored here."""

    ref: str
    id: str
    is_ours: bool
    at: datetime
    credits: str | None = None


@dataclass(frozen=True)
class Verdict:
    """State of a session and the CDRs it was decided from.

    judge_again_at: time of the next decision, for PENDING. since: time when the latest of its CDRs was
    stored.
    """

    state: ReconciliationState
    ours: NotedCdr | None
    theirs: NotedCdr | None
    since: datetime
    comparison: Comparison = Comparison((), ())
    judge_again_at: datetime | None = None


def uncredited(noted_cdrs: Sequence[NotedCdr], is_ours: bool) -> list[NotedCdr]:
    """Uncredited CDRs of one side, latest last."""
    side = [noted for noted in noted_cdrs if noted.is_ours == is_ours]
    credited = {fold(noted.credits) for noted in side if noted.credits is not None}
    left = [noted for noted in side if noted.credits is None and fold(noted.id) not in credited]
    return sorted(left, key=lambda noted: (noted.at, noted.id))


def judge(
    noted_cdrs: Sequence[NotedCdr],
    documents: Mapping[str, Mapping[str, Any]],
    now: datetime,
    max_wait: timedelta,
    tolerance: Tolerance,
) -> Verdict:
    """Decide the state of a session from all of its CDRs.

    documents: the uncredited CDRs, by ref. max_wait: how long one side waits for the other.
    """
    ours, theirs = uncredited(noted_cdrs, is_ours=True), uncredited(noted_cdrs, is_ours=False)
    latest = max(noted.at for noted in noted_cdrs)
    was_corrected = any(noted.credits is not None for noted in noted_cdrs)
    corrected_at = latest + CORRECTION_TIME if was_corrected else latest
    own, other = (ours[-1] if ours else None), (theirs[-1] if theirs else None)
    if own is None and other is None:
        return Verdict(ReconciliationState.AGREED, None, None, latest)
    if own is not None and other is not None:
        comparison = compare(documents[own.ref], documents[other.ref], tolerance)
        if len(ours) != len(theirs):
            count = Difference("cdrs", len(ours), len(theirs))
            comparison = Comparison((count, *comparison.differences), comparison.not_judged)
        state, wait_until = (
            (ReconciliationState.DIFFERENT if comparison.differences else ReconciliationState.AGREED),
            corrected_at,
        )
        since = max(own.at, other.at)
    else:
        comparison = Comparison((), ())
        state = ReconciliationState.MISSING_AT_HUB if other is None else ReconciliationState.MISSING_HERE
        one = own or other
        assert one is not None
        since = one.at
        wait_until = max(one.at + max_wait, corrected_at)
    if state != ReconciliationState.AGREED and now < wait_until:
        return Verdict(ReconciliationState.PENDING, own, other, since, comparison, wait_until)
    return Verdict(state, own, other, since, comparison)
