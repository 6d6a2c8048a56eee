"""Builder of findings."""

from __future__ import annotations

from typing import Any

from chalicelib.reading.findings import Finding, Outcome


def finding(at: str = "status", value: Any = "available", **fields: Any) -> Finding:
    """A finding, by default a status in lower case that was repaired."""
    made = {"outcome": Outcome.REPAIRED, "kind": "LETTER_CASE", "reason": "expected capital letters"}
    return Finding(at=at, value=value, **{**made, **fields})
