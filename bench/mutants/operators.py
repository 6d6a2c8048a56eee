"""Changes that cosmic-ray does not make: a call left out, half a condition dropped, `in` turned round.

Source: cosmic-ray, `cosmic_ray.operators.operator`; the trees are parso's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import parso
from cosmic_ray.operators.operator import Example, Operator

Positions = Iterator[tuple[tuple[int, int], tuple[int, int]]]
_LOGS = re.compile(r"log\.(debug|info|warning|error|exception)\(")


class _OurOperator(Operator):  # type: ignore[misc]
    @classmethod
    def examples(cls) -> Sequence[Example]:
        return ()


class DropStatement(_OurOperator):
    """Leave out a call, or an assignment to an attribute or an item: a write that is not made.

    Log calls are not dropped: they have no effect on prices, access or pushes.
    """

    def mutation_positions(self, node: Any) -> Positions:
        if node.type == "simple_stmt" and self._acts(node.children[0]):
            yield node.children[0].start_pos, node.children[0].end_pos

    def mutate(self, node: Any, index: int) -> Any:
        node.children[0] = _parsed(node.children[0].get_first_leaf().prefix + "pass")
        return node

    def _acts(self, statement: Any) -> bool:
        text = statement.get_code(include_prefix=False)
        if statement.type == "atom_expr":
            return text.endswith(")") and not _LOGS.match(text)
        return statement.type == "expr_stmt" and statement.children[0].type == "atom_expr"


class DropOperand(_OurOperator):
    """Drop one part of an `and` or an `or`."""

    def mutation_positions(self, node: Any) -> Positions:
        if node.type in ("and_test", "or_test"):
            for part in node.children[::2]:
                yield part.start_pos, part.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        prefix = node.get_first_leaf().prefix
        parts = [part.get_code() for part in node.children[::2]]
        del parts[index]
        return _parsed(prefix + f" {node.children[1].value}".join(parts).lstrip())


class TurnMembership(_OurOperator):
    """Make `in` to `not in` and back."""

    def mutation_positions(self, node: Any) -> Positions:
        if node.type == "comparison":
            for sign in node.children[1::2]:
                if _sign(sign) in ("in", "not in"):
                    yield sign.start_pos, sign.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        places = [
            place for place, sign in enumerate(node.children) if place % 2 and _sign(sign) in ("in", "not in")
        ]
        turned = "not in" if _sign(node.children[places[index]]) == "in" else "in"
        node.children[places[index]] = _parsed(f" {turned}")
        return node


OPERATORS = {operator.__name__: operator for operator in (DropStatement, DropOperand, TurnMembership)}


def _sign(node: Any) -> str:
    return " ".join(str(node.get_code()).split())


def _parsed(text: str) -> Any:
    return parso.parse(text)
