"""The certification judges nodes from outside: it uses HTTP and the specification, not their code."""

from __future__ import annotations

import ast
from pathlib import Path

import certification

FOLDER = Path(certification.__path__[0])
ALLOWED = {("runner.py", "infra.local.sandbox")}  # to start nodes when none run


def imports(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def test_the_certification_imports_no_code_of_the_nodes() -> None:
    found = {
        (file.name, name)
        for file in FOLDER.rglob("*.py")
        for name in imports(file)
        if name.split(".")[0] in ("chalicelib", "app", "infra", "cli", "boto3", "botocore", "chalice")
    }

    assert found == ALLOWED
