"""Tallies: the findings in one document, equal ones counted together, each with an example for people.

A document can have thousands of findings, such as one in each connector of a location. So its log line and
its message have one entry for each field, kind and outcome, and a limited number of entries.

Source: docs/interop.md, Findings
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from chalicelib.findings.examples import example_of, printable
from chalicelib.reading.findings import Finding, Outcome

MOST = 40
"""Entries of one document; the findings beyond them are counted as one more entry for each outcome."""

MORE = "MORE"
"""Kind of the entry for the findings beyond `MOST`."""

_LONGEST_NAME = 120
_LONGEST_REASON = 200


class Tally(NamedTuple):
    """Equal findings in one document.

    field: path with `*` for places in lists. reason, example: of the first one; the example is masked where
    it is about a driver (`examples.py`). number: how many there are.
    """

    field: str
    kind: str
    outcome: Outcome
    reason: str
    example: str
    number: int


def tally(module: str, findings: Iterable[Finding]) -> list[Tally]:
    """Count the findings in one document, in the order in which they were found."""
    first: dict[tuple[str, str, Outcome], Finding] = {}
    numbers: dict[tuple[str, str, Outcome], int] = {}
    for finding in findings:
        name = (printable(finding.field, _LONGEST_NAME), finding.kind[:_LONGEST_NAME], finding.outcome)
        if name not in first:
            if len(first) >= MOST:
                name = ("*", MORE, finding.outcome)
            else:
                first[name] = finding
        numbers[name] = numbers.get(name, 0) + 1
    return [_tally(module, name, first.get(name), number) for name, number in numbers.items()]


def _tally(module: str, name: tuple[str, str, Outcome], finding: Finding | None, number: int) -> Tally:
    if finding is None:
        return Tally(*name, f"more than {MOST} different findings in one document", "", number)
    return Tally(*name, printable(finding.reason, _LONGEST_REASON), example_of(module, finding), number)
