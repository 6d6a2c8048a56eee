"""Pages: reads date_from, date_to, offset and limit; writes Link, X-Total-Count and X-Limit.

`Link` has an opaque cursor beside the offset. With the cursor every page costs the same, and no object is
missed while others change. A client that counts offsets itself is served as well.

Source: OCPI 2.2.1 transport_and_format, Pagination; PAG-01 … PAG-10, PAG-14
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from chalicelib.errors import InvalidParameters
from chalicelib.protocol.json_text import JsonText, join_array
from chalicelib.protocol.message import Reply, Request
from chalicelib.protocol.types import is_datetime, sort_key
from chalicelib.reading.instants import read_datetime_leniently

MAX_LIMIT = 100
DEFAULT_LIMIT = 50
_LARGEST_INT = 2**31 - 1
_LONGEST_INT = 11


@dataclass(frozen=True)
class PageQuery:
    """The query of a list request; the dates are fixed-width sort keys, `date_to` is exclusive."""

    date_from: str | None = None
    date_to: str | None = None
    offset: int = 0
    limit: int = DEFAULT_LIMIT
    cursor: str | None = None

    @classmethod
    def read(cls, request: Request, require_date_from: bool = False) -> PageQuery:
        """Read the query string; dates in any form with one meaning (`reading/instants.py`).

        Raises: InvalidParameters for a value that cannot be read (PAG-14).
        """
        query = request.query
        date_from, date_to = _read_date(query, "date_from"), _read_date(query, "date_to")
        if require_date_from and date_from is None:
            raise InvalidParameters("required", field="date_from")
        if date_from and date_to and date_to < date_from:
            raise InvalidParameters("must not be before date_from", field="date_to")
        limit = _read_int(query, "limit", smallest=1)
        return cls(
            date_from=date_from,
            date_to=date_to,
            offset=_read_int(query, "offset", smallest=0) or 0,
            limit=min(DEFAULT_LIMIT if limit is None else limit, MAX_LIMIT),
            cursor=query.get("cursor") or None,
        )


@dataclass(frozen=True)
class Page:
    """One page of objects as JSON texts; next_* are None on the last page.

    too_large: key and `answer_size` of each object that was left out, because no answer can hold it.
    """

    bodies: list[JsonText]
    total: int
    next_offset: int | None = None
    next_cursor: str | None = None
    too_large: tuple[tuple[str, int], ...] = ()


def page_headers(request: Request, query: PageQuery, page: Page) -> dict[str, str]:
    """Write X-Total-Count, X-Limit, and Link if there is a next page (PAG-06 … PAG-10)."""
    headers = {"X-Total-Count": str(page.total), "X-Limit": str(MAX_LIMIT)}
    if page.next_offset is not None:
        kept = {
            name: value for name, value in request.query.items() if name not in ("offset", "limit", "cursor")
        }
        following = {**kept, "offset": str(page.next_offset), "limit": str(query.limit)}
        if page.next_cursor is not None:
            following["cursor"] = page.next_cursor
        headers["Link"] = f'<{request.url}?{urlencode(following)}>; rel="next"'
    return headers


def page_reply(request: Request, query: PageQuery, page: Page) -> Reply:
    """Make the reply with a page."""
    headers = page_headers(request, query, page)
    return Reply(data=join_array(page.bodies), headers=headers, too_large=page.too_large)


def _read_date(query: Mapping[str, str], name: str) -> str | None:
    text = query.get(name)
    if not text:
        return None
    try:
        return sort_key(text if is_datetime(text) else read_datetime_leniently(text))
    except ValueError as error:
        raise InvalidParameters(f"{text[:40]!r} is {error}", field=name) from error


def _read_int(query: Mapping[str, str], name: str, smallest: int) -> int | None:
    text = query.get(name)
    if text is None or text == "":
        return None
    is_whole = len(text) <= _LONGEST_INT and text.isascii() and text.removeprefix("-").isdigit()
    if not is_whole or not smallest <= int(text) <= _LARGEST_INT:
        raise InvalidParameters(f"expected a whole number of at least {smallest}", field=name)
    return int(text)
