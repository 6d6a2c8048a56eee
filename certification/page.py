"""The report for people: one self-contained HTML page, with the evidence of every row."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from certification.report import Finding, Report, Status

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
  color: #1d2330 }
h1 { font-size: 1.6rem } p.nodes { color: #5a6372; font-size: .9rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .45rem .6rem; border-bottom: 1px solid #dfe3ea; vertical-align: top }
th { font-size: .8rem; text-transform: uppercase; letter-spacing: .04em; color: #5a6372 }
td.number { font-variant-numeric: tabular-nums; white-space: nowrap }
.status { border-radius: 1rem; padding: .1rem .7rem; font-size: .85rem; white-space: nowrap }
.passed { background: #d9f2e0; color: #0b5a26 } .failed { background: #fbdcdc; color: #8c1414 }
.not-implemented { background: #eceff4; color: #5a6372 }
.need { font-size: .75rem; color: #5a6372 }
details { font-size: .9rem } summary { cursor: pointer }
details li { margin: .15rem 0; overflow-wrap: anywhere } li.why { color: #8c1414; font-weight: 600 }
@media (prefers-color-scheme: dark) {
  body { background: #14181f; color: #e4e8ef } th, td { border-color: #2c3340 }
  .passed { background: #12391f; color: #9fe0b3 } .failed { background: #4a1717; color: #ffb9b9 }
  .not-implemented { background: #2a303b; color: #a9b1bf } li.why { color: #ff9d9d }
  th, .need, p.nodes { color: #a9b1bf }
}
"""


def write_page(report: Report, finished_at: str, nodes: Sequence[str]) -> str:
    """Write the page. `nodes`: one line per node under test, free of secrets."""
    counts = ", ".join(f"{report.count(status)} {status.value}" for status in Status)
    verdict = "Every mandatory scenario passed" if report.is_certified else "Not certified"
    rows = "\n".join(_row(finding) for finding in report.findings)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>MOBI.E acceptance plan: {escape(verdict)}</title>
<style>{STYLE}</style>
</head>
<body>
<h1>MOBI.E acceptance plan</h1>
<p><strong>{escape(verdict)}</strong>: {escape(counts)}. Finished {escape(finished_at)}.</p>
<p class="nodes">{"<br>".join(escape(node) for node in nodes)}</p>
<table>
<thead><tr><th>No.</th><th>Scenario</th><th>Status</th><th>Time</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
</body>
</html>
"""


def _row(finding: Finding) -> str:
    status = finding.status.value
    need = "mandatory" if finding.row.is_mandatory else "optional"
    time = "" if finding.status == Status.NOT_IMPLEMENTED else f"{finding.seconds:.2f} s"
    return (
        f'<tr><td class="number">{escape(finding.row.id)}</td>'
        f"<td>{escape(finding.row.name)} "
        f'<span class="need">{need}, triggered by {escape(finding.row.triggered_by)}</span>'
        f"{_evidence(finding)}</td>"
        f'<td><span class="status {status.replace(" ", "-")}">{status}</span></td>'
        f'<td class="number">{time}</td></tr>'
    )


def _evidence(finding: Finding) -> str:
    if not finding.evidence:
        return ""
    failed = finding.status == Status.FAILED
    lines = [f"<li>{escape(text)}</li>" for text in finding.evidence]
    if failed:
        lines[-1] = f'<li class="why">expected: {escape(finding.evidence[-1])}</li>'
    return (
        f"<details{' open' if failed else ''}><summary>evidence</summary><ol>{''.join(lines)}</ol></details>"
    )
