"""`make bench`: CPU time per call, of this node and of a peer, and the cost of pages of a long list.

The times are for people to compare; no limit is checked. The two sides run one after the other, each in a
process of its own, on the same requests (`workload.py`).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench import peer, report

ROOT = Path(__file__).parent.parent
REPORT = ROOT / ".local" / "bench" / "report.json"


def main() -> None:
    """Measure, print the table, write the report."""
    arguments = _read_arguments()
    measured = {
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "load": os.getloadavg()[0],
        "repeats": arguments.repeats,
        "ours": _measure_ours(arguments.repeats),
    }
    if not arguments.without_peer:
        measured["peer"] = {"name": peer.NAME, "version": peer.VERSION, **peer.measure(arguments.repeats)}
    arguments.report.parent.mkdir(parents=True, exist_ok=True)
    arguments.report.write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")
    print(report.write_table(measured))
    print(f"\nThe same as JSON: {arguments.report}\n", flush=True)
    if arguments.tariffs:
        print(f"Pages of {arguments.tariffs:,} tariffs on the emulator; this takes minutes ...", flush=True)
        paging = [sys.executable, "-m", "bench.paging", str(arguments.tariffs)]
        sys.exit(subprocess.run(paging, cwd=ROOT, check=False).returncode)


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure what a call costs.")
    parser.add_argument("--repeats", type=int, default=300, help="how often each operation is repeated")
    parser.add_argument("--without-peer", action="store_true", help="measure our side only")
    parser.add_argument("--tariffs", type=int, default=100_000, help="how long a list is paged; 0 for none")
    parser.add_argument("--report", type=Path, default=REPORT, help="where the JSON goes")
    return parser.parse_args()


def _measure_ours(repeats: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.calls", str(repeats)]
    ran = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    measured: dict[str, Any] = json.loads(ran.stdout)
    return measured


if __name__ == "__main__":
    main()
