"""Runs the plan against three nodes: the sandbox, deployed nodes, or nodes that it starts itself.

    python -m certification                          the sandbox of `make run`, or own nodes when none runs
    python -m certification --only 2.1 --only 3      one row, one chapter
    python -m certification --sandbox nodes.json     nodes described by a file in the sandbox's shape
    python -m certification --cpo-versions-url …     nodes described one option at a time

When the nodes run on this machine, a probe on loopback plays partners of theirs. Deployed nodes need a public
address for it (`--probe-url`, forwarded to `--probe-listen`); without one, the evidence comes from the
operator APIs alone and states that. `--patience 4` stretches every limit of time fourfold, for nodes on a
slow machine. The exit code is 0 only when every mandatory row of those selected has passed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from certification.handshake import forget_left_over_probes
from certification.nodes import (
    NODE_FIELDS,
    ROLES,
    Nodes,
    NoNodes,
    all_answer,
    read_nodes,
    read_nodes_file,
)
from certification.page import write_page
from certification.plan import Row, select
from certification.probe import Probe
from certification.refuted import Refuted
from certification.report import Finding, Report, Status, summary, table_line, write_json, write_junit
from certification.spoken import VERSIONS, speak, spoken_version
from certification.trial import Trial
from certification.web import Unreachable, Web

SANDBOX_FILE = Path(".local/sandbox.json")
OUT = Path(".local/certification")
DEADLINE_S = 10.0
OWN_SITES = 20
OWN_SETTINGS = {"cpo": {"OCPI_COMMAND_SECONDS": "10"}}  # 5.3 waits for a CSMS that stays silent


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the certification as the command line asks. Returns the exit code: 2 when it could not run."""
    options = _parser().parse_args(arguments)
    speak(options.ocpi_version)
    web = Web()
    with ExitStack() as stack:
        try:
            rows = select(options.only)
            nodes = stack.enter_context(_nodes(options, web))
            probe = _probe(options, nodes, web)
        except (NoNodes, ValueError, OSError) as error:
            print(f"certify: {error}", file=sys.stderr)
            return 2
        if probe is not None:
            stack.enter_context(probe)
        try:
            report = run(rows, nodes, probe, web, options.deadline, sys.stdout, options.patience)
        except KeyboardInterrupt:
            print("\nstopped; what the scenario had done is undone", file=sys.stderr)
            return 130
        written = save(report, nodes, options.out)
    print(f"\n{summary(report)}\n{written}")
    return 0 if report.is_certified else 1


def run(
    rows: Sequence[Row],
    nodes: Nodes,
    probe: Probe | None,
    web: Web,
    deadline_s: float,
    out: TextIO,
    patience: float = 1.0,
) -> Report:
    """Run rows one after the other, writing the table as they end.

    patience: stretches every limit of time.
    """
    for node in nodes:
        print(node, file=out)
    print(file=out)
    _sweep(nodes, web, out)
    findings = []
    for row in rows:
        finding = run_row(row, Trial(nodes, probe, web, deadline_s, patience=patience))
        print(table_line(finding), file=out, flush=True)
        findings.append(finding)
    return Report(findings)


def run_row(row: Row, trial: Trial) -> Finding:
    """Run one row and undo its changes; a change that cannot be undone fails the row."""
    if row.show is None:
        return Finding(row, Status.NOT_IMPLEMENTED, 0.0, ())
    started = time.monotonic()
    failures = []
    try:
        row.show(trial)
    except (Refuted, Unreachable) as error:
        failures.append(str(error))
    except Exception as error:
        failures.append(f"no unexpected error, but {type(error).__name__}: {error}")
    except BaseException:  # the run is stopped
        trial.clean_up()
        raise
    seconds = time.monotonic() - started
    failures += [f"cleaning up: {trouble}" for trouble in trial.clean_up()]
    # The first reason counts; it is last in the evidence, where readers look for it.
    evidence = (*trial.evidence, *reversed(failures))
    return Finding(row, Status.FAILED if failures else Status.PASSED, seconds, evidence)


def save(report: Report, nodes: Nodes, folder: Path) -> str:
    """Write report.json, junit.xml and index.html. Returns a line with their folder."""
    folder.mkdir(parents=True, exist_ok=True)
    finished_at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    (folder / "report.json").write_text(write_json(report))
    (folder / "junit.xml").write_text(write_junit(report))
    (folder / "index.html").write_text(write_page(report, finished_at, [str(node) for node in nodes]))
    return f"report.json, junit.xml and index.html are in {folder}"


