"""Repairs of single values that have one possible meaning.

Each function takes the value as it came and returns the canonical value, or `UNREADABLE`.

Source: docs/interop.md; OCPI 2.2.1 types; TYP-01 … TYP-16
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple
from urllib.parse import quote

from chalicelib.pricing.countries import alpha_2_of, alpha_3_of
from chalicelib.reading.fields import Field
from chalicelib.reading.instants import read_datetime_leniently


class _Unreadable:
    """Marks a value that cannot be read."""


UNREADABLE: Any = _Unreadable()


class Repair(NamedTuple):
    """A canonical value. kind: the kind of deviation, for the finding."""

    value: Any
    kind: str


_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_MARKUP = re.compile(r"</?[a-zA-Z][^>]*>")
_NUMBER = re.compile(r"[+-]?[0-9]{1,13}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?", re.ASCII)
_TIME = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:\.0+)?)?", re.ASCII)
_DATE = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ]00:00(?::00(?:\.0+)?)?(?:Z|[+-]00:?00)?)?", re.ASCII)
_HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z]{2,24}([:/?#].*)?", re.ASCII | re.IGNORECASE)
_NOT_IN_URL = r"!#$%&'()*+,/:;=?@[]~"
_TRUE, _FALSE = frozenset(("true", "yes", "1")), frozenset(("false", "no", "0"))
_LANGUAGES = {
    "bul": "bg", "cat": "ca", "ces": "cs", "cze": "cs", "dan": "da", "deu": "de", "dut": "nl", "ell": "el",
    "eng": "en", "est": "et", "eus": "eu", "fin": "fi", "fra": "fr", "fre": "fr", "ger": "de", "gle": "ga",
    "glg": "gl", "gre": "el", "hrv": "hr", "hun": "hu", "ita": "it", "lav": "lv", "lit": "lt", "nld": "nl",
    "nor": "no", "pol": "pl", "por": "pt", "ron": "ro", "rum": "ro", "slk": "sk", "slo": "sk", "slv": "sl",
    "spa": "es", "swe": "sv",
}  # fmt: skip
"""ISO 639-2 codes of languages of Europe."""

_WEEKDAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
_SHAPES_OF_TYPES = {bool: "bool", int: "int"}

_ROUNDED = frozenset(("max_voltage", "max_amperage", "max_electric_power", "width", "height"))
"""Whole numbers without meaning for a price or a time: a fraction is rounded."""

_AS_IT_CAME = frozenset((("Credentials", "token"), ("Credentials", "url")))
"""Fields of which nothing is repaired: access depends on them."""


def repair_value(field: Field, value: Any) -> Repair | None:
    """The canonical value that an odd value of a field can only mean; None if there is none."""
    if field.key in _AS_IT_CAME:
        return None
    if isinstance(value, list) and len(value) == 1 and not field.is_list:
        return Repair(value[0], "LIST_OF_ONE")
    if field.is_list:
        return None if isinstance(value, list) else Repair([value], "NO_LIST")
    if field.is_object:
        return _repair_object(field, value)
    name = field.shape.name if field.shape else _SHAPES_OF_TYPES.get(field.type, "text")
    kind, repair = _REPAIRS.get(name, _REPAIRS["text"])
    repaired = repair(value, field)
    same = repaired is UNREADABLE or (type(repaired) is type(value) and repaired == value)
    return None if same else Repair(repaired, kind)


def _repair_object(field: Field, value: Any) -> Repair | None:
    # OCPI 2.1.1 has amounts without VAT as numbers, where 2.2 has a Price.
    if field.type.__name__ == "Price" and (number := _number(value, field)) is not UNREADABLE:
        return Repair({"excl_vat": number}, "PRICE_AS_NUMBER")
    return None


def _text(value: Any, field: Field) -> Any:
    if isinstance(value, Decimal):
        # 1E10 may be a card's uid without its quotation marks: its digits alone are another id.
        return UNREADABLE if _is(field, "id") else format(value, "f")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        return UNREADABLE
    if _is(field, "id"):
        return value.strip()
    text = _CONTROL.sub(" ", value)
    if _is(field, "plain text"):
        text = _MARKUP.sub(" ", text)
    if text != value:
        text = " ".join(text.split())
    longest = field.shape.longest if field.shape else 0
    if longest and len(text) > longest and _is(field, "text", "plain text") and field.is_required:
        return text[:longest].rstrip()
    return text


def _is(field: Field, *names: str) -> bool:
    return field.shape is not None and field.shape.name in names


def _datetime(value: Any, field: Field) -> Any:
    if not isinstance(value, str):
        return UNREADABLE
    try:
        return read_datetime_leniently(value)
    except ValueError:
        return UNREADABLE


def _date(value: Any, field: Field) -> Any:
    match = _DATE.fullmatch(value.strip()) if isinstance(value, str) else None
    return match[1] if match else UNREADABLE


def _time(value: Any, field: Field) -> Any:
    match = _TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        return UNREADABLE
    hour, minute, second = int(match[1]), match[2], match[3]
    if second not in (None, "00") and field.owner != "RegularHours":
        return UNREADABLE
    if (hour, minute) == (24, "00"):
        return "00:00"
    return f"{hour:02d}:{minute}"


def _language(value: Any, field: Field) -> Any:
    if not isinstance(value, str):
        return UNREADABLE
    tag = re.split(r"[-_]", value.strip().lower())[0]
    return _LANGUAGES.get(tag, tag)


def _alpha_2(value: Any, field: Field) -> Any:
    code = value.strip() if isinstance(value, str) else ""
    return alpha_2_of(code.upper()) or (code if len(code) == 2 else UNREADABLE)


def _alpha_3(value: Any, field: Field) -> Any:
    code = value.strip().upper() if isinstance(value, str) else ""
    return alpha_3_of(code) or (code if len(code) == 3 else UNREADABLE)


def _upper(value: Any, field: Field) -> Any:
    return value.strip().upper() if isinstance(value, str) else UNREADABLE


def _stripped(value: Any, field: Field) -> Any:
    return value.strip() if isinstance(value, str) else UNREADABLE


def _url(value: Any, field: Field) -> Any:
    if not isinstance(value, str):
        return UNREADABLE
    text = value.strip()
    scheme, separator, rest = text.partition("://")
    if separator and scheme.lower() in ("http", "https"):
        return f"{scheme.lower()}://{quote(rest, safe=_NOT_IN_URL)}" if rest.strip("/") else UNREADABLE
    if text.startswith("//"):
        text = text[2:]
    return f"https://{quote(text, safe=_NOT_IN_URL)}" if _HOST.fullmatch(text) else UNREADABLE


def _degrees(value: Any, field: Field) -> Any:
    if isinstance(value, str):
        value = value.strip().removesuffix("°").replace(",", ".").removeprefix("+")
    number = _number(value, field)
    if number is UNREADABLE or not -180 <= number <= 180:
        return UNREADABLE
    exponent = int(Decimal(number).as_tuple().exponent)
    return format(round(Decimal(number), min(max(-exponent, 5), 7)), "f")


def _number(value: Any, field: Field) -> Any:
    if isinstance(value, bool):
        return UNREADABLE
    if isinstance(value, int | Decimal):
        return value
    text = value.strip() if isinstance(value, str) else ""
    if not _NUMBER.fullmatch(text):
        return UNREADABLE
    return int(text) if text.lstrip("+-").isdigit() else Decimal(format(Decimal(text), "f"))


def _int(value: Any, field: Field) -> Any:
    if field.name == "weekday" and isinstance(value, str) and value.strip().upper() in _WEEKDAYS:
        return _WEEKDAYS.index(value.strip().upper()) + 1
    number = _number(value, field)
    if number is UNREADABLE or not -(10**13) < number < 10**13:
        return UNREADABLE
    if number == int(number):
        return int(number)
    if field.name in _ROUNDED and number > 0:
        return int(Decimal(number).quantize(Decimal(1), ROUND_HALF_UP))
    return UNREADABLE


def _bool(value: Any, field: Field) -> Any:
    text = str(value).strip().lower() if isinstance(value, str | int) else ""
    return True if text in _TRUE else False if text in _FALSE else UNREADABLE


def _enum(value: Any, field: Field) -> Any:
    if not isinstance(value, str) or field.shape is None:
        return UNREADABLE
    letters = _letters(value)
    found = [known for known in field.shape.values if _letters(known) == letters]
    return found[0] if len(found) == 1 else UNREADABLE


def _letters(text: str) -> str:
    return re.sub(r"[\s_./-]", "", text.upper())


_REPAIRS: dict[str, tuple[str, Callable[[Any, Field], Any]]] = {
    "text": ("TEXT", _text),
    "plain text": ("TEXT", _text),
    "id": ("TEXT", _text),
    "party": ("TEXT", _stripped),
    "pattern": ("TEXT", _stripped),
    "datetime": ("INSTANT", _datetime),
    "date": ("DATE", _date),
    "time": ("TIME_OF_DAY", _time),
    "time zone": ("TIME_ZONE", _stripped),
    "language": ("LANGUAGE", _language),
    "alpha-2": ("COUNTRY", _alpha_2),
    "alpha-3": ("COUNTRY", _alpha_3),
    "currency": ("CURRENCY", _upper),
    "url": ("URL", _url),
    "degrees": ("COORDINATE", _degrees),
    "number": ("NUMBER", _number),
    "int": ("NUMBER", _int),
    "bool": ("BOOLEAN", _bool),
    "enum": ("ENUM", _enum),
}


def is_cut(field: Field, value: Any) -> bool:
    """Tell whether the repair of a text loses a part of it, so that the whole text is kept as well."""
    longest = field.shape.longest if field.shape else 0
    return _is(field, "text", "plain text") and isinstance(value, str) and 0 < longest < len(value)
