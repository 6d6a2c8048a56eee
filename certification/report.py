"""Findings of a run, and the forms for machines and terminals: report.json, JUnit XML, a table.

`page.py` writes the page for people.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from xml.etree import ElementTree

from certification.plan import Row


class Status(StrEnum):
    """Result of a row of the plan."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_IMPLEMENTED = "not implemented"


@dataclass(frozen=True)
class Finding:
    """Result of one row. `evidence`: what was seen, in order; of a failed row the last is the reason."""

    row: Row
    status: Status
    seconds: float
    evidence: Sequence[str]


@dataclass(frozen=True)
class Report:
    """All findings of a run, in the plan's order."""

    findings: Sequence[Finding]

    def count(self, status: Status, mandatory_only: bool = False) -> int:
        return len(self.with_status(status, mandatory_only))

    def with_status(self, status: Status, mandatory_only: bool = False) -> list[Finding]:
        return [
            finding
            for finding in self.findings
            if finding.status == status and (finding.row.is_mandatory or not mandatory_only)
        ]

    @property
    def is_certified(self) -> bool:
        """Tell whether every mandatory row passed."""
        return all(finding.status == Status.PASSED for finding in self.findings if finding.row.is_mandatory)


def write_json(report: Report) -> str:
    """Write report.json."""
    scenarios = [
        {
            "id": finding.row.id,
            "name": finding.row.name,
            "mandatory": finding.row.is_mandatory,
            "status": finding.status.value,
            "seconds": round(finding.seconds, 3),
            "evidence": list(finding.evidence),
        }
        for finding in report.findings
    ]
    counts = {
        "passed": report.count(Status.PASSED),
        "failed": report.count(Status.FAILED),
        "not_implemented": report.count(Status.NOT_IMPLEMENTED),
    }
    return json.dumps({"scenarios": scenarios, **counts}, indent=2, ensure_ascii=False) + "\n"


def write_junit(report: Report) -> str:
    """Write JUnit XML: one test case per row; rows that are not implemented are skipped."""
    suite = ElementTree.Element(
        "testsuite",
        name="MOBI.E acceptance plan",
        tests=str(len(report.findings)),
        failures=str(report.count(Status.FAILED)),
        errors="0",
        skipped=str(report.count(Status.NOT_IMPLEMENTED)),
        time=f"{sum(finding.seconds for finding in report.findings):.3f}",
    )
    for finding in report.findings:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname=f"certification.chapter_{finding.row.id.split('.')[0]}",
            name=f"{finding.row.id} {finding.row.name}",
            time=f"{finding.seconds:.3f}",
        )
        if finding.status == Status.FAILED:
            failure = ElementTree.SubElement(case, "failure", message=_printable(finding.evidence[-1]))
            failure.text = _printable("\n".join(finding.evidence))
        elif finding.status == Status.NOT_IMPLEMENTED:
            ElementTree.SubElement(case, "skipped", message="not implemented")
        elif finding.evidence:
            ElementTree.SubElement(case, "system-out").text = _printable("\n".join(finding.evidence))
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def table_line(finding: Finding) -> str:
    """Write a row of the terminal's table, and the reason of a failure below it."""
    mark = {Status.PASSED: "passed", Status.FAILED: "FAILED", Status.NOT_IMPLEMENTED: "not implemented"}
    need = "mandatory" if finding.row.is_mandatory else "optional"
    time = "" if finding.status == Status.NOT_IMPLEMENTED else f"{finding.seconds:6.2f} s"
    line = (
        f"{finding.row.id:<4} {finding.row.name:<32} {need:<10} {mark[finding.status]:<16} {time:>9}".rstrip()
    )
    if finding.status == Status.FAILED:
        line += f"\n     expected: {finding.evidence[-1]}"
    return line


def summary(report: Report) -> str:
    """Write how the run ended, and which mandatory rows did not pass."""
    lines = [", ".join(f"{report.count(status)} {status.value}" for status in Status)]
    for status, text in ((Status.FAILED, "failed"), (Status.NOT_IMPLEMENTED, "not implemented yet")):
        rows = [finding.row.id for finding in report.with_status(status, mandatory_only=True)]
        if rows:
            lines.append(
                f"{len(rows)} mandatory {'row' if len(rows) == 1 else 'rows'} {text}: {', '.join(rows)}"
            )
    lines.append("every mandatory row passed" if report.is_certified else "NOT CERTIFIED")
    return "\n".join(lines)


def _printable(text: str) -> str:
    """Remove the characters that XML 1.0 cannot hold."""
    return "".join(char for char in text if char in "\n\t" or char >= " ")
