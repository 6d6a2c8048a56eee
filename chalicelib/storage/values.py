"""Converts plain Python values to DynamoDB's wire form and back, without losing digits.

boto3's own serializer takes three to nine times as long and returns Decimals for whole numbers. Objects
are stored as JSON text, so the values here are simple: strings, whole numbers, sometimes a list.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

Value = Any
"""str, int, Decimal, bool, None, or a list or dict of these."""

Item = dict[str, Value]
"""An item of the table as plain Python values."""


def encode_item(item: Mapping[str, Value]) -> dict[str, Any]:
    """Write an item in wire form.

    >>> encode_item({"pk": "A", "v": 3})
    {'pk': {'S': 'A'}, 'v': {'N': '3'}}
    """
    return {name: encode_value(value) for name, value in item.items()}


def decode_item(wire: Mapping[str, Any]) -> Item:
    """Read an item in wire form, such as the images of a stream record.

    >>> decode_item({'pk': {'S': 'A'}, 'v': {'N': '3'}})
    {'pk': 'A', 'v': 3}
    """
    return {name: decode_value(value) for name, value in wire.items()}


def encode_value(value: Value) -> dict[str, Any]:
    """Write one value in wire form.

    Raises: TypeError for a float or any other type that would not be read back unchanged.
    """
    if isinstance(value, str):
        return {"S": str(value)}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, (int, Decimal)):
        return {"N": str(value)}
    if value is None:
        return {"NULL": True}
    if isinstance(value, (list, tuple)):
        return {"L": [encode_value(part) for part in value]}
    if isinstance(value, dict):
        return {"M": encode_item(value)}
    raise TypeError(f"cannot store a {type(value).__name__}")


def decode_value(wire: Mapping[str, Any]) -> Value:
    """Read one value in wire form; a number without fraction is an int, others are Decimals."""
    ((kind, value),) = wire.items()
    if kind == "S" or kind == "BOOL":
        return value
    if kind == "N":
        return int(value) if value.removeprefix("-").isdigit() else Decimal(value)
    if kind == "NULL":
        return None
    if kind == "L":
        return [decode_value(part) for part in value]
    if kind == "M":
        return decode_item(value)
    raise TypeError(f"cannot read a stored {kind}")
