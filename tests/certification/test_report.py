"""A run is reported for machines, terminals and people."""

from __future__ import annotations

import json
from xml.etree import ElementTree

from certification.page import write_page
from certification.plan import Row
from certification.report import Finding, Report, Status, summary, table_line, write_json, write_junit
from certification.trial import Trial


def shown(trial: Trial) -> None: ...


PASSED = Finding(Row("2.1", "Create tariff", "CPO", True, shown), Status.PASSED, 1.23456, ("seen <here>",))
FAILED = Finding(
    Row("2.2", "Update tariff", "CPO", True, shown),
    Status.FAILED,
    2.0,
    ("so far so good", "a <b>\x00 new price"),
)
OPTIONAL_FAILED = Finding(Row("2.4", "Get all tariffs", "MOBI.E", False, shown), Status.FAILED, 1.0, ("x",))
MISSING = Finding(Row("4.1", "Authorize valid RFID token", "CPO", True), Status.NOT_IMPLEMENTED, 0.0, ())


def test_report_json_has_the_agreed_shape() -> None:
    document = json.loads(write_json(Report([PASSED, FAILED, MISSING])))

    assert document["scenarios"][0] == {
        "id": "2.1",
        "name": "Create tariff",
        "mandatory": True,
        "status": "passed",
        "seconds": 1.235,
        "evidence": ["seen <here>"],
    }
    assert [each["status"] for each in document["scenarios"]] == ["passed", "failed", "not implemented"]
    assert {name: document[name] for name in ("passed", "failed", "not_implemented")} == {
        "passed": 1,
        "failed": 1,
        "not_implemented": 1,
    }


def test_a_run_is_certified_when_every_mandatory_row_passed() -> None:
    assert Report([PASSED, OPTIONAL_FAILED]).is_certified
    assert not Report([PASSED, FAILED]).is_certified
    assert not Report([PASSED, MISSING]).is_certified


def test_junit_counts_failures_and_skips_rows_that_are_not_implemented() -> None:
    suite = ElementTree.fromstring(write_junit(Report([PASSED, FAILED, MISSING])))

    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("3", "1", "1")
    failure = suite.find("testcase/failure")
    assert failure is not None and failure.get("message") == "a <b> new price"
    assert suite.find("testcase[@name='4.1 Authorize valid RFID token']/skipped") is not None


def test_the_table_shows_the_expectation_of_a_failed_row() -> None:
    assert "FAILED" in table_line(FAILED) and "expected: a <b>" in table_line(FAILED)
    assert "not implemented" in table_line(MISSING) and " s" not in table_line(MISSING)


def test_the_summary_counts_the_mandatory_rows_that_are_not_implemented() -> None:
    text = summary(Report([PASSED, MISSING]))

    assert "1 passed, 0 failed, 1 not implemented" in text
    assert "1 mandatory row not implemented yet: 4.1" in text
    assert text.endswith("NOT CERTIFIED")


def test_the_page_is_self_contained_and_escapes_its_texts() -> None:
    page = write_page(Report([PASSED, FAILED, MISSING]), "2026-01-01", ["Node(CPO <PT>)"])

    assert "seen &lt;here&gt;" in page and "a &lt;b&gt;" in page and "CPO &lt;PT&gt;" in page
    assert "http://" not in page and "https://" not in page and "<script" not in page
