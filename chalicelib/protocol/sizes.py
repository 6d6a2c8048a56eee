"""Size limits of requests and answers.

Lambda answers with 6,291,556 bytes at most; API Gateway turns a larger answer into HTTP 502, although the
handler succeeded. Lambda's Python runtime sends an answer's body as a string inside its own JSON. So
each quotation mark and each backslash of the body takes two bytes, and on Python 3.11 each character that
is not ASCII takes six bytes (twelve above U+FFFF). `answer_size` counts this for every version of Python;
on 3.12 and later it may be too high, which only costs one more page.

EVSEs are written one by one, so the size of a location needs a check of its own. `check_location_size` limits
the whole location, so that its owner can push it whole and one answer can hold it.

Source: AWS, Lambda quotas (invocation payload, response); awslambdaric, lambda_runtime_marshaller.py
"""

from __future__ import annotations

from json.encoder import encode_basestring_ascii
from typing import NamedTuple

from chalicelib.errors import InvalidParameters

MAX_BODY_BYTES = 1024 * 1024
"""The largest body of a request."""

LARGEST_ANSWER = 6_000_000
"""The largest body of an answer, by `answer_size`; the rest is for headers and Lambda's own JSON."""

LARGEST_OBJECT = 5_990_000
"""The largest object that an answer can hold, by `answer_size`; a list leaves out a larger one."""

PAGE_BYTES = 5_500_000
"""The largest sum of the objects on a page, by `answer_size`."""

LARGEST_LOCATION = 1_000_000
"""The most characters of a whole location when an EVSE is added or the whole is written."""

LARGEST_ADDED = 5_000_000
"""The same by `answer_size`: only a location whose text is mostly not ASCII reaches it."""

_LONGEST_ESCAPE = 12


class Size(NamedTuple):
    """A text's length in characters, and its bytes in an answer."""

    characters: int
    answer: int

    @classmethod
    def of(cls, text: str) -> Size:
        """Measure a text."""
        return cls(len(text), answer_size(text))

    def plus(self, *others: Size) -> Size:
        """The sum."""
        sizes = (self, *others)
        return Size(sum(size.characters for size in sizes), sum(size.answer for size in sizes))

    def is_within(self, limit: Size) -> bool:
        """Return whether both numbers are within the limit's."""
        return self.characters <= limit.characters and self.answer <= limit.answer

    def minus(self, other: Size) -> Size:
        """The difference."""
        return Size(self.characters - other.characters, self.answer - other.answer)


_SMALL_CHANGE = Size(1024, 1024)


def answer_size(text: str) -> int:
    r"""The number of bytes that Lambda sends for a text in the body of an answer.

    >>> answer_size('{"name":"Köln"}')
    24
    """
    return len(encode_basestring_ascii(text)) - len('""')


def surely_fits(characters: int, limit: int) -> bool:
    """Return whether any text of this length is within a limit of `answer_size`."""
    return characters * _LONGEST_ESCAPE <= limit


def fits_answer(body: str) -> bool:
    """Return whether Lambda can send a body; counts its bytes only if its length does not decide."""
    return surely_fits(len(body), LARGEST_ANSWER) or answer_size(body) <= LARGEST_ANSWER


def check_location_size(whole: Size, before: Size | None, adds: bool) -> None:
    """Refuse a location that would be too large as a whole.

    before: its size now, None for a new one. adds: whether an EVSE is added, or the location is written as
    a whole. Other changes have a higher limit, so that a change of status is never refused at the limit. A
    location that was stored before these limits existed, and is above them, may still grow a little.
    Raises: InvalidParameters naming the limit.
    """
    limit = Size(LARGEST_LOCATION, LARGEST_ADDED) if adds else Size(MAX_BODY_BYTES, PAGE_BYTES)
    if whole.is_within(limit) or (before is not None and whole.is_within(before)):
        return
    if before is not None and not adds and not before.is_within(limit):
        limit = before.plus(_SMALL_CHANGE)
        if whole.is_within(limit):
            return
    found, most, unit = whole.characters, limit.characters, "characters"
    if found <= most:
        found, most, unit = whole.answer, limit.answer, "bytes in an answer"
    raise InvalidParameters(
        f"the location with all its EVSEs would take {found} {unit}, at most {most} can be "
        "stored and answered; split it into several locations",
        field="evses",
    )
