"""Reads the values that a price depends on from parsed JSON; an error names the field by its dotted path.

It does not use the models of `modules/tariffs`, for two reasons. A person's file or an old CDR may lack
fields that no price needs (`last_updated`, a party). And pydantic is too slow: importing it takes 100 ms on
the command line, and 2,000 CDRs a second have to be read.

Source: OCPI 2.2.1 types; TYP-06 … TYP-09
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from chalicelib.errors import InvalidParameters

JsonObject = Mapping[str, Any]
"""A JSON object that is only read."""

MICROSECOND = timedelta(microseconds=1)
HOUR_US = 3_600_000_000
MINUTE_US = 60_000_000
SECOND_US = 1_000_000

# Numbers have four decimals in OCPI. Digits after the ninth are rounding errors of floats (0.1 + 0.2 kWh).
# They are dropped, because they could add one more step to the bill.
_FINEST = Decimal("1E-9")
_LARGEST = Decimal(10**12)
# An unknown end is often written as 1970 or 9999; such a session cannot be priced.
LONGEST = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Remark:
    """A warning about input that is suspicious but was priced; `field` is a dotted path."""

    code: str
    field: str
    message: str

    def to_document(self) -> dict[str, str]:
        """Return the remark as plain JSON."""
        return {"code": self.code, "field": self.field, "message": self.message}


def read_object(value: object, at: str) -> JsonObject:
    """Take a JSON object. Raises: InvalidParameters when the value is something else."""
    if not isinstance(value, dict | Mapping):
        raise InvalidParameters("required" if value is None else "expected a JSON object", field=at)
    return value


def read_list(value: object, at: str) -> Sequence[Any]:
    """Take a JSON array; None is an empty one. Raises: InvalidParameters when it is something else."""
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise InvalidParameters("expected a JSON array", field=at)
    return value


def read_text(value: object, at: str) -> str:
    """Take a string. Raises: InvalidParameters when it is empty or something else."""
    if not isinstance(value, str) or not value:
        raise InvalidParameters("required" if value is None else "expected a string", field=at)
    return value


def read_flag(value: object, at: str) -> bool:
    """Take a boolean; None is false. Raises: InvalidParameters when it is something else."""
    if value is None or isinstance(value, bool):
        return bool(value)
    raise InvalidParameters("expected true or false", field=at)


def read_decimal(value: object, at: str) -> Decimal:
    """Take a number, rounded to nine decimals.

    Raises: InvalidParameters when it is no number, out of range, or a float (floats are inexact).
    """
    if type(value) is Decimal and _is_plain(str(value)):
        return value
    if type(value) is int:
        number = Decimal(value)
    elif type(value) is Decimal and value.is_finite():
        number = value
    else:
        raise InvalidParameters("required" if value is None else "expected a JSON number", field=at)
    if not -_LARGEST < number < _LARGEST:
        raise InvalidParameters(f"{value} is out of range, numbers are below 10^12", field=at)
    if type(value) is int or _exponent(number) >= -9:
        return number
    return number.quantize(_FINEST)


def _is_plain(text: str) -> bool:
    """Check quickly that a number is short and without exponent, as nearly all are."""
    return len(text) <= 10 and text[-1].isdecimal() and "E" not in text


def _exponent(number: Decimal) -> int:
    return int(number.as_tuple().exponent)


def read_optional_decimal(value: object, at: str) -> Decimal | None:
    """Take a number or None. Raises: InvalidParameters like `read_decimal`."""
    return None if value is None else read_decimal(value, at)


def read_moment(value: object, at: str) -> datetime:
    """Take a DateTime; without a `Z` it is UTC as well (TYP-06, TYP-07).

    Raises: InvalidParameters when it has another form, or an offset.
    """
    text = read_text(value, at)
    naive = text[:-1] if text[-1] == "Z" else text
    # `fromisoformat` is ten times as fast as a regular expression, but accepts forms that OCPI does not have.
    if len(naive) >= 19 and naive[4] + naive[7] + naive[10] + naive[13] + naive[16] + naive[19:20] in _FORMS:
        try:
            moment = datetime.fromisoformat(naive)
        except ValueError:
            moment = None
        if moment is not None and moment.tzinfo is None and naive.isascii():
            return moment.replace(tzinfo=UTC)
    raise InvalidParameters(f"{text[:40]!r} is not a DateTime such as 2015-06-29T20:39:09Z", field=at)


_FORMS = ("--T::", "--T::.")


def read_span(document: JsonObject, at: str = "") -> tuple[datetime, datetime]:
    """Take the start and the end of a session.

    Raises: InvalidParameters when the end is before the start, more than a year later, or the year is absurd.
    """
    start = read_moment(document.get("start_date_time"), f"{at}start_date_time")
    end = read_moment(document.get("end_date_time"), f"{at}end_date_time")
    if end < start:
        raise InvalidParameters("the end is before the start", field=f"{at}end_date_time")
    if not 1970 <= start.year < 2200:
        raise InvalidParameters("year out of range 1970-2199", field=f"{at}start_date_time")
    if end - start > LONGEST:
        raise InvalidParameters("the end is more than a year after the start", field=f"{at}end_date_time")
    return start, end


def read_zone(value: object, at: str) -> ZoneInfo:
    """Take the name of a time zone. Raises: InvalidParameters when it is not in the IANA database."""
    name = read_text(value, at)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidParameters(f"{name[:40]!r} is not a time zone of the IANA database", field=at) from error


def write_moment(moment: datetime) -> str:
    """Write an instant in UTC, with milliseconds only if they are not zero.

    >>> write_moment(datetime(2026, 3, 29, 1, 0, 0, 250000, UTC))
    '2026-03-29T01:00:00.250Z'
    """
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text[:19] + (text[19:23] if text[19:23] != ".000" else "") + "Z"


def round_number(number: Decimal, decimals: int = 9) -> Decimal:
    """Round half away from zero, as invoices do, and drop the zeros at the end.

    >>> round_number(Decimal("5.6250000000"))
    Decimal('5.625')
    >>> round_number(Decimal(20))
    Decimal('20')
    """
    rounded = number.quantize(Decimal(1).scaleb(-decimals), "ROUND_HALF_UP").normalize()
    return rounded.quantize(Decimal(1)) if _exponent(rounded) > 0 else rounded + 0
