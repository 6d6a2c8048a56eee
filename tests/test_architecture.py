"""Tests of the architecture: imports between packages, and access to the outside world.

The lists are the rules; add an entry only on purpose.
"""

from __future__ import annotations

import ast
import contextlib
import re
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted(ROOT.glob("chalicelib/**/*.py")) + [ROOT / "app.py"]

ALLOWED_FILES = {
    r"chalice(\.|$)": {"app.py", "chalicelib/application.py", "chalicelib/endpoint.py"},
    r"(boto3|botocore)(\.|$)": {"chalicelib/storage/"},
    r"(urllib3|http\.(client|server)|ssl|socket|urllib\.request|requests|httpx)(\.|$)": {
        "chalicelib/calls/client.py",
        "chalicelib/calls/connections.py",
        "chalicelib/calls/urls.py",
    },
    r"os(\.|$)": {"chalicelib/settings.py"},
    # The token of a transaction.
    r"(uuid|secrets)(\.|$)": {"chalicelib/node.py", "chalicelib/storage/fast_client.py"},
    # A retry after a conflict waits for a random time.
    r"random(\.|$)": {"chalicelib/storage/retry.py"},
}
CLOCKS = {"datetime.now", "datetime.utcnow", "time.time", "date.today", "datetime.today"}

# The packages that each package imports, imports for types included.
IMPORTS: dict[str, str] = {
    # Of reading, only instants: dates in a query are read like those in a body.
    "protocol": "errors reading",
    "settings": "modules protocol",
    "storage": "errors protocol",
    "queues": "storage",
    "reading": "errors pricing protocol",
    "checking": "errors findings modules protocol reading",
    "findings": "errors log metrics node partners protocol queues reading storage",
    "versions": "errors log protocol",
    "partners": "errors protocol storage versions",
    "calls": "errors log node partners protocol reading storage versions",
    "node": "calls partners queues settings storage",
    "routes": "errors findings node partners protocol reading storage versions",
    "policy": (
        "errors findings log metrics modules node partners protocol reading routes settings storage versions"
    ),
    "hub": "calls errors modules partners policy protocol routes settings storage versions",
    "async_requests": (
        "calls errors findings hub log modules node partners policy protocol queues routes storage versions"
    ),
    "pushing": (
        "calls errors log metrics modules node partners policy protocol queues settings storage versions"
    ),
    "pricing": "errors",
    "modules": (
        "async_requests calls errors findings hub log metrics node partners policy "
        "pricing protocol pushing queues reading routes settings storage versions"
    ),
    "pulling": (
        "calls errors findings log modules node partners policy protocol pushing queues reading settings "
        "storage versions"
    ),
    "operator_api": (
        "async_requests calls checking errors findings log modules node partners policy "
        "pricing protocol pulling pushing release routes settings storage versions"
    ),
    "background": "findings log node pulling queues",
    "application": "errors node protocol route_tree",
    "endpoint": (
        "application errors findings hub log metrics modules node operator_api "
        "partners policy protocol reading routes settings storage versions"
    ),
}
PURE = re.compile(
    r"chalicelib/(protocol/.*|errors|modules/\w+/(objects|rules)|async_requests/(objects|rules))\.py"
)
PURE_MAY_IMPORT = re.compile(
    r"errors|reading\.instants(\..*)?|protocol(\..*)?|modules\.\w+\.(objects|rules)"
    r"|async_requests\.(objects|rules)"
)


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, inside functions and for types as well."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{_name(path)}: relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _module_of(path: Path) -> str:
    return _name(path).removesuffix(".py").replace("/", ".")


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


def test_each_package_imports_exactly_what_its_list_names() -> None:
    """An entry that nothing uses fails as well, so that the list stays the truth."""
    found: dict[str, set[str]] = {package: set() for package in IMPORTS}
    for path in FILES:
        own = _part(_module_of(path))
        for imported in _imports(path) if path.name != "app.py" else ():
            if imported.startswith("chalicelib.") and _part(imported) != own:
                found.setdefault(own, set()).add(_part(imported))

    assert found == {package: set(imported.split()) for package, imported in IMPORTS.items()}


def test_no_files_import_each_other_in_a_circle() -> None:
    """Not even for types: a circle ties its files together, so that none can be read or tested alone."""
    path_by_module = {_module_of(path): path for path in FILES}
    graph = {
        module: {imported for imported in _imports(path) if imported in path_by_module}
        for module, path in path_by_module.items()
    }

    with contextlib.suppress(StopIteration):
        while True:
            # A file that imports no remaining file is in no circle.
            leaf = next(module for module, imported in graph.items() if not imported & graph.keys())
            del graph[leaf]

    assert sorted(graph) == []


def test_no_function_is_longer_than_50_lines() -> None:
    lengths = {
        f"{_name(path)}: {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    }

    assert {name: lines for name, lines in lengths.items() if lines > 50} == {}
    assert statistics.median(lengths.values()) <= 7


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


@pytest.mark.parametrize("folder", ["bench", "certification", "chalicelib", "cli", "infra", "tests"])
def test_every_init_file_is_empty(folder: str) -> None:
    files = sorted((ROOT / folder).rglob("__init__.py"))

    assert files
    assert [_name(path) for path in files if path.read_text()] == []


def test_the_application_can_be_imported_without_any_aws_call() -> None:
    from app import app

    assert len(app.routes) > 10
    assert {source.name for source in app.event_sources} == {
        "stream_changes",
        "push_broadcasts",
        "push_catch_up",
        "run_commands",
        "run_background",
        "look_after_partners",
        "compile_cdrs",
    }
