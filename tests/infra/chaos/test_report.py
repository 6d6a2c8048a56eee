from __future__ import annotations

import pytest

from infra.chaos.oracle import Finding
from infra.chaos.report import holds, write_findings, write_table, write_verdict
from infra.chaos.verdict import Row

COUNTS = {"not_accepted": 0}


def row(*kinds: str, trouble: str = "", delays: tuple[float, ...] = (0.5, 70.0)) -> Row:
    findings = [Finding(kind, "emsp-1", "tariffs/T1") for kind in kinds]
    return Row("emsp-1", "hub", trouble, 3, 1, findings, not trouble, delays)


def test_a_run_holds_only_without_findings_and_errors() -> None:
    assert holds([row()], [], COUNTS)
    assert not holds([row()], [RuntimeError("traffic")], COUNTS)
    assert not holds([row()], [], {"not_accepted": 1})


@pytest.mark.parametrize(
    "kind", ["lost", "stale", "different", "double CDR", "missing CDR", "foreign CDR", "late"]
)
def test_each_kind_of_finding_breaks_a_run_and_is_counted(kind: str) -> None:
    rows = [row(), row(kind)]

    assert not holds(rows, [], COUNTS)
    assert "1 " in write_verdict(rows)
    assert kind in write_findings(rows)


def test_lateness_is_not_judged_at_a_partner_that_is_bad() -> None:
    line = write_table([row(trouble="hangs")]).splitlines()[1]

    assert line.split()[-4:] == ["-", "70.0", "70.0", "70.0"]
