"""The sizes that a request may bring and an answer may hold.

Lambda answers with 6,291,556 bytes at most; a larger answer becomes HTTP 502 at API Gateway, although the
handler was right. Lambda's Python runtime sends an answer's body as a string inside JSON of its own. So
each quotation mark and each backslash of the body takes two bytes, and on Python 3.11 each character that
is not ASCII takes six bytes (twelve above U+FFFF). `answer_size` counts that, for every version of Python:
what is counted too high on 3.12 and later costs a page more, and nothing else.

A location has no bound by itself: its EVSEs are written one by one. `check_location_size` bounds the whole,
so that its owner can push it whole, and so that one answer holds it.

Source: AWS, Lambda quotas (invocation payload, response); awslambdaric, lambda_runtime_marshaller.py
"""

from __future__ import annotations

from json.encoder import encode_basestring_ascii
from typing import NamedTuple

from chalicelib.errors import InvalidParameters

MAX_BODY_BYTES = 1024 * 1024
"""How long the body of a request may be."""

LARGEST_ANSWER = 6_000_000
"""How large the body of an answer may be, by `answer_size`; the rest is for headers and Lambda's own JSON."""

LARGEST_OBJECT = 5_990_000
"""How large an object may be to be answered alone; a list passes over one that is larger."""

PAGE_BYTES = 5_500_000
"""How large the objects of a page may be together, by `answer_size`."""

LARGEST_LOCATION = 1_000_000
"""How many characters a location may have as a whole when something is added to it."""

LARGEST_ADDED = 5_000_000
"""The same, by `answer_size`: reached only by a location whose text is mostly not ASCII."""

_LONGEST_ESCAPE = 12


class Size(NamedTuple):
    """A text's length in characters, and what an answer needs for it."""

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
        """Tell whether neither number is above the limit's."""
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
    """Tell whether a text of so many characters is within a limit of `answer_size`, whatever they are."""
    return characters * _LONGEST_ESCAPE <= limit


def fits_answer(body: str) -> bool:
    """Tell whether Lambda can send a body. Counts only where the length alone does not tell."""
    return surely_fits(len(body), LARGEST_ANSWER) or answer_size(body) <= LARGEST_ANSWER


def check_location_size(whole: Size, before: Size | None, adds: bool) -> None:
    """Refuse a location that would be too large as a whole.

    before: its size now, None for a new one. adds: whether an EVSE comes new, or the location is written as
    a whole. A change of what is there may take a little more, so that no status is refused at the limit; in
    a location that was above the limits before there were any, it may still take a few more characters.
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
