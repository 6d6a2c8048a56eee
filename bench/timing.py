"""How a call is timed, the same for both sides; the standard library alone.

What is counted is CPU time, so that whatever else the machine does does not count. Of the repetitions we
tell the minimum and the median. The collector runs as always, but what was made before the measurement is put
out of its reach, so that nobody pays for the size of his surroundings.
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
    """Minimum and median in µs, and of how many."""
    return {
        "min_us": round(min(seconds) * 1e6),
        "median_us": round(median(seconds) * 1e6),
        "repetitions": len(seconds),
    }


def repetitions(repeats: int, share: float) -> int:
    """How often an operation is measured."""
    return max(1, round(repeats * share))


def settle() -> None:
    """Put everything that is there now out of the collector's reach."""
    gc.collect()
    gc.freeze()


def time_in_fresh_processes(python: str, statement: str, repeats: int, folder: Path) -> dict[str, Any]:
    """Run a statement in processes of their own and time it from within; the first run is not counted."""
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
