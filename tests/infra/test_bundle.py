"""A finished zip is compiled, complete, and the same for the same input."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from infra import bundle

SOURCE = "def f(x):\n    return x in {'a', 'b', 'c', 'd', 'e'}\n"


def zipped(path: Path, files: dict[str, str], when: tuple[int, int, int, int, int, int]) -> Path:
    with zipfile.ZipFile(path, "w") as made:
        for name, text in files.items():
            made.writestr(zipfile.ZipInfo(name, when), text)
    return path


FILES = {
    "pkg/__init__.py": "",
    "pkg/a.py": SOURCE,
    "pkg/py.typed": "",
    "pkg/a.pyi": "",
    "pkg/__pycache__/a.cpython-311.pyc": "stale",
    "pkg-1.dist-info/RECORD": "",
    "pkg-1.dist-info/METADATA": "Name: pkg",
}


def test_the_same_files_make_the_same_bytes_whatever_their_order_and_times(tmp_path: Path) -> None:
    first = zipped(tmp_path / "1.zip", FILES, (2026, 1, 1, 0, 0, 0))
    second = zipped(tmp_path / "2.zip", dict(reversed(FILES.items())), (2020, 2, 2, 2, 2, 2))

    bundle.finish(first, first, "/opt")
    bundle.finish(second, second, "/opt")

    assert first.read_bytes() == second.read_bytes()


def test_a_finished_zip_runs_from_its_compiled_files_alone(tmp_path: Path) -> None:
    made = zipped(tmp_path / "1.zip", FILES, (2026, 1, 1, 0, 0, 0))
    bundle.finish(made, made, "/opt")
    with zipfile.ZipFile(made) as finished:
        names = finished.namelist()
        finished.extractall(tmp_path / "there")
    [compiled] = (tmp_path / "there").glob("pkg/__pycache__/a.*.pyc")
    # If Python read the source, this would run instead.
    (tmp_path / "there/pkg/a.py").write_text("def f(x):\n    return 'read again'\n")
    os.utime(tmp_path / "there/pkg/a.py", (1, 1))

    printed = subprocess.run(
        [sys.executable, "-c", "from pkg.a import f; print(f('a'))"],
        cwd=tmp_path / "there",
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert printed.strip() == "True"
    assert compiled.read_bytes() != b"stale"
    assert "pkg-1.dist-info/METADATA" in names
    assert not {"pkg/py.typed", "pkg/a.pyi", "pkg-1.dist-info/RECORD"} & set(names)


def test_a_bundle_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = zipped(tmp_path / "1.zip", FILES, (2026, 1, 1, 0, 0, 0))
    monkeypatch.setattr(bundle, "LARGEST_BYTES", 100)

    with pytest.raises(bundle.TooLarge):
        bundle.check_size(made)
