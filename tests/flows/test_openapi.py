"""All documents that the nodes of the flows sent and answered, judged by the Foundation's OpenAPI.

The last test of this folder (`tests/conftest.py`), so that all flows have run before it.
Source: X-11
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.oracle.judging import expect_judged_well
from tests.third_party.operator_door import Node


def test_every_document_of_the_flows_is_right_by_the_openapi_documents(
    nodes: dict[str, Node], recorded: Path, record_property: Callable[[str, object], None]
) -> None:
    expect_judged_well(recorded, record_property)
