"""A finding of lint: problem in a tariff, its place and its severity.

Source: RFC 6901 for pointers
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

ERROR, WARNING, INFO = "error", "warning", "info"
_ORDER = {ERROR: 0, WARNING: 1, INFO: 2}


@dataclass(frozen=True, slots=True)
class Finding:
    """Problem found in a tariff; `pointer` is a JSON pointer (RFC 6901) into it."""

    code: str
    severity: str
    pointer: str
    message: str

    def to_document(self) -> dict[str, str]:
        """Return the finding as plain JSON."""
        return {
            "code": self.code,
            "severity": self.severity,
            "pointer": self.pointer,
            "message": self.message,
        }


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Sort findings, the worst first."""
    return sorted(findings, key=lambda each: _ORDER[each.severity])
