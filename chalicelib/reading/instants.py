"""Instants as other software writes them, read into a canonical DateTime.

OCPI's DateTime is UTC, with at most 25 characters and without an offset. Other software writes offsets,
microseconds, a space instead of the T, small letters, or no seconds. Each of these has one meaning. In a
query, the `+` of an offset arrives as a space.

Source: OCPI 2.2.1 types, DateTime; TYP-06, TYP-07, TRP-03
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from chalicelib.protocol.types import format_datetime

_LONGEST = 64
_INSTANT = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d):?(\d\d)(?::?(\d\d)(?:[.,](\d+))?)?"
    r"(?: ?(Z|UTC|GMT|[+-][\d:]+Z?)| ([\d:]+))?",
    re.ASCII,
)
_OFFSET = re.compile(r"([+-]?)(\d\d)(?::?(\d\d))?(Z?)", re.ASCII)
_LARGEST_OFFSET = timedelta(hours=14)


def read_datetime_leniently(text: str) -> str:
    """Read an instant in any form that has one meaning, and write it in OCPI's form.

    More than three decimals are cut off and not rounded. Without a designator it is UTC (TYP-07).

    >>> read_datetime_leniently("2026-11-29T13:00:00.123987+01:00")
    '2026-11-29T12:00:00.123Z'
    >>> read_datetime_leniently("2026-11-29 13:00")
    '2026-11-29T13:00:00Z'

    Raises: ValueError for a text that is no instant, or that has more than one meaning, such as a date alone.
    """
    match = _INSTANT.fullmatch(text.strip().upper()) if len(text) <= _LONGEST else None
    if match is None:
        raise ValueError("not a date with a time, such as 2015-06-29T20:39:09Z")
    date, hour, minute, second, fraction, zone, bare_offset = match.groups()
    milliseconds = int((fraction or "0")[:3].ljust(3, "0"))
    try:
        local = datetime.fromisoformat(f"{date}T{hour}:{minute}:{second or '00'}+00:00")
        instant = local + timedelta(milliseconds=milliseconds) - _offset(zone or bare_offset or "Z")
    except OverflowError as error:
        raise ValueError("a year that does not exist") from error
    return format_datetime(instant.astimezone(UTC))


def _offset(zone: str) -> timedelta:
    """Return the offset from UTC of a zone such as `Z`, `+01:00`, `-0530` or, from a query, `01:00`.

    Raises: ValueError when it is no offset, or contradicts itself as `+01:00Z` does.
    """
    if zone in ("Z", "UTC", "GMT"):
        return timedelta()
    match = _OFFSET.fullmatch(zone)
    if match is None:
        raise ValueError("not an offset from UTC such as +01:00")
    sign, hours, minutes, designator = match.groups()
    size = timedelta(hours=int(hours), minutes=int(minutes or "0"))
    if int(minutes or "0") > 59 or size > _LARGEST_OFFSET:
        raise ValueError("not an offset from UTC such as +01:00")
    if designator and size:
        raise ValueError("an offset and a Z contradict each other")
    return -size if sign == "-" else size
