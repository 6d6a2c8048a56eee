"""Timing of a call, the same for both sides, with the standard library only.

It measures CPU time, so that other work of the machine has no influence. The report has the minimum and the
median of the repetitions. The garbage collector runs as usual, but objects that exist before the measurement
are frozen, so that their number has no influence on the time.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

WARM_UP = 10


def summarise(seconds: Sequence[float]) -> dict[str, Any]:
    """Minimum and median in µs, and the number of repetitions."""
    return {
        "min_us": round(min(seconds) * 1e6),
        "median_us": round(median(seconds) * 1e6),
        "repetitions": len(seconds),
    }


def repetitions(repeats: int, share: float) -> int:
    """The number of repetitions of an operation. share: of `repeats`; the result is at least 1."""
    return max(1, round(repeats * share))


def settle() -> None:
    """Collect garbage, and freeze all remaining objects for the collector."""
    gc.collect()
    gc.freeze()


def time_in_fresh_processes(python: str, statement: str, repeats: int, folder: Path) -> dict[str, Any]:
    """Time a statement inside fresh processes; the first run is not counted."""
    program = (
        "import sys, time; started = time.process_time(); "
        f"exec({statement!r}); print(time.process_time() - started, file=sys.__stdout__)"
    )
    seconds = []
    for _ in range(repeats + 1):
        ran = subprocess.run(
            [python, "-c", program], cwd=folder, env=os.environ, capture_output=True, text=True, check=False
        )
        if ran.returncode:
            sys.exit(ran.stderr)
        seconds.append(float(ran.stdout.split()[-1]))
    return summarise(seconds[1:])
