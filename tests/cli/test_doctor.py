"""The doctor says what is wrong and what is not."""

from __future__ import annotations

import pytest

from cli import doctor
from cli.nodes import NodeChoice


def findings(choice: NodeChoice) -> dict[str, doctor.Finding]:
    return {finding.what: finding for finding in doctor.examine(choice)}


def test_this_machine_is_looked_at() -> None:
    found = findings(NodeChoice("cpo", "http://127.0.0.1:1/operator", "k"))

    assert found["python"].is_fine
    assert "requirements" in found


def test_a_requirement_that_is_not_as_pinned_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        doctor, "_requirement_lines", lambda: iter(["-r more.txt", "nosuch[x]==1.0  # why", "# no"])
    )

    found = findings(NodeChoice("cpo", "http://127.0.0.1:1/operator", "k"))["requirements"]

    assert not found.is_fine
    assert found.told == "not as pinned: nosuch==1.0"


def test_a_node_that_does_not_answer_is_named() -> None:
    found = findings(NodeChoice("cpo", "http://127.0.0.1:1/operator", "k"))

    assert not found["versions"].is_fine
    assert not found["operator door"].is_fine
    assert "http://127.0.0.1:1/ocpi/versions" in found["versions"].told
