"""The runner runs rows, reports them, and cleans up, whether a row passes or fails."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path

import pytest

from certification.nodes import Nodes
from certification.plan import Row
from certification.refuted import Refuted
from certification.report import Status
from certification.runner import main, run, run_row
from certification.trial import Trial
from certification.web import Web


def row(show: object) -> Row:
    return Row("2.1", "Create tariff", "CPO", True, show)  # type: ignore[arg-type]


@pytest.fixture
def trial(some_nodes: Nodes) -> Trial:
    return Trial(some_nodes, None, Web(), 0.1)


@pytest.fixture
def unfinished_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan with two rows that are not implemented."""
    rows = (Row("8.1", "Pay", "CPO", True), Row("8.2", "Pay later", "CPO", False))
    monkeypatch.setattr("certification.plan.PLAN", rows)


@pytest.fixture
def description(some_nodes: Nodes, tmp_path: Path) -> Path:
    file = tmp_path / "nodes.json"
    file.write_text(json.dumps({node.role.lower(): asdict(node) for node in some_nodes}))
    return file


def test_a_row_that_ends_without_an_error_has_passed(trial: Trial) -> None:
    finding = run_row(row(lambda trial: trial.note("seen")), trial)

    assert (finding.status, list(finding.evidence)) == (Status.PASSED, ["seen"])


def test_a_refuted_row_has_failed_and_its_last_evidence_is_the_reason(trial: Trial) -> None:
    def show(trial: Trial) -> None:
        trial.note("seen")
        trial.expect(False, "a new token")

    finding = run_row(row(show), trial)

    assert (finding.status, list(finding.evidence)) == (Status.FAILED, ["seen", "a new token"])


def test_an_unexpected_error_fails_the_row_and_not_the_run(trial: Trial) -> None:
    def show(trial: Trial) -> None:
        raise KeyError("elements")

    finding = run_row(row(show), trial)

    assert finding.status == Status.FAILED and "KeyError" in finding.evidence[-1]


def test_a_row_that_cannot_clean_up_has_failed(trial: Trial) -> None:
    def show(trial: Trial) -> None:
        def undo() -> None:
            raise Refuted("the tariff is deleted")

        trial.afterwards("tidy", undo)

    finding = run_row(row(show), trial)

    assert finding.status == Status.FAILED
    assert finding.evidence[-1] == "cleaning up: tidy: the tariff is deleted"


def test_cleaning_up_happens_after_a_failure_too(trial: Trial) -> None:
    undone: list[str] = []

    def show(trial: Trial) -> None:
        trial.afterwards("tidy", lambda: undone.append("done"))
        raise Refuted("first reason")

    finding = run_row(row(show), trial)

    assert undone == ["done"] and finding.evidence[-1] == "first reason"


def test_nodes_that_do_not_answer_fail_their_rows(some_nodes: Nodes) -> None:
    def show(trial: Trial) -> None:
        trial.cpo.partners()

    out = io.StringIO()
    report = run([row(show)], some_nodes, None, Web(), 0.1, out)

    assert report.findings[0].status == Status.FAILED
    assert "could not look for probes" in out.getvalue() and "FAILED" in out.getvalue()
    assert "key-of-cpo" not in out.getvalue()


@pytest.mark.usefixtures("unfinished_plan")
def test_mandatory_rows_that_are_not_implemented_end_in_exit_code_1(
    description: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["--sandbox", str(description), "--only", "8", "--out", str(tmp_path / "out")])

    assert code == 1
    assert "1 mandatory row not implemented yet: 8.1" in capsys.readouterr().out
    written = json.loads((tmp_path / "out/report.json").read_text())
    assert (written["passed"], written["failed"], written["not_implemented"]) == (0, 0, 2)
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"report.json", "junit.xml", "index.html"}


@pytest.mark.usefixtures("unfinished_plan")
def test_nodes_may_be_described_by_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--only", "8.2", "--out", str(tmp_path)]
    for role, party_id in (("cpo", "ABC"), ("hub", "MOB"), ("emsp", "EVI")):
        for name, value in (
            ("versions-url", f"http://127.0.0.1:9/{role}"),
            ("operator-url", f"http://127.0.0.1:9/{role}/operator"),
            ("operator-key", "secret-key"),
            ("country-code", "PT"),
            ("party-id", party_id),
        ):
            options += [f"--{role}-{name}", value]

    code = main(options)

    assert code == 0  # an optional row that is not implemented is no failure
    printed = capsys.readouterr().out
    assert "PT*ABC" in printed and "secret-key" not in printed


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--only", "9.9"], "not a row of the plan"),
        (["--cpo-versions-url", "http://127.0.0.1:9"], "cpo: operator_url"),
    ],
)
def test_options_that_cannot_be_run_end_in_exit_code_2(
    options: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(options) == 2
    assert why in capsys.readouterr().err
