"""The small faults: every changed version of a module, without those that no test needs to find.

Left out are changes of types and signatures (`int | None` and `*` are no arithmetic there), of a dataclass's
`frozen` (mypy finds writes to it), of imports for mypy only, changes that do not compile, and those that
`equivalent.toml` lists with a reason.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import OPERATOR_PROVIDERS, get_operator

from bench.mutants.operators import OPERATORS

EQUIVALENT = Path(__file__).parent / "equivalent.toml"

# The operators of cosmic-ray whose changes a test can find: one or two other signs for each comparison (more
# would repeat the same change), no decorators (their removal is almost always an error at import).
_COMPARISONS = (
    "Eq_NotEq",
    "NotEq_Eq",
    "Lt_LtE",
    "Lt_GtE",
    "LtE_Lt",
    "LtE_Gt",
    "Gt_GtE",
    "Gt_LtE",
    "GtE_Gt",
    "GtE_Lt",
)
_ARITHMETIC = (
    "Add_Sub",
    "Sub_Add",
    "Mul_Div",
    "Div_Mul",
    "FloorDiv_Mul",
    "Mod_FloorDiv",
    "BitOr_BitAnd",
    "BitAnd_BitOr",
)
CHOSEN = [
    *(f"core/ReplaceComparisonOperator_{signs}" for signs in (*_COMPARISONS, "Is_IsNot", "IsNot_Is")),
    *(f"core/ReplaceBinaryOperator_{signs}" for signs in _ARITHMETIC),
    *(f"core/ReplaceUnaryOperator_{signs}" for signs in ("Delete_Not", "Delete_USub")),
    *(f"core/{name}" for name in ("AddNot", "NumberReplacer", "ZeroIterationForLoop", "ExceptionReplacer")),
    *(f"core/{name}" for name in ("ReplaceTrueWithFalse", "ReplaceFalseWithTrue")),
    *(f"core/{name}" for name in ("ReplaceAndWithOr", "ReplaceOrWithAnd")),
    *(f"core/{name}" for name in ("ReplaceBreakWithContinue", "ReplaceContinueWithBreak")),
    *(f"ours/{name}" for name in OPERATORS),
]
OPERATOR_PROVIDERS["ours"] = OPERATORS


Region = tuple[tuple[int, int], tuple[int, int]]
"""Begin and end of a place in the source: lines from 1, columns from 0."""


@dataclass(frozen=True)
class Mutant:
    """One changed version of a module."""

    module: str
    line: int
    was: str
    now: str
    code: str

    @property
    def key(self) -> str:
        """A key that is the same for the same change of the same file."""
        return hashlib.sha256(f"{self.module}\n{self.code}".encode()).hexdigest()[:20]

    def __str__(self) -> str:
        return f"{self.module}:{self.line}: {self.was}  ->  {self.now}"


class Place(NamedTuple):
    """Places that an operator of cosmic-ray can change in a module; one change takes ten milliseconds."""

    module: str
    operator: str
    occurrence: int


def places_of(module: str, tree: Path) -> list[Place]:
    """All places of a module that an operator can change."""
    source = (tree / module).read_text(encoding="utf-8")
    nodes = list(ast_nodes(get_ast(source)))
    left_out = [*_type_lines(source), *_stars(nodes)]
    return [
        Place(module, name, occurrence)
        for name in CHOSEN
        for occurrence, start in enumerate(_positions(name, nodes))
        if not any(first <= start < last for first, last in left_out)
    ]


def make_mutant(place: Place, tree: Path) -> Mutant | None:
    """The mutant of a place; None when it changes nothing, does not compile or is listed as equivalent."""
    source = (tree / place.module).read_text(encoding="utf-8")
    try:
        code = mutate_code(source, get_operator(place.operator)(), place.occurrence)
    except AttributeError:
        return None  # cosmic-ray 8.7 cannot replace a dotted name in `except`
    if code is None or code == source or not _compiles(code):
        return None
    line, was, now = _difference(source, code)
    if was == "if TYPE_CHECKING:" or (place.module, was, now) in _equivalents():
        return None
    return Mutant(place.module, line, was, now, code)


def _positions(name: str, nodes: list[Any]) -> Iterator[tuple[int, int]]:
    operator = get_operator(name)()
    return (start for node in nodes for start, _ in operator.mutation_positions(node))


def _stars(nodes: list[Any]) -> list[Region]:
    """Places of a `*` that divides parameters."""
    return [
        (node.start_pos, node.end_pos)
        for node in nodes
        if node.type == "operator" and node.parent.type == "parameters"
    ]


def _type_lines(source: str) -> list[Region]:
    """Places of types, and of the lines that make a class a dataclass."""
    found: list[ast.expr | None] = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.AnnAssign() | ast.arg():
                found.append(node.annotation)
            case ast.FunctionDef():
                found.append(node.returns)
            case ast.ClassDef():
                found += node.decorator_list
            case ast.Assign(value=ast.BinOp(op=ast.BitOr()), targets=[ast.Name(id=name)]) if name[
                :1
            ].isupper():
                found.append(node.value)
    return [
        ((node.lineno, node.col_offset), (node.end_lineno or 0, node.end_col_offset or 0))
        for node in found
        if node
    ]


def _difference(source: str, code: str) -> tuple[int, str, str]:
    """The first line that differs, and the lines before and after as one text each."""
    before, after = source.split("\n"), code.split("\n")
    top = next(i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b)
    end = next(i for i, (a, b) in enumerate(zip(before[::-1], after[::-1], strict=False)) if a != b)
    was, now = (
        " ".join(" ".join(lines[top : max(top + 1, len(lines) - end)]).split()) for lines in (before, after)
    )
    return top + 1, was, now


def _compiles(code: str) -> bool:
    try:
        compile(code, "mutant", "exec")
    except SyntaxError:
        return False
    return True


@functools.cache
def _equivalents() -> set[tuple[str, str, str]]:
    listed = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8"))
    return {(each["module"], each["was"], each["now"]) for each in listed.get("equivalent", [])}
