"""The report as text: one line per operation, ours beside the peer's, and what each number includes."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from bench.workload import OPERATIONS

_WIDTH = 100


def write_table(measured: Mapping[str, Any]) -> str:
    """Write the results as a table for a terminal."""
    ours, peer = measured["ours"], measured.get("peer", {"name": "no peer", "version": ""})
    name = f"{peer['name']} {peer['version']}".strip()
    rows = [["", "endpoint", "application", name, "DynamoDB calls"]]
    for operation in OPERATIONS:
        asked = ours["application"][operation.name]["dynamodb_calls"]
        rows.append(
            [
                operation.title,
                _times(ours["endpoint"].get(operation.name)),
                _times(ours["application"].get(operation.name)),
                _times(peer.get("application", {}).get(operation.name)),
                str(asked),
            ]
        )
    rows.append(["import, fresh process", "", _times(ours["import"]), _times(peer.get("import")), ""])
    title = (
        f"CPU time per call in µs, minimum / median of {measured['repeats']} or fewer repetitions "
        f"(Python {measured['python']}, {measured['machine']}, load {measured['load']:.1f})"
    )
    notes = [f"endpoint, application: {ours['includes']}."]
    if "error" in peer:
        notes.append(f"{name} could not be measured: {peer['error']}")
    elif "includes" in peer:
        notes.append(f"{name}: {peer['includes']}.")
    return "\n\n".join([_wrap(title), _align(rows), *map(_wrap, notes)])


def _times(times: Mapping[str, Any] | None) -> str:
    return f"{times['min_us']:,} / {times['median_us']:,}" if times else "-"


def _align(rows: list[list[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        )
        for row in rows
    )


def _wrap(text: str) -> str:
    return textwrap.fill(text, _WIDTH)
