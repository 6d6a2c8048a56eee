"""The peer: extrawest-ocpi in a virtual environment of its own, made on the first run.

Its dependencies are years older than ours, so it cannot live beside us. The first run needs PyPI; where
the peer cannot be installed or does not run, the report says so and our side is measured all the same.
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
    """Measure the peer; `{"error"}` when that is not possible."""
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
    told = (getattr(error, "stderr", None) or "").strip().splitlines()
    return told[-1] if told else str(error)
