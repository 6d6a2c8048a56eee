"""OCPI's data types: validation, comparison and order.

Models only *validate and read*. The node stores and relays the received document, with its unknown
fields and unknown enum values, because partners extend OCPI (MOBI.E's `mobie_*` fields).

Source: OCPI 2.2.1 types; TYP-01 … TYP-16
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictInt,
    StringConstraints,
    ValidationError,
)

from chalicelib.errors import InvalidParameters

_DATETIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z?", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_ENUM_FORM = re.compile(r"[A-Z0-9][A-Z0-9_]*", re.ASCII)
_MARKUP = re.compile(r"</?[a-zA-Z][^>]*>")


class OcpiObject(BaseModel):
    """Base of the models of OCPI objects: strict types, unknown fields allowed.

    A model is built on first use: each Lambda function uses few of them, and a cold start takes a sixth less.
    """

    model_config = ConfigDict(frozen=True, extra="allow", strict=True, defer_build=True)


Model = TypeVar("Model", bound=OcpiObject)


def validate(model: type[Model], document: object, at: str = "") -> Model:
    """Check a parsed document against a model.

    at: dotted path of the document inside what the caller sent, for the error's text.
    Raises: InvalidParameters with the first wrong field; all of them in `.errors`.
    """
    try:
        return model.model_validate(document)
    except ValidationError as error:
        problems = tuple(problem_of(item, at) for item in _described(error))
    first_field, first_text = problems[0]
    raise InvalidParameters(first_text, field=first_field, errors=problems)


def validation_errors(model: type[OcpiObject], document: object) -> list[Any]:
    """The errors of a document, as pydantic describes them (`loc`, `type`, `msg`, `input`); none if valid.

    Rules that a lenient reader does not need are left out (`LENIENT`).
    """
    try:
        model.model_validate(document, context=LENIENT)
    except ValidationError as error:
        return _described(error)
    return []


MOST_DESCRIBED = 20_000
"""More errors of one document are not described one by one: each takes 10 microseconds of CPU."""


def _described(error: ValidationError) -> list[Any]:
    """The errors of a document; a single one about the whole document if there are too many."""
    if error.error_count() <= MOST_DESCRIBED:
        return error.errors(include_url=False)
    text = f"more than {MOST_DESCRIBED} values are wrong"
    return [{"type": "too_many_errors", "loc": (), "msg": text, "input": None}]


LENIENT = {"lenient": True}
"""Context of a validation by the lenient reader; a validator may ask for it."""


def problem_of(item: Any, at: str = "") -> tuple[str, str]:
    """The dotted path of a field and a text about it, from one of pydantic's errors.

    at: path of the document inside what the caller sent.
    """
    steps = [at, *(str(step) for step in item["loc"])]
    words = _WORDS.get(item["type"])
    text = str(item["msg"]).removeprefix("Value error, ")
    if words is not None:
        text = words.format(**item.get("ctx", {}))
    return ".".join(step for step in steps if step) or "body", text


_WORDS = {
    "bool_parsing": "expected true or false",
    "bool_type": "expected true or false",
    "dict_type": "expected a JSON object",
    "extra_forbidden": "no such field",
    "greater_than_equal": "expected {ge} or more",
    "int_from_float": "expected a whole number",
    "int_parsing": "expected a whole number",
    "int_type": "expected a whole number",
    "list_type": "expected a list",
    "missing": "required",
    "model_type": "expected a JSON object",
    "string_too_long": "expected at most {max_length} characters",
    "string_too_short": "expected {min_length} or more characters",
    "string_type": "expected a text",
    "too_short": "expected a list with {min_length} or more entries",
    "tuple_type": "expected a list",
}
"""Texts about an error by pydantic's name for it, in words of JSON; for all others, pydantic's text."""


@dataclass(frozen=True)
class Shape:
    """The meaning of a field's value, as metadata of its type, for the lenient reader (`reading/repairs.py`).

    name: such as `datetime`. values: of an enum. longest: the most characters of a text.
    """

    name: str
    values: frozenset[str] = frozenset()
    longest: int = 0


def fold(value: str) -> str:
    """Convert a CiString to the form that equal CiStrings share (TYP-01); for keys, never shown."""
    return value.upper()


def _ascii(value: str) -> str:
    if not value.isascii() or not value.isprintable():
        raise ValueError("only printable ASCII characters are allowed")
    return value


def _printable(value: str) -> str:
    if _CONTROL.search(value):
        raise ValueError("control characters are not allowed")
    return value


def _plain(value: str) -> str:
    if _MARKUP.search(value):
        raise ValueError("markup is not allowed")
    return _printable(value)


@cache
def ci_string(longest: int, shortest: int = 1) -> Any:
    """CiString(n): printable ASCII, compared without regard to case (TYP-01, TYP-02)."""
    return Annotated[
        str,
        StringConstraints(strict=True, min_length=shortest, max_length=longest),
        AfterValidator(_ascii),
        Shape("id", longest=longest),
    ]


@cache
def ocpi_string(longest: int, shortest: int = 0) -> Any:
    """string(n): printable UTF-8, case-sensitive (TYP-03)."""
    return Annotated[
        str,
        StringConstraints(strict=True, min_length=shortest, max_length=longest),
        AfterValidator(_printable),
        Shape("text", longest=longest),
    ]


@cache
def plain_text(longest: int) -> Any:
    """A text for people: no markup (TYP-11)."""
    return Annotated[
        str,
        StringConstraints(strict=True, max_length=longest),
        AfterValidator(_plain),
        Shape("plain text", longest=longest),
    ]


def _matching(pattern: str, meaning: str) -> AfterValidator:
    compiled = re.compile(pattern, re.ASCII)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(f"expected {meaning}")
        return value

    return AfterValidator(check)


@cache
def matching(pattern: str, meaning: str, shape: str = "pattern") -> Any:
    """A string that must match the whole pattern.

    meaning: what was expected, for the error's text. shape: the name of its `Shape`.
    """
    return Annotated[str, StringConstraints(strict=True), _matching(pattern, meaning), Shape(shape)]


CountryCode2 = matching(r"[A-Za-z]{2}", "an ISO 3166-1 alpha-2 country code", "alpha-2")
CountryCode3 = matching(r"[A-Z]{3}", "an ISO 3166-1 alpha-3 country code", "alpha-3")
PartyId = matching(r"[A-Za-z0-9]{3}", "a party id of three letters or digits", "party")
Currency = matching(r"[A-Z]{3}", "an ISO 4217 currency code", "currency")
Language = matching(r"[a-z]{2}", "an ISO 639-1 language code", "language")
Url = matching(r"https?://[^\s\x00-\x1f]{1,247}", "an http(s) URL of at most 255 characters", "url")


def _time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("expected a time zone of the IANA database") from error
    return value


TimeZone = Annotated[
    str, StringConstraints(strict=True, max_length=255), AfterValidator(_time_zone), Shape("time zone")
]


def _number(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError("expected a JSON number")
    number = Decimal(value)
    # `<` compares the exponents first, so it is fast for any number.
    if not -_LARGEST < number < _LARGEST:
        raise ValueError("expected a number below 10^12")
    return number


_LARGEST = Decimal(10**12)
"""The same limit as in pricing: no price, energy or time is larger."""


Number = Annotated[Decimal, BeforeValidator(_number), Shape("number")]
"""number: a JSON number, exact (TYP-09)."""

Int = Annotated[StrictInt, Field(gt=-(2**63), lt=2**63), Shape("int")]


def open_enum(name: str, values: str) -> Any:
    """An enum that partners may extend: unknown values are accepted if they look like enum values.

    values: the specification's own, separated by white space. A known value in another case is
    refused (TYP-04), an unknown one in capitals is stored and relayed (TYP-15).
    """
    known = frozenset(values.split())
    capitals = {value.upper() for value in known}

    def check(value: str) -> str:
        if value in known or (value.upper() not in capitals and _ENUM_FORM.fullmatch(value)):
            return value
        raise ValueError(f"not a value of {name}")

    return Annotated[
        str,
        StringConstraints(strict=True, max_length=255),
        AfterValidator(check),
        Shape("enum", values=known),
    ]


def closed_enum(name: str, values: str) -> Any:
    """An enum that refuses unknown values, because this node cannot act on them."""
    known = frozenset(values.split())

    def check(value: str) -> str:
        if value not in known:
            raise ValueError(f"not a value of {name}")
        return value

    return Annotated[str, StringConstraints(strict=True), AfterValidator(check), Shape("enum", values=known)]


Role = closed_enum("Role", "CPO EMSP HUB NAP NSP OTHER SCSP")


def parse_datetime(text: str) -> datetime:
    """Read a DateTime; without a designator it is UTC (TYP-06, TYP-07).

    >>> parse_datetime("2015-06-29T20:39:09.2Z").isoformat()
    '2015-06-29T20:39:09.200000+00:00'

    Raises: InvalidParameters when it is not in one of OCPI's forms; time zone offsets are not allowed.
    """
    if len(text) > 25 or not _DATETIME.fullmatch(text):
        raise InvalidParameters("expected a DateTime such as 2015-06-29T20:39:09Z")
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError as error:
        raise InvalidParameters(f"expected a DateTime: {error}") from error


def format_datetime(moment: datetime) -> str:
    """Write an instant in OCPI's form: UTC, `Z`, milliseconds only if they are not 0 (TRP-03).

    >>> format_datetime(datetime(2026, 1, 1, 0, 0, 0, 120000, UTC))
    '2026-01-01T00:00:00.120Z'
    """
    utc = moment.astimezone(UTC)
    text = utc.strftime("%Y-%m-%dT%H:%M:%S") if utc.year > 999 else utc.isoformat(timespec="seconds")[:19]
    return f"{text}.{utc.microsecond // 1000:03d}Z" if utc.microsecond >= 1000 else f"{text}Z"


def sort_key(text: str) -> str:
    """Convert a DateTime to text that sorts by time: `09.2Z` is after `09Z` (TYP-08, TRP-04).

    >>> sort_key("2015-06-29T20:39:09.2Z")
    '2015-06-29T20:39:09.200000'
    """
    return parse_datetime(text).replace(tzinfo=None).isoformat(timespec="microseconds")


def is_datetime(value: object) -> bool:
    """Return whether a value is a DateTime."""
    try:
        return isinstance(value, str) and bool(parse_datetime(value))
    except InvalidParameters:
        return False


def _datetime(value: str) -> str:
    try:
        parse_datetime(value)
    except InvalidParameters as error:
        raise ValueError(error.detail) from error
    return value


DateTime = Annotated[str, StringConstraints(strict=True), AfterValidator(_datetime), Shape("datetime")]
"""A DateTime as its original text; read it with `parse_datetime`."""
