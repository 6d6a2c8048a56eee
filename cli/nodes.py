"""Choice of the node that a command talks to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from cli.operator_client import OperatorApiError

SANDBOX_FILE = Path(".local/sandbox.json")


@dataclass(frozen=True)
class NodeChoice:
    """Options of the command line: the name of a sandbox node, or a URL with a key."""

    name: str
    url: str | None = None
    key: str | None = None


@dataclass(frozen=True)
class ChosenNode:
    """URL of the operator API of a node, and a key to it."""

    operator_url: str
    operator_key: str


def choose_node(choice: NodeChoice, sandbox_file: Path = SANDBOX_FILE) -> ChosenNode:
    """Find the chosen node.

    Raises: OperatorApiError when the key or the sandbox is missing, or the name is unknown.
    """
    if choice.url is not None:
        if choice.key is None:
            raise OperatorApiError("a URL needs its key: --key, or OCPI_OPERATOR_KEY")
        return ChosenNode(choice.url, choice.key)
    try:
        sandbox = json.loads(sandbox_file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise OperatorApiError("no sandbox runs here (make run); for another node, --url and --key") from None
    if choice.name not in sandbox:
        raise OperatorApiError(f"the sandbox has no node {choice.name!r}, only {', '.join(sandbox)}")
    node = sandbox[choice.name]
    return ChosenNode(node["operator_url"], node["operator_key"])
