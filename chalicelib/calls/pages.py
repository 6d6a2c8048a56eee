"""Reads a whole list of a partner, page by page.

The Link of each page is followed unchanged, until a page has none (PAG-12), but only on the host of the
endpoint: the caller's `get` checks the host. When X-Total-Count drops, the remaining objects have moved to
lower offsets and some would be missed. So the page is requested again from an offset that is lower by the
same number (PAG-13); if the Link has no readable offset, the crawl continues. An entry that is no JSON
object, or that `accept` refuses, is logged and skipped (TRN-30).

A partner cannot make the crawl endless: a Link that was followed before, too many pages, or
too many empty pages in a row end it with a fault.

Source: OCPI 2.2.1 transport_and_format, Pagination
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urljoin

from chalicelib.calls.answers import Answer, PartnerFault
from chalicelib.errors import OcpiError
from chalicelib.log import log

MAX_PAGES = 50_000
MAX_EMPTY_PAGES = 20

_LINK = re.compile(r"<([^>]*)>([^<]*)")
_NEXT = re.compile(r';\s*rel\s*=\s*(?:"(?:[^"]*\s)?next(?:\s[^"]*)?"|next)\s*(?:[;,]|$)', re.IGNORECASE)
_OFFSET = re.compile(r"(?<=[?&]offset=)[0-9]{1,10}(?=&|$)")


def crawl_pages(
    get: Callable[[str], Answer],
    first: str,
    what: str,
    accept: Callable[[dict[str, Any]], object] | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield the objects of all pages.

    get: reads one page; it must refuse a URL on a host other than the endpoint's. what: for the log.
    Raises: PartnerFault when the pages do not end, and what `get` raises.
    """
    url: str | None = first
    seen: set[str] = set()
    total: int | None = None
    empty_pages = 0
    while url is not None:
        if url in seen:
            raise PartnerFault(f"the pages of {what} go in a circle")
        if len(seen) >= MAX_PAGES or empty_pages >= MAX_EMPTY_PAGES:
            raise PartnerFault(f"the pages of {what} do not come to an end")
        seen.add(url)
        answer = get(url)
        known, total = total, _total(answer)
        if known is not None and total is not None and total < known:
            again = _with_lower_offset(url, known - total)
            if again is not None and again not in seen:
                url = again
                continue
        objects = _objects(answer, what)
        empty_pages = 0 if objects else empty_pages + 1
        yield from _good_ones(objects, what, accept)
        url = next_link(answer.headers.get("link"), url)


def next_link(header: str | None, url: str) -> str | None:
    """Return the URL with rel="next" of a Link header unchanged; a relative one is resolved against `url`.

    It may be malformed: the caller has to check it.

    >>> next_link('<https://example.com/ocpi/tokens?cursor=x%2Fy>; rel="next"', "https://example.com/")
    'https://example.com/ocpi/tokens?cursor=x%2Fy'
    """
    for link in _LINK.finditer(header or ""):
        if _NEXT.search(link[2]):
            absolute = re.match(r"[a-z][a-z0-9+.-]*:", link[1], re.IGNORECASE)
            return link[1] if absolute else join_relative(url, link[1])
    return None


def join_relative(base: str, url: str) -> str:
    """Resolve a relative URL of a partner against `base`; a URL that cannot be read is returned unchanged.

    >>> join_relative("https://example.com/ocpi/tokens", "//[::1")
    '//[::1'
    """
    try:
        return urljoin(base, url)
    except ValueError:
        return url


def _with_lower_offset(url: str, by: int) -> str | None:
    offset = _OFFSET.search(url)
    if offset is None or int(offset[0]) == 0:
        return None
    return f"{url[: offset.start()]}{max(0, int(offset[0]) - by)}{url[offset.end() :]}"


def _total(answer: Answer) -> int | None:
    text = answer.headers.get("x-total-count", "").strip()
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


def _objects(answer: Answer, what: str) -> list[Any]:
    if answer.is_empty:
        reason = f"answered neither a list nor an envelope for {what}"
        raise PartnerFault(reason, http_status=answer.http_status)
    if not answer.data:
        # Some peers answer null, "" or {} for an empty list.
        return []
    if not isinstance(answer.data, list):
        raise PartnerFault(f"answered no list for {what}", http_status=answer.http_status)
    return answer.data


def _good_ones(
    objects: list[Any], what: str, accept: Callable[[dict[str, Any]], object] | None
) -> Iterator[dict[str, Any]]:
    for place, document in enumerate(objects):
        if not isinstance(document, dict):
            log.warning(f"entry {place} on a page of {what} is no JSON object: skipped")
            continue
        try:
            if accept is not None:
                accept(document)
        except OcpiError as error:
            # Log only the field: the error's text may quote its value, which may be a driver's data.
            log.warning(f"entry {place} on a page of {what} is wrong in {error.field or 'itself'}: skipped")
            continue
        yield document
