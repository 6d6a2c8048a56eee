"""Looks for what keeps a node or this machine from working, and says it in a person's words."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib import metadata
from pathlib import Path

import urllib3

from cli.nodes import NodeChoice, choose_node
from cli.operator_door import DoorError, OperatorDoor

REQUIREMENTS = Path(__file__).parents[1] / "requirements-dev.txt"
CLOCK_SECONDS = 30.0


@dataclass(frozen=True)
class Finding:
    """What was looked at, whether it is as it should be, and what was seen."""

    what: str
    is_fine: bool
    told: str


def examine(choice: NodeChoice) -> Iterator[Finding]:
    """Look at this machine, then at the chosen node as its partners and its operator see it."""
    yield _python()
    yield _requirements()
    try:
        node = choose_node(choice)
    except DoorError as error:
        yield Finding("node", False, str(error))
        return
    yield from _versions(node.operator_url)
    yield from _door(OperatorDoor(node.operator_url, node.operator_key))


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", sys.version_info[:2] >= (3, 11), f"{version} at {sys.executable}")


def _requirements() -> Finding:
    missing = [
        line
        for line in map(_requirement, _requirement_lines())
        if line is not None and not _is_installed(*line)
    ]
    told = (
        "all as pinned" if not missing else f"not as pinned: {', '.join('=='.join(each) for each in missing)}"
    )
    return Finding("requirements", not missing, told)


def _requirement_lines() -> Iterator[str]:
    for name in ("requirements.txt", "requirements-dev.txt"):
        yield from REQUIREMENTS.with_name(name).read_text(encoding="utf-8").splitlines()


def _requirement(line: str) -> tuple[str, str] | None:
    name, pinned, version = line.partition("#")[0].strip().partition("==")
    return (name.partition("[")[0], version) if pinned else None


def _is_installed(name: str, version: str) -> bool:
    try:
        return metadata.version(name) == version
    except metadata.PackageNotFoundError:
        return False


def _versions(operator_url: str) -> Iterator[Finding]:
    url = f"{operator_url.rstrip('/').removesuffix('/operator')}/ocpi/versions"
    try:
        answer = urllib3.request("GET", url, retries=False, timeout=10)
    except urllib3.exceptions.HTTPError as error:
        yield Finding("versions", False, f"{url} does not answer: {error}")
        return
    # Nobody but a partner may read it, so a refusal is the right answer to us.
    yield Finding("versions", answer.status == 401, f"{url} answers {answer.status} without a token")
    if date := answer.headers.get("Date"):
        drift_s = abs((parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds())
        yield Finding("clock", drift_s < CLOCK_SECONDS, f"{drift_s:.0f} s from the node's")


def _door(door: OperatorDoor) -> Iterator[Finding]:
    try:
        partners = list(door.all("partners"))
    except DoorError as error:
        yield Finding("operator door", False, str(error))
        return
    yield Finding("operator door", True, f"open, {len(partners)} partners")
    for partner in partners:
        yield Finding(f"partner {partner['name']}", partner["status"] != "OFFLINE", partner["status"])
