"""What can be written to the table, as values: puts, updates, deletes and checks with conditions.

An expression names an attribute `#name` and a value `:name`; what `#name` stands for is its own
spelling, so reserved words need no care:

    Update(key, "SET #body = :body ADD #v :one", {"body": text, "one": 1, "v": 3}, "#v = :v")
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
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
    """Write the whole item, if the condition holds of what is there now."""

    item: Item
    condition: str | None = None
    values: Mapping[str, Value] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """The item's key."""
        return key_of(self.item)


@dataclass(frozen=True)
class Update:
    """Change some attributes, if the condition holds; makes the item when it is not there."""

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
    """Only make sure that the condition holds; for transactions."""

    key: Key
    condition: str
    values: Mapping[str, Value] = field(default_factory=dict)


Operation = Put | Update | Delete | Check


def arguments_of(operation: Operation) -> dict[str, Any]:
    """An operation as DynamoDB takes it, without the table's name."""
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
    """A key in wire form."""
    return {"pk": {"S": key.pk}, "sk": {"S": key.sk}}


def names_and_values(expressions: Iterable[str], values: Mapping[str, Value]) -> dict[str, Any]:
    """The arguments that give expressions their names and values."""
    names = {f"#{name}": name for expression in expressions for name in _NAME.findall(expression)}
    found: dict[str, Any] = {"ExpressionAttributeNames": names} if names else {}
    if values:
        found["ExpressionAttributeValues"] = {
            f":{name}": encode_value(value) for name, value in values.items()
        }
    return found
