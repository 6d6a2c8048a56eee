"""An emulator, and a sandbox of toy nodes, for the tests of the local runner."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from infra.local.emulator import Emulator
from infra.local.sandbox import Sandbox

TOY = "tests.infra.toy_app:app"


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    running = Emulator(tmp_path_factory.mktemp("emulator"), persist=False)
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def toys() -> Iterator[Sandbox]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_PROFILE", "a-persons-own")
        patch.setenv("AWS_ACCESS_KEY_ID", "a-persons-own")
        changed = {"hub": {"OCPI_TOY": "only the hub's"}}
        with Sandbox(app=TOY, connected=False, environment=changed) as sandbox:
            yield sandbox
