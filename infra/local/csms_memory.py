"""State of the simulated CSMS that survives a restart: its webhook's secret, and its active sessions."""

from __future__ import annotations

import json
import os
from pathlib import Path


class Memory:
    """One small file, written again at each change."""

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            found = {}
        self.secret: str = found.get("secret", "")
        self.running: dict[str, list[str]] = found.get("running", {})

    def keep_secret(self, secret: str) -> None:
        """Store the secret of the webhook's signatures."""
        self.secret = secret
        self._write()

    def add(self, session_id: str, location_id: str, evse_uid: str) -> None:
        """Store that a session is active at an EVSE."""
        self.running[session_id] = [location_id, evse_uid]
        self._write()

    def remove(self, session_id: str) -> None:
        """Remove a session that has ended."""
        self.running.pop(session_id, None)
        self._write()

    def _write(self) -> None:
        draft = self._file.with_suffix(".draft")
        with open(os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
            json.dump({"secret": self.secret, "running": self.running}, out)
        draft.replace(self._file)
