"""A virtual environment for each program, below `.venv/interop`, and the adapters that run in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from infra.interop.programs import Program

PROJECT = Path(__file__).parents[2]
REQUIREMENTS = Path(__file__).parent / "requirements"
ADAPTER_SECONDS = 120


class NotInstalled(RuntimeError):
    """A program cannot be installed; the text has the end of pip's output."""


class Environment:
    """The environment of one program. folder: where all of them are."""

    def __init__(self, program: Program, folder: Path) -> None:
        self._program = program
        self.name, self.ocpi = program.name, program.ocpi
        self._folder = folder / program.name
        self.python = self._folder / "bin/python"

    def install(self) -> None:
        """Install the program, unless it is there in this version. Raises: NotInstalled."""
        requirements = REQUIREMENTS / f"{self._program.name}.txt"
        stamp = self._folder / "installed.txt"
        if stamp.exists() and stamp.read_text(encoding="utf-8") == requirements.read_text(encoding="utf-8"):
            return
        _run([sys.executable, "-m", "venv", "--clear", str(self._folder)])
        pip = [str(self.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, "-r", str(requirements)])
        stamp.write_text(requirements.read_text(encoding="utf-8"), encoding="utf-8")

    @property
    def version(self) -> str:
        """The version that the requirements name."""
        text = (REQUIREMENTS / f"{self._program.name}.txt").read_text(encoding="utf-8")
        pinned = next(line for line in text.splitlines() if line.startswith(f"{self._program.name}=="))
        return pinned.partition("==")[2].split()[0]

    def examples(self, context: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return what the program sends: module, variant and body, or the error of its own model."""
        return self._lines(["examples", json.dumps(context)], "")

    def read(self, documents: Iterable[Mapping[str, Any]]) -> list[str | None]:
        """Let the program read documents (module, document); returns its error for each."""
        sent = "".join(json.dumps(document, default=float) + "\n" for document in documents)
        return [line["error"] for line in self._lines(["read"], sent)]

    def start(self, adapter: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start an adapter that goes on running, such as a server."""
        command = [str(self.python), "-m", f"infra.interop.adapters.{adapter}", *arguments]
        return subprocess.Popen(
            command, cwd=self._folder, env=_variables(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def _lines(self, arguments: list[str], sent: str) -> list[dict[str, Any]]:
        command = [str(self.python), "-m", f"infra.interop.adapters.{self._program.adapter}", *arguments]
        done = subprocess.run(
            command,
            cwd=self._folder,
            env=_variables(),
            input=sent,
            capture_output=True,
            text=True,
            timeout=ADAPTER_SECONDS,
            check=False,
        )
        if done.returncode:
            raise NotInstalled(f"{self._program.name}: {done.stderr[-800:]}")
        return [json.loads(line) for line in done.stdout.splitlines()]


def _variables() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1"}


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotInstalled(f"{' '.join(command[-2:])}: {(done.stderr or done.stdout)[-800:]}")
