"""The peer: extrawest-ocpi in a virtual environment of its own, created on the first run.

Its dependencies are years older than ours, so it needs another environment. The first run needs PyPI. When
the peer cannot be installed or does not run, the report has the error, and our side is measured anyway.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".local" / "bench" / "peer-venv"
NAME, VERSION = "extrawest-ocpi", "2025.7.16"
_PYTHON = FOLDER / "bin" / "python"
_INSTALL_SECONDS, _RUN_SECONDS = 300, 900


def measure(repeats: int) -> dict[str, Any]:
    """Measure the peer; returns `{"error"}` when that is not possible."""
    try:
        if not _is_installed():
            _run([sys.executable, "-m", "venv", "--clear", str(FOLDER)], _INSTALL_SECONDS)
            pip = [str(_PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            _run([*pip, f"{NAME}=={VERSION}"], _INSTALL_SECONDS)
        measured: dict[str, Any] = json.loads(
            _run([str(_PYTHON), "-m", "bench.peer_calls", str(repeats)], _RUN_SECONDS)
        )
    except (OSError, subprocess.SubprocessError) as error:
        return {"error": _explain(error)}
    return measured


def _is_installed() -> bool:
    folder = NAME.replace("-", "_")
    return any(FOLDER.glob(f"lib/python*/site-packages/{folder}-{VERSION}.dist-info"))


def _run(command: list[str], seconds: float) -> str:
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=seconds
    ).stdout


def _explain(error: Exception) -> str:
    lines = (getattr(error, "stderr", None) or "").strip().splitlines()
    return lines[-1] if lines else str(error)
