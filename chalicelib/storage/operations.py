"""Write operations on the table: puts, updates, deletes and checks, with conditions.

An expression writes an attribute as `#name` and a value as `:name`. `#name` always means the attribute
`name`, so reserved words are no problem:

    Update(key, "SET #body = :body ADD #v :one", {"body": text, "one": 1, "v": 3}, "#v = :v")
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from chalicelib.storage.values import Item, Value, encode_item, encode_value

_NAME = re.compile(r"#(\w+)")


class Key(NamedTuple):
    """Primary key of an item."""

    pk: str
    sk: str = "#"


def key_of(item: Mapping[str, Value]) -> Key:
    """The key of an item."""
    return Key(item["pk"], item["sk"])


@dataclass(frozen=True)
class Put:
    """Write the whole item, if the condition holds for the stored one."""

    item: Item
    condition: str | None = None
    values: Mapping[str, Value] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """The item's key."""
        return key_of(self.item)


@dataclass(frozen=True)
class Update:
    """Change some attributes, if the condition holds; creates the item if there is none."""

    key: Key
    expression: str
    values: Mapping[str, Value] = field(default_factory=dict)
    condition: str | None = None


@dataclass(frozen=True)
class Delete:
    """Delete the item, if the condition holds."""

    key: Key
    condition: str | None = None
    values: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Check:
    """Check that the condition holds, and write nothing; only for transactions."""

    key: Key
    condition: str
    values: Mapping[str, Value] = field(default_factory=dict)


Operation = Put | Update | Delete | Check


def arguments_of(operation: Operation) -> dict[str, Any]:
    """Make DynamoDB's arguments for an operation, without the table's name."""
    arguments: dict[str, Any] = {}
    expressions = []
    if isinstance(operation, Put):
        arguments["Item"] = encode_item(operation.item)
    else:
        arguments["Key"] = wire_key(operation.key)
    if isinstance(operation, Update):
        arguments["UpdateExpression"] = operation.expression
        expressions.append(operation.expression)
    if operation.condition:
        arguments["ConditionExpression"] = operation.condition
        expressions.append(operation.condition)
    return {**arguments, **names_and_values(expressions, operation.values)}


def wire_key(key: Key) -> dict[str, Any]:
    """Write a key in wire form."""
    return {"pk": {"S": key.pk}, "sk": {"S": key.sk}}


@lru_cache(256)
def _names_in(expression: str) -> tuple[tuple[str, str], ...]:
    return tuple((f"#{name}", name) for name in _NAME.findall(expression))


def names_and_values(expressions: Iterable[str], values: Mapping[str, Value]) -> dict[str, Any]:
    """Make the arguments for the names and values in expressions."""
    names = {placeholder: name for expression in expressions for placeholder, name in _names_in(expression)}
    found: dict[str, Any] = {"ExpressionAttributeNames": names} if names else {}
    if values:
        found["ExpressionAttributeValues"] = {
            f":{name}": encode_value(value) for name, value in values.items()
        }
    return found
