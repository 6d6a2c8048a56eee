"""`make e2e`: deploys the packaged app with CloudFormation, runs its handlers as Lambdas, and runs the plan.

Three stages run in one account of ministack: hub, CPO and eMSP. The steps after deploying are those on AWS:
operator keys with `./ocpi operator-key`, an invitation, a registration. Then the certification runs against
the nodes' URLs, new code is deployed while changes go on, a partner is unreachable for a while, a stage is
deployed by Chalice itself, and the calls of each function are compared with its role.

The exit code is 0 only when every step passed. All processes end with the run. `--only` runs single steps,
and the steps that they need.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from infra.e2e.run import Run
from infra.local.children import PROJECT

PORT = 9180

Step = Callable[[Run], str]
NEEDED: tuple[tuple[str, Step], ...] = (
    ("package", Run.package),
    ("deploy", Run.deploy),
    ("connect", Run.connect),
)
"""If one of these fails, the rest cannot run."""
STEPS: tuple[tuple[str, Step], ...] = (
    ("again", Run.deploy_again),
    ("certification", Run.certify),
    ("schedules", Run.see_schedules),
    ("traffic", Run.deploy_under_traffic),
    ("away", Run.be_away),
    ("chalice", Run.deploy_by_chalice),
    ("roles", Run.compare_roles),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all steps. Returns the exit code."""
    options = _read_arguments(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    folder: Path = options.folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    run = Run(folder, options.port)
    steps = [step for step in STEPS if not options.only or step[0] in options.only]
    started = time.monotonic()
    lines: list[str] = []
    passed = 0
    try:
        for step in (*NEEDED, *steps):
            line, is_fine = _take(*step, run)
            lines.append(line)
            passed += is_fine
            if step in NEEDED and not is_fine:
                break
    finally:
        run.stop()
    print("\n" + "\n".join(lines))
    count = len(NEEDED) + len(steps)
    print(f"\n{passed} of {count} steps passed in {time.monotonic() - started:.0f} s")
    return 0 if passed == count else 1


def _take(name: str, step: Step, run: Run) -> tuple[str, bool]:
    """Run a step. Returns its result as a line, and whether it passed."""
    print(f"-- {(step.__doc__ or '').partition('.')[0]}", flush=True)
    started = time.monotonic()
    try:
        outcome, is_fine = step(run), True
    except subprocess.CalledProcessError as error:
        outcome, is_fine = f"{error} {error.stderr or ''}", False
    except Exception as error:  # an unexpected error counts as a failed step
        outcome, is_fine = f"{type(error).__name__}: {error}", False
    mark = "passed" if is_fine else "FAILED"
    line = f"{name:<14} {mark} {time.monotonic() - started:6.0f} s  {outcome}"
    print(line, flush=True)
    return line, is_fine


def _read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make e2e", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--port", type=int, default=PORT, help="of AWS; the next are the nodes'")
    parser.add_argument("--folder", type=Path, default=PROJECT / ".local" / "e2e")
    parser.add_argument("--only", action="append", choices=[name for name, _ in STEPS], help="repeat")
    return parser.parse_args(arguments)


def _stop(*_: object) -> None:
    raise SystemExit(143)


if __name__ == "__main__":
    sys.exit(main())
