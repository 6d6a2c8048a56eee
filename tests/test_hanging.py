"""Tests of the time limit: a test that hangs fails and does not stop the whole run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PYPROJECT = Path(__file__).parent.parent / "pyproject.toml"
HANGING = """
import threading

def test_that_hangs():
    threading.Event().wait()
"""


def test_every_test_has_a_time_limit(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.pluginmanager.hasplugin("timeout")
    assert 0 < float(pytestconfig.getini("timeout")) <= 180


def test_a_test_that_hangs_fails(tmp_path: Path) -> None:
    hanging = tmp_path / "test_hanging.py"
    hanging.write_text(HANGING)

    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-c", PYPROJECT, "--rootdir", tmp_path]
        + ["-p", "no:cacheprovider", "-o", "timeout=0.2", hanging],
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert ran.returncode == pytest.ExitCode.TESTS_FAILED
    assert "Timeout" in ran.stdout
