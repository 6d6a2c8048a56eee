"""Table of a partner's findings for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

HEADING = ("count", "module", "field", "kind", "outcome", "last seen", "example", "object", "reason")
_LONGEST = 40


def table_of(findings: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The lines of the table, in the order of the findings; one line of text when there are none."""
    rows = [_row(each) for each in findings]
    if not rows:
        yield "no findings"
        return
    table = [HEADING, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(HEADING))]
    for row in table:
        count, *cells = (
            cell.ljust(width) if number else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join([count, *cells]).rstrip()


def _row(finding: Mapping[str, Any]) -> tuple[str, ...]:
    example = finding["example"]
    return (
        str(finding["count"]),
        finding["module"],
        finding["field"],
        finding["kind"],
        finding["outcome"],
        finding["last_seen"],
        example if len(example) <= _LONGEST else f"{example[: _LONGEST - 1]}…",
        finding.get("object") or "",
        finding["reason"],
    )
