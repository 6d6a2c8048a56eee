"""What became of a session's two bills, our own and the hub's: a decision from the CDRs that are there.

A side's CDR *stands* when it is no credit CDR and none credits it. Each side has none or one; more than one
at once is a difference of its own (`cdrs`), and the latest is compared.

Source: OCPI 2.2.1 mod_cdrs_credit_cdrs; docs/design.md, A CDR
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from chalicelib.modules.cdrs.comparison import Comparison, Difference, compare
from chalicelib.protocol.types import fold
from chalicelib.settings import Tolerance

CORRECTION_TIME = timedelta(minutes=10)
"""So long after a correction nothing is called different: the other side is about to correct its CDR, too."""


class State(StrEnum):
    """What an operator sees of a session."""

    AGREED = "AGREED"
    DIFFERENT = "DIFFERENT"
    PENDING = "PENDING"
    MISSING_AT_HUB = "MISSING_AT_HUB"
    MISSING_HERE = "MISSING_HERE"
    NOT_COMPARED = "NOT_COMPARED"


NEEDS_A_LOOK = (State.DIFFERENT, State.MISSING_AT_HUB, State.MISSING_HERE, State.NOT_COMPARED)
"""The states that an operator has to do something about."""


@dataclass(frozen=True)
class Mark:
    """A CDR of a session. credits: id of the one that it takes back. at: when it was stored here."""

    ref: str
    id: str
    is_ours: bool
    at: datetime
    credits: str | None = None


@dataclass(frozen=True)
class Verdict:
    """look_again: when a PENDING one is to be judged again. since: when the latest of its CDRs came."""

    state: State
    ours: Mark | None
    theirs: Mark | None
    since: datetime
    comparison: Comparison = Comparison((), ())
    look_again: datetime | None = None


def standing(marks: Sequence[Mark], is_ours: bool) -> list[Mark]:
    """The CDRs of one side that stand, latest last."""
    side = [mark for mark in marks if mark.is_ours == is_ours]
    credited = {fold(mark.credits) for mark in side if mark.credits is not None}
    left = [mark for mark in side if mark.credits is None and fold(mark.id) not in credited]
    return sorted(left, key=lambda mark: (mark.at, mark.id))


def judge(
    marks: Sequence[Mark],
    documents: Mapping[str, Mapping[str, Any]],
    now: datetime,
    patience: timedelta,
    tolerance: Tolerance,
) -> Verdict:
    """Judge a session by all of its CDRs.

    documents: by ref, those that stand. patience: how long one side waits for the other.
    """
    ours, theirs = standing(marks, is_ours=True), standing(marks, is_ours=False)
    latest = max(mark.at for mark in marks)
    was_corrected = any(mark.credits is not None for mark in marks)
    settled_at = latest + CORRECTION_TIME if was_corrected else latest
    own, other = (ours[-1] if ours else None), (theirs[-1] if theirs else None)
    if own is None and other is None:
        return Verdict(State.AGREED, None, None, latest)
    if own is not None and other is not None:
        comparison = compare(documents[own.ref], documents[other.ref], tolerance)
        if len(ours) != len(theirs):
            count = Difference("cdrs", len(ours), len(theirs))
            comparison = Comparison((count, *comparison.differences), comparison.not_judged)
        state, wait_until = (State.DIFFERENT if comparison.differences else State.AGREED), settled_at
        since = max(own.at, other.at)
    else:
        comparison = Comparison((), ())
        state = State.MISSING_AT_HUB if other is None else State.MISSING_HERE
        one = own or other
        assert one is not None
        since = one.at
        wait_until = max(one.at + patience, settled_at)
    if state != State.AGREED and now < wait_until:
        return Verdict(State.PENDING, own, other, since, comparison, wait_until)
    return Verdict(state, own, other, since, comparison)
