"""Fixtures of every folder of tests, and the distribution of the tests to the workers of pytest-xdist."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

from tests.harness.fixtures import account as account
from tests.harness.fixtures import in_moto as in_moto
from tests.harness.fixtures import moto as moto

ONE_SANDBOX = ("tests/certification/", "tests/flows/")
"""Folders whose tests share a sandbox of three nodes, so one worker runs all files of a folder."""

ALONE = ("tests/flows/test_chaos.py",)
"""Long files of these folders that need no sandbox."""

LONG = ("tests/infra/", *ALONE)
"""Tests that start right after those of the sandboxes, so that none of them is the last one to end."""


LAST_OF_SANDBOX = "test_openapi.py"
"""The file that judges what the others of its folder made the nodes send."""


class ByFileAndSandbox(LoadFileScheduling):
    """Gives a worker one file at a time, or all files that share a sandbox."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return _shared_sandbox(file) or file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    return ByFileAndSandbox(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_sessionstart(session: pytest.Session) -> None:
    """Import a share of the test files before the others.

    pytest rewrites the assertions of each file at its first import and caches the result. In a fresh clone
    each worker would rewrite all files; so each rewrites its share, and finds the others' results.
    """
    worker = getattr(session.config, "workerinput", None)
    if worker is None or session.config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
        return
    files = sorted(Path(__file__).parent.rglob("test_*.py"))
    for file in files[int(worker["workerid"].removeprefix("gw")) :: worker["workercount"]]:
        importlib.import_module(".".join(file.relative_to(session.config.rootpath).with_suffix("").parts))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest units of work first."""
    items.sort(key=lambda item: _rank(item.nodeid.split("::", 1)[0]))


def _rank(file: str) -> tuple[int, str, bool]:
    if shared := _shared_sandbox(file):
        return 0, shared, file.endswith(LAST_OF_SANDBOX)
    return (1 if file.startswith(LONG) else 2), "", False


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print how many documents the oracles judged (`tests/oracle/`)."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties if report.when == "call" else ():
            if name == "judged":
                terminalreporter.write_line(f"judged: {value}")


def _shared_sandbox(file: str) -> str:
    return next((folder for folder in ONE_SANDBOX if file.startswith(folder) and file not in ALONE), "")
