"""The kinds of findings in docs/interop.md are those of the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
_KIND = re.compile(r"[A-Z][A-Z_]+[A-Z]")
_MAKERS = {"Finding", "Repair", "Combined", "refusals", "_note"}
_OF_READER = ("MISSING", "UNREADABLE")


def _kinds_in(path: Path) -> Iterator[str]:
    """The constants in calls that make findings, and in the table of repairs."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        is_maker = isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in _MAKERS
        is_table = isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "_REPAIRS"
        if is_maker or is_table:
            for each in ast.walk(node):
                if isinstance(each, ast.Constant) and isinstance(each.value, str):
                    yield each.value


def test_each_kind_of_finding_is_documented() -> None:
    files = [ROOT / "chalicelib/endpoint.py", *(ROOT / "chalicelib/findings").glob("*.py")]
    files += (ROOT / "chalicelib/reading").glob("*.py")
    used = {kind for path in files for kind in _kinds_in(path) if _KIND.fullmatch(kind)} | {
        *_OF_READER,
        "MORE",
    }
    section = (ROOT / "docs/interop.md").read_text(encoding="utf-8").split("## Findings")[1]
    (table,) = re.findall(r"\| kind \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", section)

    documented = {
        kind
        for line in table.splitlines()
        for kind in re.findall(r"`(\w+)`", line.split("|")[1])
        if not kind.startswith("STATUS_")
    }
    assert len(used) > 20
    assert documented == used
