"""JSON in and out without losing a digit.

Numbers with a fraction become `Decimal` with the digits that came, and leave as JSON numbers with
the same digits, so prices and coordinates survive any number of hops. The standard library cannot
write a Decimal as a number and pydantic reads it as a float, hence msgspec.

Source: OCPI 2.2.1 types_number_type; TYP-09
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from chalicelib.errors import BadJson

_decoder = msgspec.json.Decoder(float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")
_MAX_DEPTH = 64


class JsonText(str):
    """Text that is JSON already: it is spliced into an answer, not encoded again."""

    __slots__ = ()


def read_json(text: str | bytes) -> Any:
    """Parse JSON text.

    Raises: BadJson when it is not JSON (STA-01).
    """
    try:
        return _decoder.decode(str(text) if isinstance(text, JsonText) else text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ArithmeticError) as error:
        raise BadJson(f"the body is not valid JSON: {error}") from error


def check_depth(document: object) -> None:
    """Refuse a document whose lists and objects stand too deep in each other to be worked with safely.

    Raises: BadJson.
    """
    level = [document]
    for _ in range(_MAX_DEPTH):
        level = [
            part
            for whole in level
            for part in (
                whole.values() if isinstance(whole, dict) else whole if isinstance(whole, list) else ()
            )
            if isinstance(part, dict | list)
        ]
        if not level:
            return
    raise BadJson(f"the body is nested deeper than {_MAX_DEPTH} levels")


def write_json(value: object) -> str:
    """Write a value as JSON text; a `JsonText` inside lists or dicts is spliced as it is."""
    if isinstance(value, JsonText):
        return str(value)
    return _encoder.encode(_with_raw(value)).decode()


def _with_raw(value: object) -> object:
    """Mark the `JsonText` values of a dict or list so that msgspec splices them."""
    if isinstance(value, dict):
        return {
            key: msgspec.Raw(item.encode()) if isinstance(item, JsonText) else item
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [msgspec.Raw(item.encode()) if isinstance(item, JsonText) else item for item in value]
    return value


def join_array(texts: list[JsonText]) -> JsonText:
    """A JSON array of texts that are JSON already."""
    return JsonText("[" + ",".join(texts) + "]")
