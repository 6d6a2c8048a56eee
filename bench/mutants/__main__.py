"""`make mutants`: puts small faults into the code, one at a time, and counts those that the tests find.

A test suite that covers every line can still miss faults. So each guarded module (`modules.py`) is changed in
many small ways: a comparison flipped, a bound moved by one, half a condition dropped, a write left out. The
tests of its folder run against each change. A change that no test finds is behaviour that can break unseen.

cosmic-ray makes the changes. It is used as a library, because its own sessions have one test command for all
modules, and random ids, so that no sample and no result is valid after an edit. `operators.py` adds more
changes. mutmut 3 does not fit: it changes every text and every argument of a log line, leaves out constants
of modules and classes, and runs all tests that touch a function instead of those of its folder.

It works on a copy of the tree, so the files of the worktree stay as they are and can be edited meanwhile. A
result is stored under the hash of the changed file, and an interrupted run continues where it ended. A change
that was found counts as found until its module changes; a survivor is tried again when a test of its folder
has changed.
"""

from __future__ import annotations

import argparse
import fcntl
import fnmatch
import functools
import hashlib
import json
import os
import random
import shlex
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from cosmic_ray.testing import run_tests
from cosmic_ray.work_item import TestOutcome

from bench.mutants.changes import Mutant, Place, make_mutant, places_of
from bench.mutants.modules import guarded_modules, judges_of

ROOT = Path(__file__).parent.parent.parent
HOME = ROOT / ".local" / "mutants"
TREE = HOME / "tree"
RESULTS = HOME / "results.jsonl"
SEED = 20261129
LEAST_SECONDS = 20.0
PYTEST = (
    *(str(ROOT / ".venv/bin/python"), "-m", "pytest", "-x", "-q", "--no-header", "--tb=no"),
    *("-p", "no:cacheprovider", "--hypothesis-seed=0"),
)
NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv", ".local", "out", "__pycache__", ".*_cache", ".hypothesis"
)


@dataclass
class Tally:
    """Results of the mutants of one module."""

    places: int = 0
    tried: int = 0
    found: int = 0

    def row(self, name: str) -> str:
        """A line of the table."""
        share = f"{100 * self.found / self.tried:5.0f} %" if self.tried else "      -"
        return f"{name:44} {self.places:6} {self.tried:6} {self.found:6} {share}"


def main() -> int:
    """Try the chosen mutants, print the survivors and the table. Returns 1 below the wanted share."""
    arguments = _read_arguments()
    modules = [m for m in guarded_modules(ROOT) if _is_chosen(m, arguments.modules)]
    lock = (HOME / "lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)  # one run at a time uses the copy
    _copy_tree()
    os.chdir(TREE)  # where cosmic-ray starts the tests
    places = {module: places_of(module, TREE) for module in modules}
    tallies = {module: Tally(len(of_module)) for module, of_module in places.items()}
    known = _read_results()
    for mutant in _draw(places, arguments.sample):
        tally = tallies[mutant.module]
        tally.tried += 1
        if _is_found(mutant, known):
            tally.found += 1
        else:
            print(f"survived  {mutant}", flush=True)
    print(_table(tallies))
    total = _total(tallies.values())
    return int(total.found * 100 < total.tried * arguments.least)


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make mutants", description="How many small faults the tests find.")
    parser.add_argument(
        "modules", nargs="*", help="paths or parts of paths, such as storage/cursor; none is all"
    )
    parser.add_argument("--sample", type=int, default=0, help="how many mutants to try in all; 0 is all")
    parser.add_argument(
        "--least", type=int, default=90, help="the share in percent below which the run fails"
    )
    return parser.parse_args()


def _is_chosen(module: str, wanted: Sequence[str]) -> bool:
    return not wanted or any(part in module or fnmatch.fnmatch(module, part) for part in wanted)


def _copy_tree() -> None:
    shutil.rmtree(TREE, ignore_errors=True)
    shutil.copytree(ROOT, TREE, ignore=NOT_COPIED)


def _draw(places: dict[str, list[Place]], sample: int) -> Iterator[Mutant]:
    """The mutants to try: the same share of each module, and the same ones in each run."""
    total = sum(map(len, places.values()))
    for module, of_module in places.items():
        random.Random(f"{SEED} {module}").shuffle(of_module)
        share = -(-sample * len(of_module) // total) if sample else len(of_module)
        made = (make_mutant(place, TREE) for place in of_module)
        different = {mutant.key: mutant for mutant in islice(filter(None, made), share)}
        yield from different.values()


# -- trying them -------------------------------------------------------------------------------------


def _is_found(mutant: Mutant, known: dict[str, str]) -> bool:
    """Return True when a test finds a mutant; a known result of an earlier run is used again."""
    digest = _digest_of_tests(mutant.module)
    outcome = known.get(mutant.key)
    if outcome not in ("found", digest):
        outcome = "found" if _try(mutant) else digest
        known[mutant.key] = outcome
        with RESULTS.open("a", encoding="utf-8") as file:
            file.write(json.dumps([mutant.key, outcome]) + "\n")
    return outcome == "found"


def _read_results() -> dict[str, str]:
    if not RESULTS.exists():
        return {}
    return dict(json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines())


@functools.cache
def _digest_of_tests(module: str) -> str:
    files = [file for run in judges_of(module, TREE) for path in run for file in _files(TREE / path)]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def _files(path: Path) -> Iterable[Path]:
    return [path] if path.is_file() else sorted(path.glob("*.py"))


def _try(mutant: Mutant) -> bool:
    """Put a mutant in place and run the nearest tests, then the other ones until one finds it."""
    runs = judges_of(mutant.module, TREE)
    file = TREE / mutant.module
    source = file.read_text(encoding="utf-8")
    for run in runs:
        limit = _limit_of(run)
        file.write_text(mutant.code, encoding="utf-8")
        try:
            outcome, _ = run_tests(shlex.join([*PYTEST, *run]), limit)
        finally:
            file.write_text(source, encoding="utf-8")
        if outcome != TestOutcome.SURVIVED:
            return True
    return False


@functools.cache
def _limit_of(run: tuple[str, ...]) -> float:
    """The time limit of a test run with a mutant, derived from a run without one."""
    started = time.monotonic()
    outcome, output = run_tests(shlex.join([*PYTEST, *run]), 600)
    if outcome != TestOutcome.SURVIVED:
        sys.exit(f"{' '.join(run)} fails without any change:\n{output[-2000:]}")
    return LEAST_SECONDS + 3 * (time.monotonic() - started)


# -- the table ---------------------------------------------------------------------------------------


def _table(tallies: dict[str, Tally]) -> str:
    kinds = guarded_modules(ROOT)
    lines = [f"{'module':44} {'places':>6} {'tried':>6} {'found':>6}   share"]
    for kind in dict.fromkeys(kinds[module] for module in tallies):
        inside = {module: tally for module, tally in tallies.items() if kinds[module] == kind}
        lines += [tally.row(module.removeprefix("chalicelib/")) for module, tally in inside.items()]
        lines += [_total(inside.values()).row(f"= {kind}"), ""]
    return "\n".join([*lines, _total(tallies.values()).row("= all")])


def _total(tallies: Iterable[Tally]) -> Tally:
    total = Tally()
    for tally in tallies:
        total.places, total.tried, total.found = (
            total.places + tally.places, total.tried + tally.tried, total.found + tally.found
        )  # fmt: skip
    return total


if __name__ == "__main__":
    sys.exit(main())
