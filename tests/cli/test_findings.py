"""The table of findings."""

from __future__ import annotations

from typing import Any

from cli.findings import table_of


def finding(**fields: Any) -> dict[str, Any]:
    made = {
        "count": 3,
        "module": "locations",
        "field": "evses.*.status",
        "kind": "LETTER_CASE",
        "outcome": "REPAIRED",
        "reason": "expected capital letters",
        "example": "charging",
        "object": "PT/EDP/L1",
        "last_seen": "2026-03-01T12:00:00Z",
    }
    return {**made, **fields}


def test_the_table_has_a_line_for_each_finding() -> None:
    lines = list(table_of([finding(), finding(count=1200, example="x" * 80, field="name")]))

    assert lines == [
        "count  module     field           kind         outcome   last seen             "
        "example                                   object     reason",
        "    3  locations  evses.*.status  LETTER_CASE  REPAIRED  2026-03-01T12:00:00Z  "
        "charging                                  PT/EDP/L1  expected capital letters",
        " 1200  locations  name            LETTER_CASE  REPAIRED  2026-03-01T12:00:00Z  "
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…  PT/EDP/L1  expected capital letters",
    ]


def test_without_findings_the_table_is_one_sentence() -> None:
    assert list(table_of([])) == ["no findings"]
