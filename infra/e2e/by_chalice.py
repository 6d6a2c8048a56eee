"""A stage that `make deploy` deploys, as a person would, into an account of its own beside the stacks.

Chalice's own deployer makes the functions, the API, the event sources and the schedules. The differences to
AWS are those of the packages (`packages.py`), the folder of Chalice's record, and no wait for new roles to
become known.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from unittest.mock import patch

from infra import package
from infra.deploy import __main__ as command
from infra.deploy import functions
from infra.e2e.cloud import Account
from infra.e2e.packages import adapt
from infra.local.children import PROJECT, clean_environment

_CHALICE = """
import sys, time
really = time.sleep
time.sleep = lambda seconds: really(min(seconds, 0.2))
from infra.deploy import run_chalice
run_chalice.main(*sys.argv[1:])
"""


class ByChalice:
    """`make deploy` of one stage. record: the folder of Chalice's record of its resources."""

    def __init__(self, account: Account, stage: str, public_url: str, record: Path) -> None:
        self._account = account
        self._stage = stage
        self._public_url = public_url
        self._record = record

    def deploy(self, release: str = "") -> list[str]:
        """Deploy the stage. Returns a line for each step of the deployment.

        release: code that is added to the copy of app.py that is packaged.
        """
        steps: list[str] = []
        build = package.build

        def build_for_this_machine(stage: str, folder: Path, environment: Mapping[str, str]) -> None:
            build(stage, folder, environment)
            adapt(folder / ".chalice" / "config.json", stage, self._public_url)
            with (folder / "app.py").open("a", encoding="utf-8") as app:
                app.write(release)

        with (
            patch.object(package, "build", build_for_this_machine),
            patch.object(functions, "DEPLOYED", self._record),
        ):
            command.deploy(self._stage, self._account.client, steps.append, self._run)
        return steps

    def api_id(self) -> str:
        """Id of the API that Chalice made."""
        with patch.object(functions, "DEPLOYED", self._record):
            found = functions.api_id(self._stage)
        assert found is not None, "Chalice has made one"
        return found

    def event_sources(self) -> list[tuple[str, ...]]:
        """Event sources of all functions: their ids, and the settings that Chalice does not support."""
        found = self._account.client("lambda").list_event_source_mappings()["EventSourceMappings"]
        names = ("UUID", "FunctionArn", "EventSourceArn", "FunctionResponseTypes", "FilterCriteria")
        return sorted(tuple(str(each.get(name)) for name in names) for each in found)

    def _run(self, action: str, stage: str, folder: Path, added: Mapping[str, str]) -> None:
        environment = {**clean_environment(), **self._account.environment(), **added}
        subprocess.run(
            [sys.executable, "-c", _CHALICE, action, stage, str(folder)],
            check=True,
            cwd=PROJECT,
            env={**environment, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
        )
