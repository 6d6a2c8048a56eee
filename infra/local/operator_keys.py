"""Operator keys of a sandbox: made once, kept in its folder, given to its nodes."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable
from pathlib import Path


def read_or_make(state_dir: Path, names: Iterable[str]) -> dict[str, str]:
    """Return the key of each node, the same at every start."""
    file = state_dir / "operator-keys.json"
    known: dict[str, str] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    keys = known | {name: secrets.token_urlsafe(24) for name in names if name not in known}
    if keys != known:
        with open(os.open(file, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
            json.dump(keys, out, indent=2)
    return keys
