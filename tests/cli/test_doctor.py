"""Tests of `./ocpi doctor`: it reports failed and passed checks."""

from __future__ import annotations

import pytest

from cli import doctor
from cli.nodes import NodeChoice


def findings(choice: NodeChoice) -> dict[str, doctor.Finding]:
    return {finding.what: finding for finding in doctor.examine(choice)}


def test_doctor_checks_this_machine() -> None:
    found = findings(NodeChoice("cpo", "http://127.0.0.1:1/operator", "k"))

    assert found["python"].is_fine
    assert "requirements" in found


def test_a_requirement_of_another_version_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        doctor, "_requirement_lines", lambda: iter(["-r more.txt", "nosuch[x]==1.0  # why", "# no"])
    )

    found = findings(NodeChoice("cpo", "http://127.0.0.1:1/operator", "k"))["requirements"]

    assert not found.is_fine
    assert found.detail == "not as pinned: nosuch==1.0"


def test_a_node_that_does_not_answer_is_reported() -> None:
    found = findings(NodeChoice("cpo", "http://127.0.0.1:1/operator", "k"))

    assert not found["versions"].is_fine
    assert not found["operator API"].is_fine
    assert "http://127.0.0.1:1/ocpi/versions" in found["versions"].detail
