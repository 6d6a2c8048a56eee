"""Reads and writes JSON without losing a digit of a number.

Numbers with a fraction become `Decimal` with the received digits, and are written as JSON numbers with
the same digits, so prices and coordinates survive any number of hops. The standard library cannot
write a Decimal as a number, and pydantic reads it as a float, so this module uses msgspec.

A number such as 1e999999999 is refused in every JSON text, also in unknown fields: written with all its
digits, it would fill the memory. The limits are about those of a double; OCPI's own fields have lower limits
(`types.py`, `Number`).

Source: OCPI 2.2.1 types_number_type; TYP-09
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from chalicelib.errors import BadJson

Document = dict[str, Any]
"""A JSON object as it is read: an OCPI object, a body, a part of one."""

_LARGEST_EXPONENT = 400
_MOST_DIGITS = 100
_SHORT = 12


_OUT_OF_BOUNDS = (
    f"a number has at most {_MOST_DIGITS} digits and an exponent of at most {_LARGEST_EXPONENT} either way"
)


def _bounded(text: str) -> Decimal:
    number = Decimal(text)
    if len(text) > _SHORT or "e" in text or "E" in text:
        _, digits, exponent = number.as_tuple()
        if len(digits) > _MOST_DIGITS or abs(int(exponent)) > _LARGEST_EXPONENT:
            raise ValueError("number out of bounds")
    return number


class _Number(str):
    """The text of a number, unchanged."""

    __slots__ = ()


_decoder = msgspec.json.Decoder(float_hook=_bounded)
_lenient_decoder = msgspec.json.Decoder(float_hook=_Number)
_encoder = msgspec.json.Encoder(decimal_format="number")
_MAX_DEPTH = 64
_NESTED = (dict, list)


class JsonText(str):
    """Text that is JSON already: it is copied into an answer, not encoded again."""

    __slots__ = ()


def read_json(text: str | bytes) -> Any:
    """Parse JSON text.

    Raises: BadJson when it is not JSON (STA-01), or has a number out of bounds; then with the field.
    """
    plain = str(text) if isinstance(text, JsonText) else text
    try:
        return _decoder.decode(plain)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ArithmeticError) as error:
        if (field := _find_out_of_bounds(plain)) is not None:
            raise BadJson(_OUT_OF_BOUNDS, field=field or "body") from error
        raise BadJson(f"the body is not valid JSON: {error}") from error


def _find_out_of_bounds(text: str | bytes) -> str | None:
    """Return the path of the first number that is out of bounds, None if there is none."""
    try:
        document = _lenient_decoder.decode(text)
        return next(_paths_out_of_bounds(document, ""), None)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def _paths_out_of_bounds(value: object, at: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _paths_out_of_bounds(each, f"{at}.{name}" if at else name)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _paths_out_of_bounds(each, f"{at}.{number}" if at else str(number))
    elif isinstance(value, _Number):
        try:
            _bounded(value)
        except (ValueError, ArithmeticError):
            yield at


def check_depth(document: object) -> None:
    """Refuse a document whose lists and objects are nested too deep.

    Raises: BadJson.
    """
    level = [document] if isinstance(document, _NESTED) else []
    for _ in range(_MAX_DEPTH):
        level = [
            part
            for whole in level
            for part in (whole.values() if isinstance(whole, dict) else whole)
            if isinstance(part, _NESTED)
        ]
        if not level:
            return
    raise BadJson(f"the body is nested deeper than {_MAX_DEPTH} levels")


def write_json(value: object) -> str:
    """Write a value as JSON text; a `JsonText` in a list or dict is copied unchanged."""
    if isinstance(value, JsonText):
        return str(value)
    return _encoder.encode(_with_raw(value)).decode()


def _with_raw(value: object) -> object:
    """Mark the `JsonText` values of a dict or list so that msgspec copies them."""
    if isinstance(value, dict):
        return {
            key: msgspec.Raw(item.encode()) if isinstance(item, JsonText) else item
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [msgspec.Raw(item.encode()) if isinstance(item, JsonText) else item for item in value]
    return value


def join_array(texts: list[JsonText]) -> JsonText:
    """Join texts that are JSON already to a JSON array."""
    return JsonText("[" + ",".join(texts) + "]")


def documents_in(data: Any) -> Iterator[Mapping[str, Any]]:
    """The objects in `data` of a message: an object, JSON text of one, or a list of either."""
    for each in data if isinstance(data, list) else [data]:
        document = read_json(str(each)) if isinstance(each, JsonText) else each
        if isinstance(document, Mapping):
            yield document
