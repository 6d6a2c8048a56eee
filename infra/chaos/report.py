"""The table of a chaos run, and its JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from certification.ocpi import Document
from infra.chaos.run import ChaosRun
from infra.chaos.verdict import LATE_S, Row

SHOWN = 10
"""Most findings that are printed; all are in the JSON."""
LOST = ("lost", "missing CDR")
STALE = ("stale", "different")
DOUBLE = ("double CDR", "foreign CDR")
LATE = ("late",)


def holds(rows: Sequence[Row], errors: Sequence[Exception], counts: Mapping[str, Any]) -> bool:
    """Tell whether every promise was kept, and the run itself worked."""
    return not errors and not counts["not_accepted"] and not any(row.findings for row in rows)


def write_table(rows: Sequence[Row]) -> str:
    """Write a line for each receiver, and one for all."""
    lines = [
        f"{'receiver':<14}{'at':<5}{'trouble':<18}{'items':>6}{'changes':>8}{'CDRs':>6}{'lost':>6}{'stale':>6}"
        f"{'double':>7}{'late':>6}{'p50 s':>8}{'p99 s':>8}{'max s':>8}"
    ]
    for row in rows:
        lines.append(
            f"{row.receiver:<14}{row.at:<5}{row.trouble or '-':<18}"
            f"{row.items:>6}{len(row.delays_s):>8}{row.sessions:>6}"
            f"{row.count(*LOST):>6}{row.count(*STALE):>6}{row.count(*DOUBLE):>7}{_late(row):>6}"
            + "".join(f"{_seconds(row.delay_s(share)):>8}" for share in (0.5, 0.99, 1.0))
        )
    return "\n".join(lines)


def write_injected(counts: Mapping[str, Any]) -> str:
    """Write the injected faults."""
    kills = ", ".join(f"{name} {number}" for name, number in sorted(counts["kills"].items()))
    injected = ", ".join(f"{name} {number}" for name, number in sorted(counts["injected"].items()) if number)
    return "\n".join(
        [
            f"{counts['changes']} changes answered with 1000, {counts['sent_again']} requests sent again",
            f"killed: {kills}",
            f"of {counts['aws_calls']} AWS calls: {injected}",
        ]
    )


def write_verdict(rows: Sequence[Row]) -> str:
    """Write the promises, and how often each was broken."""
    promises = (
        (LOST, "lost"),
        (STALE, "stale"),
        (DOUBLE, "double CDRs"),
        (LATE, f"healthy later than {LATE_S:.0f} s"),
    )
    counted = [f"{sum(row.count(*kinds) for row in rows)} {name}" for kinds, name in promises]
    return ", ".join(counted)


def write_findings(rows: Sequence[Row]) -> str:
    """Write the first findings."""
    found = [finding for row in rows for finding in row.findings]
    lines = [f"  {each.receiver}: {each.kind} {each.what} {each.detail}" for each in found[:SHOWN]]
    more = [f"  ... and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    return "\n".join(lines + more)


def as_document(run: ChaosRun, rows: Sequence[Row], counts: Mapping[str, Any], is_held: bool) -> Document:
    """Write the run as a document for its JSON file."""
    return {
        "holds": is_held,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "load": round(os.getloadavg()[0], 1),
        "plan": asdict(run.plan),
        "settled_s": run.settled_s,
        "counts": dict(counts),
        "errors": [repr(error) for error in run.errors],
        "receivers": [_row_document(row) for row in rows],
    }


def save(folder: Path, document: Document) -> Path:
    """Write the JSON file. Returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "report.json"
    file.write_text(json.dumps(document, indent=2, default=str) + "\n", encoding="utf-8")
    return file


def _row_document(row: Row) -> Document:
    delays = {f"p{share * 100:.0f}_s": row.delay_s(share) for share in (0.5, 0.9, 0.99, 1.0)}
    return {**asdict(row), "delays_s": delays}


def _late(row: Row) -> str:
    return str(row.count(*LATE)) if row.is_timed else "-"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
