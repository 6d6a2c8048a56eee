"""Nodes for the certification's tests: a description without nodes, and a running sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from certification.nodes import ROLES, Nodes, read_nodes
from tests.oracle.recorder import recording


@pytest.fixture
def some_nodes() -> Nodes:
    """A description of nodes that do not run."""
    return read_nodes(
        {
            role: {
                "versions_url": f"http://127.0.0.1:9/{role}/versions",
                "operator_url": f"http://127.0.0.1:9/{role}/operator",
                "operator_key": f"key-of-{role}",
                "country_code": "PT",
                "party_id": role[:3].upper(),
            }
            for role in ROLES
        }
    )


@pytest.fixture(scope="package")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with what the sandbox's nodes have sent and answered."""
    return tmp_path_factory.mktemp("recorded")


@pytest.fixture(scope="package")
def sandbox_nodes(recorded: Path) -> Iterator[Nodes]:
    """Three running, connected nodes with a small CPO; one sandbox for all tests that need it."""
    from infra.local.sandbox import Sandbox

    environment = recording(recorded)
    # 5.3 waits for the timeout of the CSMS, chapter 7 for the timer that makes CDRs.
    environment["cpo"]["OCPI_COMMAND_SECONDS"] = "3"
    with Sandbox(seed_sites=12, environment=environment, app="tests.flows.quick_timers:app") as sandbox:
        yield read_nodes(sandbox.describe())
