"""The benchmark runs: every operation succeeds on our side and is in the report. Times are not checked.

Source: docs/design.md, Storage and what it may cost
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.workload import OPERATIONS

ROOT = Path(__file__).parent.parent.parent
MOST_CALLS = {"versions": 1, "put_location": 2, "patch_evse": 3, "get_locations": 4, "put_tariff": 2}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """The output and the report of one short run."""
    report = tmp_path_factory.mktemp("bench") / "report.json"
    options = ["--repeats", "2", "--without-peer", "--tariffs", "0", "--report", str(report)]
    ran = subprocess.run(
        [sys.executable, "-m", "bench", *options], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout, json.loads(report.read_text())


def test_every_operation_is_measured_both_ways(run: tuple[str, dict[str, Any]]) -> None:
    table, report = run

    for way in ("endpoint", "application"):
        assert set(report["ours"][way]) == {operation.name for operation in OPERATIONS}
    assert all(operation.title in table for operation in OPERATIONS)


def test_operations_make_no_more_calls_than_the_design_allows(run: tuple[str, dict[str, Any]]) -> None:
    measured = run[1]["ours"]["application"]

    calls = {name: measured[name]["dynamodb_calls"] for name in MOST_CALLS}

    assert all(calls[name] <= most for name, most in MOST_CALLS.items()), calls
