"""Finishes the zips that Chalice made: adds compiled files and makes them reproducible.

*Compiled.* Chalice ships no `.pyc`, and Lambda unpacks into a read-only folder, so each cold start would
compile every import: 261 ms instead of 123 ms for the layer. The `.pyc` files are unchecked, because a zip
keeps no times that Python could compare, and the source there never changes.

*Reproducible.* Names in order, one fixed time, one fixed mode; and code compiled for the path at which it
will run. So a deployment of the same code changes nothing.

Files that no function reads are left out: types for checkers, lists of installed files.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

LARGEST_BYTES = 10_000_000
"""Limit for code and layer together, zipped, because a cold start loads them."""

CODE_ROOT, LAYER_ROOT = "/var/task", "/opt"
"""Folder into which Lambda unpacks."""

_TIME = (1980, 1, 1, 0, 0, 0)
_MODE = 0o100644
_UNREAD_NAMES = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "py.typed"})
_UNREAD_SUFFIXES = frozenset({".pyi", ".pyc", ".pyx", ".pxd"})


class TooLarge(RuntimeError):
    """The bundle is larger than the limit."""


def finish(source: Path, target: Path, root: str) -> None:
    """Compile the files of a zip and write it again.

    root: folder into which Lambda unpacks it.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with zipfile.ZipFile(source) as zipped:
            zipped.extractall(folder, [each for each in zipped.namelist() if _is_read(each)])
        _compile(folder, root)
        _write(folder, target)


def check_size(*zips: Path) -> int:
    """Add up the sizes.

    Raises: TooLarge.
    """
    size = sum(each.stat().st_size for each in zips)
    if size > LARGEST_BYTES:
        raise TooLarge(f"the bundle has {size:,} bytes, above {LARGEST_BYTES:,}")
    return size


def _is_read(name: str) -> bool:
    path = PurePosixPath(name)
    return (
        path.name not in _UNREAD_NAMES
        and path.suffix not in _UNREAD_SUFFIXES
        and "__pycache__" not in path.parts
    )


def _compile(folder: Path, root: str) -> None:
    command = [sys.executable, "-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash"]
    command += ["-s", str(folder), "-p", root, str(folder)]
    # Sets are written in the order of their hashes: fix the seed. Ignore the shell's settings for .pyc.
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment.pop("PYTHONPYCACHEPREFIX", None)
    subprocess.run(command, check=True, env=environment)


def _write(folder: Path, target: Path) -> None:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as zipped:
        for path in files:
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _TIME)
            entry.external_attr = _MODE << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            zipped.writestr(entry, path.read_bytes(), compresslevel=9)
