"""Reads what a price depends on out of parsed JSON; an error names the field by its dotted path.

These are not the models of `modules/tariffs` on purpose. A person's file, or a CDR of years ago, may
lack what no price needs (`last_updated`, a party); a command line should not wait 100 ms for pydantic;
and 2,000 CDRs a second have no time for it.

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

Document = Mapping[str, Any]

MICROSECOND = timedelta(microseconds=1)
HOUR_US = 3_600_000_000
MINUTE_US = 60_000_000
SECOND_US = 1_000_000

# Numbers have four decimals in OCPI. What stands beyond the ninth is the noise of somebody's floats
# (0.1 + 0.2 kWh): read as it is, it would open one more step to be billed.
_FINEST = Decimal("1E-9")
_LARGEST = Decimal(10**12)
# An end that nobody knew is often written as 1970 or 9999; there is no price for that.
LONGEST = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Remark:
    """Something suspicious that a price was given in spite of; `field` is a dotted path."""

    code: str
    field: str
    message: str

    def to_document(self) -> dict[str, str]:
        """Show it as plain JSON."""
        return {"code": self.code, "field": self.field, "message": self.message}


def read_object(value: object, at: str) -> Document:
    """Take a JSON object. Raises: InvalidParameters when it is something else."""
    if not isinstance(value, dict | Mapping):
        raise InvalidParameters("required" if value is None else "expected a JSON object", field=at)
    return value


def read_list(value: object, at: str) -> Sequence[Any]:
    """Take a JSON array; none at all is an empty one. Raises: InvalidParameters."""
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise InvalidParameters("expected a JSON array", field=at)
    return value


def read_text(value: object, at: str) -> str:
    """Take a string that is not empty. Raises: InvalidParameters."""
    if not isinstance(value, str) or not value:
        raise InvalidParameters("required" if value is None else "expected a string", field=at)
    return value


def read_flag(value: object, at: str) -> bool:
    """Take a boolean; none at all is false. Raises: InvalidParameters."""
    if value is None or isinstance(value, bool):
        return bool(value)
    raise InvalidParameters("expected true or false", field=at)


def read_decimal(value: object, at: str) -> Decimal:
    """Take a number, to nine decimals. Raises: InvalidParameters; a float is refused as well."""
    if type(value) is Decimal and _is_plain(str(value)):
        return value
    if type(value) is int:
        number = Decimal(value)
    elif type(value) is Decimal and value.is_finite():
        number = value
    else:
        raise InvalidParameters("required" if value is None else "expected a JSON number", field=at)
    if not -_LARGEST < number < _LARGEST:
        raise InvalidParameters(f"{value} is out of any proportion", field=at)
    if type(value) is int or _exponent(number) >= -9:
        return number
    return number.quantize(_FINEST)


def _is_plain(text: str) -> bool:
    """Tell quickly that a number has neither too many digits nor an exponent, as nearly all have."""
    return len(text) <= 10 and text[-1].isdecimal() and "E" not in text


def _exponent(number: Decimal) -> int:
    return int(number.as_tuple().exponent)


def read_optional_decimal(value: object, at: str) -> Decimal | None:
    """Take a number or nothing. Raises: InvalidParameters."""
    return None if value is None else read_decimal(value, at)


def read_moment(value: object, at: str) -> datetime:
    """Take a DateTime; without a designator it is UTC, and offsets are refused (TYP-06, TYP-07).

    Raises: InvalidParameters.
    """
    text = read_text(value, at)
    naive = text[:-1] if text[-1] == "Z" else text
    # `fromisoformat` alone knows more forms than OCPI does, and is ten times as fast as an expression.
    if len(naive) >= 19 and naive[4] + naive[7] + naive[10] + naive[13] + naive[16] + naive[19:20] in _FORMS:
        try:
            moment = datetime.fromisoformat(naive)
        except ValueError:
            moment = None
        if moment is not None and moment.tzinfo is None and naive.isascii():
            return moment.replace(tzinfo=UTC)
    raise InvalidParameters(f"{text[:40]!r} is not a DateTime such as 2015-06-29T20:39:09Z", field=at)


_FORMS = ("--T::", "--T::.")


def read_span(document: Document, at: str = "") -> tuple[datetime, datetime]:
    """Take the start and the end of a session. Raises: InvalidParameters when they cannot be meant."""
    start = read_moment(document.get("start_date_time"), f"{at}start_date_time")
    end = read_moment(document.get("end_date_time"), f"{at}end_date_time")
    if end < start:
        raise InvalidParameters("the end is before the start", field=f"{at}end_date_time")
    if not 1970 <= start.year < 2200:
        raise InvalidParameters("nobody charged in that year", field=f"{at}start_date_time")
    if end - start > LONGEST:
        raise InvalidParameters("it lasts for more than a year", field=f"{at}end_date_time")
    return start, end


def read_zone(value: object, at: str) -> ZoneInfo:
    """Take the name of a time zone. Raises: InvalidParameters when the IANA database lacks it."""
    name = read_text(value, at)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidParameters(f"{name[:40]!r} is not a time zone of the IANA database", field=at) from error


def write_moment(moment: datetime) -> str:
    """Write an instant in UTC; milliseconds only where there are some.

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
