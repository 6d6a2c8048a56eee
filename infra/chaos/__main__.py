"""`make chaos`: injects many faults at once, and counts the broken promises.

The exit code is 0 only when nothing was lost, stale or doubled, no healthy partner was late, and every change
was taken in the end. All processes end with the run. `--sabotage` proves that the run can fail: the fault
layer throws queue messages away, and the exit code must be 1.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from infra.chaos import report
from infra.chaos.run import ChaosRun, Plan
from infra.chaos.weather import Weather
from infra.local.children import PROJECT

SWALLOWED = 0.1
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Stop(BaseException):
    """Raised by a signal that ends the run."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Make one run. Returns the exit code."""
    options = _read_arguments(arguments)
    for number in ENDING:
        signal.signal(number, _stop)
    state_dir = options.folder / "sandbox"
    shutil.rmtree(state_dir, ignore_errors=True)
    run = ChaosRun(_plan(options), state_dir, _print)
    try:
        return _run(run, options.folder)
    except _Stop:
        _print("\nStopping ...")
        return 130
    finally:
        # Ignore a second Ctrl-C, so that the cleaning up is complete.
        for number in ENDING:
            signal.signal(number, signal.SIG_IGN)
        run.stop()


def _run(run: ChaosRun, folder: Path) -> int:
    run.set_up()
    run.make_chaos()
    run.settle()
    rows, counts = run.rows(), run.counts()
    is_held = report.holds(rows, run.errors, counts)
    file = report.save(folder, report.as_document(run, rows, counts, is_held))
    _print(report.write_injected(counts))
    _print(report.write_table(rows))
    for error in run.errors:
        _print(f"  {type(error).__name__}: {error}")
    if findings := report.write_findings(rows):
        _print(findings)
    outcome = f"right after {run.settled_s:.0f} s" if run.settled_s is not None else "never right"
    _print(f"\n{'HOLDS' if is_held else 'BROKEN'}: {report.write_verdict(rows)}; {outcome}; see {file}")
    return 0 if is_held else 1


def _plan(options: argparse.Namespace) -> Plan:
    weather = Weather(
        seed=options.seed,
        rate=0.02,
        storms=0.04,
        storm_rate=0.8,
        duplicates=0.05,
        swallowed=SWALLOWED if options.sabotage else 0.0,
    )
    return Plan(options.seed, options.seconds, options.settle, options.pause, weather)


def _read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=1, help="of all random numbers")
    parser.add_argument("--seconds", type=float, default=120, help="how long changes are made")
    parser.add_argument(
        "--settle", type=float, default=240, help="time limit until all receivers are correct"
    )
    parser.add_argument("--pause", type=float, default=0.5, help="between two changes of one owner")
    parser.add_argument("--folder", type=Path, default=PROJECT / ".local" / "chaos")
    parser.add_argument("--sabotage", action="store_true", help="lose queue messages: the run must fail")
    return parser.parse_args(arguments)


def _stop(*_: object) -> None:
    raise _Stop


def _print(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
