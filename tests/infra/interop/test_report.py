"""The table of an interop run, and the programs that it is about."""

from __future__ import annotations

import pytest

from infra.interop.environments import REQUIREMENTS, Environment
from infra.interop.exchange import SENDS, Result
from infra.interop.programs import PROGRAMS, Program
from infra.interop.report import Trial, lines_of

PROGRAM = Program("theirs", "their_models", expected={"CPO at emsp": 2})


def trial(*reasons: str | None) -> Trial:
    result = Result("CPO", "emsp")
    for reason in reasons:
        result.count("tariffs", "all", reason)
    return Trial(PROGRAM, "1.0", result)


def test_a_trial_fails_when_fewer_objects_are_taken_than_recorded() -> None:
    assert trial(None, None, "2001 id: required").is_as_expected
    assert not trial(None, "2001 id: required").is_as_expected


def test_each_refusal_is_a_line_with_its_reason() -> None:
    row, *rest = lines_of(trial(None, "2001 id: required"))

    assert row.split() == ["theirs", "1.0", "2.2.1", "CPO", "emsp", "2", "1", "2", "0/0"]
    assert [line.split(maxsplit=1) for line in rest] == [["refused", "tariffs (all): 2001 id: required"]]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_each_program_is_pinned_with_its_reason(program: Program) -> None:
    text = (REQUIREMENTS / f"{program.name}.txt").read_text(encoding="utf-8")

    assert text.startswith("# ")
    assert Environment(program, REQUIREMENTS).version


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_expectations_name_a_role_and_a_node(program: Program) -> None:
    keys = {f"{role}{server} at {node}" for role, node in SENDS for server in ("", " server")}

    assert set(program.expected) <= keys
