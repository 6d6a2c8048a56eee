"""Checks of `./ocpi doctor`: is this machine set up, and does the chosen node work?"""

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
from cli.operator_client import OperatorApiError, OperatorClient

REQUIREMENTS = Path(__file__).parents[1] / "requirements-dev.txt"
CLOCK_SECONDS = 30.0


@dataclass(frozen=True)
class Finding:
    """Result of one check: `what` was checked, and the `detail` that was found."""

    what: str
    is_fine: bool
    detail: str


def examine(choice: NodeChoice) -> Iterator[Finding]:
    """Check this machine, then the OCPI API and the operator API of the chosen node."""
    yield _python()
    yield _requirements()
    try:
        node = choose_node(choice)
    except OperatorApiError as error:
        yield Finding("node", False, str(error))
        return
    yield from _versions(node.operator_url)
    yield from _operator_api(OperatorClient(node.operator_url, node.operator_key))


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", sys.version_info[:2] >= (3, 11), f"{version} at {sys.executable}")


def _requirements() -> Finding:
    missing = [
        line
        for line in map(_requirement, _requirement_lines())
        if line is not None and not _is_installed(*line)
    ]
    detail = (
        "all as pinned" if not missing else f"not as pinned: {', '.join('=='.join(each) for each in missing)}"
    )
    return Finding("requirements", not missing, detail)


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
    # Only partners may read the versions, so 401 without a token is the right answer.
    yield Finding("versions", answer.status == 401, f"{url} answers {answer.status} without a token")
    if date := answer.headers.get("Date"):
        drift_s = abs((parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds())
        yield Finding("clock", drift_s < CLOCK_SECONDS, f"{drift_s:.0f} s from the node's")


def _operator_api(api: OperatorClient) -> Iterator[Finding]:
    try:
        partners = list(api.all("partners"))
    except OperatorApiError as error:
        yield Finding("operator API", False, str(error))
        return
    yield Finding("operator API", True, f"answers, {len(partners)} partners")
    for partner in partners:
        yield Finding(f"partner {partner['name']}", partner["status"] != "OFFLINE", partner["status"])
