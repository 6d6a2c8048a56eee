"""`Retry-After` of an HTTP answer: the time for which a partner asks not to be called.

Source: RFC 9110, sections 10.2.3 (Retry-After) and 5.6.7 (dates)
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_S = 86_400
"""A longer wait is cut to a day: no date in the far future may end the exchange with a partner."""


def read_retry_after(headers: Mapping[str, str], now: datetime | None = None) -> int | None:
    """Return the seconds to wait, from 0 to `LONGEST_S`; None without a readable `Retry-After`.

    A date is compared with the answer's own `Date`, so a wrong clock of the partner does no harm.

    headers: names in lower case. now: our clock, for an answer without `Date`.

    >>> read_retry_after({"retry-after": "120"})
    120
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return min(int(text[:9]), LONGEST_S)
    until, since = _read_date(text), _read_date(headers.get("date", "")) or now
    if until is None or since is None:
        return None
    return min(max(0, round((until - since).total_seconds())), LONGEST_S)


def _read_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
