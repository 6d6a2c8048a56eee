"""Which node a command is for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from cli.operator_door import DoorError

SANDBOX_FILE = Path(".local/sandbox.json")


@dataclass(frozen=True)
class NodeChoice:
    """What the person said: the name of a sandbox node, or a URL with a key."""

    name: str
    url: str | None = None
    key: str | None = None


@dataclass(frozen=True)
class ChosenNode:
    """Where the operator's door is, and what opens it."""

    operator_url: str
    operator_key: str


def choose_node(choice: NodeChoice, sandbox_file: Path = SANDBOX_FILE) -> ChosenNode:
    """Find the node that was meant. Raises: DoorError when there is no telling."""
    if choice.url is not None:
        if choice.key is None:
            raise DoorError("a URL needs its key: --key, or OCPI_OPERATOR_KEY")
        return ChosenNode(choice.url, choice.key)
    try:
        sandbox = json.loads(sandbox_file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DoorError("no sandbox runs here (make run); for another node, --url and --key") from None
    if choice.name not in sandbox:
        raise DoorError(f"the sandbox has no node {choice.name!r}, only {', '.join(sandbox)}")
    node = sandbox[choice.name]
    return ChosenNode(node["operator_url"], node["operator_key"])
