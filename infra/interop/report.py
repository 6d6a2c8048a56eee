"""The table of an interop run: program, both versions, role, node, objects offered and taken, each reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from infra.interop.exchange import Result
from infra.interop.programs import Program

_ROW = "{:20} {:10} {:6} {:12} {:5} {:>8} {:>6} {:>9} {:>5}"


@dataclass(frozen=True)
class Trial:
    """One program, its version, and its result in one role at one node.

    is_server: the program's own server was the partner.
    """

    program: Program
    version: str
    result: Result
    is_server: bool = False

    @property
    def key(self) -> str:
        """The role and the node, as `Program.expected` names them."""
        return f"{self.result.role}{' server' if self.is_server else ''} at {self.result.node}"

    @property
    def is_as_expected(self) -> bool:
        """Return whether the node took at least as many objects as recorded."""
        return self.result.taken >= self.program.expected.get(self.key, 0)


HEADER = _ROW.format("program", "version", "OCPI", "role", "at", "offered", "taken", "expected", "read")


def lines_of(trial: Trial) -> Iterator[str]:
    """Write a trial: one row, and a line for each refusal, unreadable object and note."""
    result = trial.result
    listed = result.read + len(result.unreadable)
    expected = trial.program.expected.get(trial.key, 0)
    row = (
        trial.key.partition(" at ")[0],
        result.node,
        result.offered,
        result.taken,
        expected,
        f"{result.read}/{listed}",
    )
    yield _ROW.format(trial.program.name, trial.version, trial.program.ocpi, *row)
    yield from (f"    refused     {refusal}" for refusal in result.refusals)
    yield from (f"    cannot read {error}" for error in dict.fromkeys(result.unreadable))
    yield from (f"    {note}" for note in result.notes)
