"""Negative controls: a scenario, and a fault between the nodes and the runner that must make it fail.

Every control runs one scenario against live nodes with one fault in between (faulty_proxy.py). With the same
proxies and no fault the scenario passes, so the fault causes the failure. The text of the failed expectation
shows whether it failed for the right reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

import pytest

from certification.nodes import ROLES, Node, Nodes
from certification.plan import PLAN, Row
from certification.probe import Probe
from certification.report import Finding, Status
from certification.runner import run_row
from certification.trial import Trial
from certification.web import Web
from tests.certification.faulty_proxy import Fault, FaultyProxy

IMPATIENT_S = (1.5, 4.0)
"""Seconds that a control waits for the broken behaviour; the second value if another step was late."""


@dataclass(frozen=True)
class Control:
    """A fault in front of `where` that makes scenario `row` fail with a text that matches `why`.

    hastened: makes a harmless fault at the hub that shortens the scenario's waiting.
    """

    row: str
    where: str
    what: str
    fault: Callable[[FaultyProxy], Fault]
    why: str
    hastened: Callable[[FaultyProxy], Fault] = lambda _: Fault()

    def __str__(self) -> str:
        return f"{self.row}-{self.where}-{self.what.replace(' ', '_')}"


def broken(row: str, where: str, what: str, fault: Fault | Callable[[], Fault], why: str) -> Control:
    return Control(row, where, what, lambda _: fault if isinstance(fault, Fault) else fault(), why)


@contextmanager
def trial_through_proxies(
    nodes: Nodes, make: dict[str, Callable[[FaultyProxy], Fault]], deadline_s: float
) -> Iterator[Trial]:
    """Yield a trial that reaches the nodes, and is reached by them, through proxies with these faults."""
    with ExitStack() as stack:
        behind: dict[str, str] = {}
        seen: dict[str, Node] = {}
        for role in ROLES:
            node: Node = getattr(nodes, role)
            target = re.match(r"https?://[^/]+", node.versions_url)
            assert target is not None
            proxy = stack.enter_context(FaultyProxy(target[0], behind=behind))
            proxy.faults = _faults(proxy, make.get(role))
            behind[target[0]] = proxy.url
            seen[role] = replace(
                node,
                versions_url=node.versions_url.replace(target[0], proxy.url),
                operator_url=node.operator_url.replace(target[0], proxy.url),
            )
        web = Web()
        stack.callback(web.close)
        front = stack.enter_context(FaultyProxy())
        front.faults = _faults(front, make.get("probe"))
        probe = stack.enter_context(Probe(web, public_url=front.url))
        front.target = probe.local_url
        yield Trial(Nodes(**seen), probe, web, deadline_s, timer_s=2 * deadline_s)


def _faults(proxy: FaultyProxy, make: Callable[[FaultyProxy], Fault] | None) -> Sequence[Fault]:
    return [] if make is None else [make(proxy)]


def expect_failure(nodes: Nodes, control: Control) -> None:
    """Run a control's scenario with its fault, and check that it fails for the right reason."""
    row = next(row for row in PLAN if row.id == control.row)

    for patience_s in IMPATIENT_S:
        finding = _run_with_fault(row, nodes, control, patience_s)
        evidence = "\n".join(finding.evidence)
        assert finding.status == Status.FAILED, evidence
        if re.search(control.why, finding.evidence[-1]):
            break
    else:
        pytest.fail(f"not for the reason {control.why!r}:\n{evidence}")


def _run_with_fault(row: Row, nodes: Nodes, control: Control, patience_s: float) -> Finding:
    faults = {"hub": control.hastened, control.where: control.fault}
    with trial_through_proxies(nodes, faults, patience_s) as trial:
        return run_row(row, trial)