def _sweep(nodes: Nodes, web: Web, out: TextIO) -> None:
    """Remove what an interrupted run left behind; the rows report nodes that do not answer."""
    trial = Trial(nodes, None, web, DEADLINE_S)
    try:
        count = forget_left_over_probes((trial.cpo, trial.hub, trial.emsp))
    except (Refuted, Unreachable) as error:
        print(f"could not look for probes of an earlier run: {error}", file=out)
        return
    if count:
        print(f"{count} probes of an earlier run removed", file=out)


@contextmanager
def _nodes(options: argparse.Namespace, web: Web) -> Iterator[Nodes]:
    """Yield the nodes to test: the described ones, those of the running sandbox, or temporary ones."""
    described = {
        role: {
            name: value for name in NODE_FIELDS if (value := getattr(options, f"{role}_{name}")) is not None
        }
        for role in ROLES
    }
    if options.sandbox is not None or any(described.values()):
        document = json.loads(options.sandbox.read_text()) if options.sandbox else {}
        yield read_nodes({role: {**document.get(role, {}), **described[role]} for role in ROLES})
        return
    if SANDBOX_FILE.exists() and all_answer(nodes := read_nodes_file(SANDBOX_FILE), web):
        yield nodes
        return
    print("no sandbox runs: starting nodes of our own")
    with own_sandbox() as nodes:
        yield nodes


@contextmanager
def own_sandbox() -> Iterator[Nodes]:
    """Start a sandbox on free ports without stored data, and stop it at the end."""
    # Imported here, because runs against deployed nodes need nothing local.
    from infra.local.sandbox import ChildFailed, Sandbox, SandboxError

    # The CPO and the eMSP speak every version, and agree with the hub on the one that it offers.
    settings = {**OWN_SETTINGS, "hub": {"OCPI_VERSIONS": spoken_version()}}
    sandbox = Sandbox(seed_sites=OWN_SITES, environment=settings, ocpi_versions="")
    try:
        sandbox.start()
    except (SandboxError, ChildFailed) as error:
        raise NoNodes(f"none runs, and none can be started: {error}") from error
    try:
        yield read_nodes(sandbox.describe())
    finally:
        sandbox.stop()


def _probe(options: argparse.Namespace, nodes: Nodes, web: Web) -> Probe | None:
    """Make the probe, if the nodes can reach it."""
    if options.probe_url is None and not all(node.is_on_loopback for node in nodes):
        return None
    host, _, port = options.probe_listen.rpartition(":")
    return Probe(web, (host, int(port)), options.probe_url)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="certify", description="Run the MOBI.E acceptance plan against a CPO, a hub and an eMSP."
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="ROW", help="a row (2.1) or chapter (2); repeat"
    )
    parser.add_argument(
        "--sandbox", type=Path, metavar="FILE", help=f"the nodes, in the shape of {SANDBOX_FILE}"
    )
    parser.add_argument(
        "--ocpi-version",
        choices=VERSIONS,
        default=VERSIONS[0],
        help=f"the version that the hub and the probes speak ({VERSIONS[0]})",
    )
    parser.add_argument("--out", type=Path, default=OUT, metavar="DIR", help=f"folder of the reports ({OUT})")
    parser.add_argument(
        "--deadline",
        type=float,
        default=DEADLINE_S,
        metavar="S",
        help="how long to wait for a broadcast (10 s)",
    )
    parser.add_argument(
        "--patience",
        type=float,
        default=1.0,
        metavar="F",
        help="factor for every time limit, for nodes on a slow machine (1)",
    )
    parser.add_argument("--probe-url", metavar="URL", help="the public address that leads to the probe")
    parser.add_argument(
        "--probe-listen",
        default="127.0.0.1:0",
        metavar="HOST:PORT",
        help="address and port of the probe (127.0.0.1:0)",
    )
    for role in ROLES:
        group = parser.add_argument_group(f"the {role}")
        for name in NODE_FIELDS:
            group.add_argument(f"--{role}-{name.replace('_', '-')}", metavar=name.upper())
    return parser
