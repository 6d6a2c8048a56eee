"""Positions in a table's stream, kept in a file so that a restart continues from there.

One JSON file per table: the sequence number of the last handled record of each shard. Sequence numbers of the
emulator have a fixed width, so text order is their order.
"""

from __future__ import annotations

import json
from pathlib import Path


def read(directory: Path, table: str) -> dict[str, str]:
    """Return the last handled sequence number by shard; empty for a stream that was never read."""
    try:
        positions: dict[str, str] = json.loads(_file(directory, table).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return positions


def write(directory: Path, table: str, positions: dict[str, str]) -> None:
    """Replace the table's checkpoint in one step, so that a crash leaves the old or the new."""
    directory.mkdir(parents=True, exist_ok=True)
    file = _file(directory, table)
    draft = file.with_suffix(".draft")
    draft.write_text(json.dumps(positions), encoding="utf-8")
    draft.replace(file)


def oldest(directory: Path, table: str) -> str:
    """Return the sequence number up to which every shard was handled; "" when there is none."""
    return min(read(directory, table).values(), default="")


def _file(directory: Path, table: str) -> Path:
    return directory / f"{table}.json"
