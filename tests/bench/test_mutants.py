"""The map of `make mutants`: its modules and their tests exist. A run itself takes minutes."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from bench.mutants.modules import ALSO, GUARDED, guarded_modules, judges_of

ROOT = Path(__file__).parent.parent.parent
MODULES = guarded_modules(ROOT)


@pytest.mark.parametrize("pattern", [pattern for patterns in GUARDED.values() for pattern in patterns])
def test_each_guarded_path_names_a_module(pattern: str) -> None:
    assert list((ROOT / "chalicelib").glob(pattern))


@pytest.mark.parametrize("module", MODULES)
def test_each_guarded_module_has_tests_that_exist(module: str) -> None:
    paths = [ROOT / path for run in judges_of(module, ROOT) for path in run]

    assert all(path.exists() for path in paths)
    assert all(any(path.glob("test_*.py")) for path in paths if path.is_dir())


def test_tests_of_other_folders_belong_to_guarded_modules() -> None:
    assert {f"chalicelib/{module}" for module in ALSO} <= set(MODULES)


def test_the_modules_own_tests_run_first() -> None:
    assert judges_of("chalicelib/storage/cursor.py", ROOT) == (
        ("chalicelib/storage/cursor.py", "tests/storage/test_cursor.py"),
        ("tests/storage",),
    )
    assert judges_of("chalicelib/partners/directory.py", ROOT)[0] == ("tests/partners/test_directory.py",)


def test_each_equivalent_change_names_an_existing_line_and_a_reason() -> None:
    listed = tomllib.loads((ROOT / "bench/mutants/equivalent.toml").read_text(encoding="utf-8"))
    text = {module: " ".join((ROOT / module).read_text(encoding="utf-8").split()) for module in MODULES}

    for entry in listed.get("equivalent", []):
        assert entry["was"] in text[entry["module"]], entry
        assert entry["was"] != entry["now"] and entry["reason"], entry
