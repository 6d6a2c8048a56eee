"""All documents that the nodes of the certification sent and answered, judged by the Foundation's OpenAPI.

The last test of this folder (`tests/conftest.py`), so that all rows of the plan have been shown before it.
Source: X-11
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from certification.nodes import Nodes
from tests.oracle.judging import expect_judged_well


def test_every_document_of_the_run_is_right_by_the_openapi_documents(
    sandbox_nodes: Nodes, recorded: Path, record_property: Callable[[str, object], None]
) -> None:
    expect_judged_well(recorded, record_property)
