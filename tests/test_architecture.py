"""Tests of the architecture: imports between packages, and access to the outside world.

The lists are the rules; add an entry only on purpose.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted(ROOT.glob("chalicelib/**/*.py")) + [ROOT / "app.py"]

ALLOWED_FILES = {
    r"chalice(\.|$)": {"app.py", "chalicelib/endpoint.py"},
    r"(boto3|botocore)(\.|$)": {"chalicelib/storage/", "chalicelib/queues.py"},
    r"(urllib3|http\.(client|server)|ssl|socket|urllib\.request|requests|httpx)(\.|$)": {
        "chalicelib/partners/client.py",
        "chalicelib/partners/connections.py",
        "chalicelib/partners/urls.py",
    },
    r"os(\.|$)": {"chalicelib/settings.py"},
    r"(uuid|secrets)(\.|$)": {"chalicelib/node.py"},
    # A retry after a conflict waits for a random time.
    r"random(\.|$)": {"chalicelib/storage/retry.py"},
}
CLOCKS = {"datetime.now", "datetime.utcnow", "time.time", "date.today", "datetime.today"}

# The packages that each package may import.
MAY_IMPORT = {
    "errors": set(),
    "log": set(),
    "release": set(),
    "metrics": set(),
    "protocol": {"errors"},
    "settings": {"errors", "protocol"},
    "storage": {"errors", "protocol"},
    "queues": {"errors", "protocol"},
    "partners": {
        "errors",
        "log",
        "metrics",
        "node",
        "protocol",
        "queues",
        "settings",
        "storage",
        "modules.registry",
    },
    "node": {"errors", "partners", "protocol", "queues", "settings", "storage"},
    "modules": {
        "errors",
        "log",
        "metrics",
        "node",
        "partners",
        "pricing",
        "protocol",
        "queues",
        "settings",
        "storage",
    },
    "pricing": {"errors", "protocol", "modules"},
    "operator_api": {
        *("errors", "log", "modules", "node", "partners", "pricing", "protocol", "release", "settings"),
        "storage",
    },
    "endpoint": {
        "errors",
        "log",
        "metrics",
        "modules",
        "node",
        "operator_api",
        "partners",
        "protocol",
        "storage",
    },
}
PURE = re.compile(r"chalicelib/(protocol/.*|errors|modules/\w+/(objects|rules))\.py")
PURE_MAY_IMPORT = re.compile(r"errors|protocol(\..*)?|modules\.\w+\.(objects|rules)")


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _imports(path: Path) -> Iterator[str]:
    """Every module that a file imports at run time, inside functions as well."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {id(node) for block in ast.walk(tree) if _is_for_types(block) for node in ast.walk(block)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{_name(path)}: relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def _part(module: str) -> str:
    return module.removeprefix("chalicelib.").split(".")[0]


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_only_listed_files_import_libraries_for_the_outside_world(path: Path) -> None:
    for imported in _imports(path):
        for pattern, allowed in ALLOWED_FILES.items():
            if re.match(pattern, imported):
                assert any(_name(path).startswith(start) for start in allowed), (
                    f"{_name(path)} imports {imported}"
                )


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_only_the_node_reads_the_clock(path: Path) -> None:
    calls = {ast.unparse(n.func) for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)}

    assert _name(path) == "chalicelib/node.py" or not calls & CLOCKS


@pytest.mark.parametrize("path", [p for p in FILES if p.name != "app.py"], ids=_name)
def test_each_package_imports_only_what_its_list_allows(path: Path) -> None:
    own = _part(_name(path).removeprefix("chalicelib/").removesuffix(".py").replace("/", "."))
    if own == "__init__":
        return
    allowed = MAY_IMPORT[own] | {own}
    for imported in _imports(path):
        if imported.startswith("chalicelib."):
            inner = imported.removeprefix("chalicelib.")
            assert any(inner == a or inner.startswith(f"{a}.") for a in allowed), (
                f"{_name(path)} imports {imported}"
            )


@pytest.mark.parametrize("path", [p for p in FILES if PURE.fullmatch(_name(p))], ids=_name)
def test_rules_and_objects_import_only_pure_modules(path: Path) -> None:
    for imported in _imports(path):
        if imported.startswith("chalicelib."):
            assert PURE_MAY_IMPORT.match(imported.removeprefix("chalicelib.")), (
                f"{_name(path)} imports {imported}"
            )


@pytest.mark.parametrize("path", sorted(ROOT.glob("chalicelib/modules/*/*.py")), ids=_name)
def test_a_module_imports_only_objects_of_another_module(path: Path) -> None:
    for imported in _imports(path):
        found = re.match(r"chalicelib\.modules\.(\w+)\.(\w+)", imported)
        if found and (ROOT / "chalicelib/modules" / found[1]).is_dir() and found[1] != path.parent.name:
            assert found[2] == "objects", f"{_name(path)} imports {imported}"


@pytest.mark.parametrize("path", sorted(ROOT.glob("**/__init__.py")), ids=_name)
def test_every_init_file_is_empty(path: Path) -> None:
    assert path.read_text() == "" or ".venv" in path.parts or ".local" in path.parts


def test_the_application_can_be_imported_without_any_aws_call() -> None:
    from app import app

    assert len(app.routes) > 10
    assert {source.name for source in app.event_sources} == {
        "stream_changes",
        "push_broadcasts",
        "push_catch_up",
        "run_commands",
        "look_after_partners",
        "compile_cdrs",
    }
