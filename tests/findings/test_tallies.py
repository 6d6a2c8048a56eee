"""Tallies of the findings in one document."""

from __future__ import annotations

from chalicelib.findings.tallies import MORE, MOST, Tally, tally
from chalicelib.reading.findings import Outcome
from tests.findings.builders import finding


def test_equal_findings_are_one_tally_with_the_first_example() -> None:
    findings = [finding("evses.0.status"), finding("evses.1.status", "Charging"), finding("publish", None)]

    assert tally("locations", findings) == [
        Tally("evses.*.status", "LETTER_CASE", Outcome.REPAIRED, "expected capital letters", "available", 2),
        Tally("publish", "LETTER_CASE", Outcome.REPAIRED, "expected capital letters", "", 1),
    ]


def test_another_outcome_of_the_same_field_is_another_tally() -> None:
    found = tally("locations", [finding(), finding(outcome=Outcome.REFUSED)])

    assert [each.outcome for each in found] == [Outcome.REPAIRED, Outcome.REFUSED]


def test_findings_beyond_the_limit_are_counted_together() -> None:
    found = tally("locations", [finding(f"a{n}x") for n in range(MOST + 7)])

    assert len(found) == MOST + 1
    assert (found[-1].field, found[-1].kind, found[-1].number) == ("*", MORE, 7)


def test_names_and_reasons_are_cut() -> None:
    (found,) = tally("locations", [finding("x" * 10**5, kind="y" * 10**5, reason="z" * 10**5)])

    assert sum(map(len, found[:4])) < 500
