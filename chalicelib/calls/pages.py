"""Pages of a partner's list: reads one page, and decides what the next one is.

A list may be long and its reading may take hours, so nothing here runs until the end: `Crawl` says where a
reading stands and is small enough to be stored between two pages.

The Link of each page is followed unchanged, until a page has none (PAG-12), but only on the host of the
endpoint: the client checks that. When X-Total-Count drops, the remaining objects have moved to lower offsets
and some would be missed. So the page is requested again from an offset that is lower by the same number
(PAG-13); if the Link has no readable offset, the crawl continues.

A partner cannot make a crawl endless: Links in a circle, pages that repeat, too many pages, or too many empty
pages in a row end it. A circle is found without a list of all pages: one is remembered, after 1, 2, 4, 8 ...
pages a new one (Brent's algorithm), so a circle is followed about three times at most. The objects of the
page that closes it count: some partners give the last page a Link to itself.

Source: OCPI 2.2.1 transport_and_format, Pagination
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, NamedTuple
from urllib.parse import urljoin

from pydantic import BaseModel, ConfigDict

from chalicelib.calls.answers import Answer, PartnerFault
from chalicelib.protocol.json_text import write_json

MAX_PAGES = 100_000
MAX_EMPTY_PAGES = 20

_LINK = re.compile(r"<([^>]*)>([^<]*)")
_NEXT = re.compile(r';\s*rel\s*=\s*(?:"(?:[^"]*\s)?next(?:\s[^"]*)?"|next)\s*(?:[;,]|$)', re.IGNORECASE)
_OFFSET = re.compile(r"(?<=[?&]offset=)[0-9]{1,10}(?=&|$)")


class Crawl(BaseModel):
    """The place at which the reading of a list stands.

    url: of the page to read next. pages: number of pages that were read. empty: number of empty ones in a row
    before. total: the last X-Total-Count. mark, content: digests of the URL and of the objects of an earlier
    page, which must not come again.
    """

    model_config = ConfigDict(frozen=True)
    url: str
    pages: int = 0
    empty: int = 0
    total: int | None = None
    mark: str = ""
    content: str = ""


class Page(NamedTuple):
    """One page.

    objects: its entries as they came. following: where the crawl goes on, None after the last page. again:
    the page is requested once more at a lower offset, so it has no objects. endless: the reason why the crawl
    ends although there is another Link, "" if it does not. total: its X-Total-Count.
    """

    objects: list[Any]
    following: Crawl | None
    again: bool = False
    endless: str = ""
    total: int | None = None

    def is_all(self, number: int) -> bool:
        """Tell whether a list of this total is read after so many objects."""
        return self.total is not None and number >= self.total


def read_page(crawl: Crawl, answer: Answer, what: str) -> Page:
    """Read the answer to a GET of `crawl.url`. what: the list, for texts of errors.

    Raises: PartnerFault for an answer that is no list.
    """
    total = _total(answer)
    if crawl.total is not None and total is not None and total < crawl.total:
        lower = _with_lower_offset(crawl.url, crawl.total - total)
        if lower is not None:
            # From here on, pages may rightly come again. A page that is repeated counts as an empty one.
            changes: dict[str, Any] = {"url": lower, "total": total, "mark": "", "content": ""}
            changes |= {"pages": crawl.pages + 1, "empty": crawl.empty + 1}
            return _checked(Page([], crawl.model_copy(update=changes), again=True, total=total), what)
    objects = _objects(answer, what)
    url = next_link(answer.headers.get("link"), crawl.url)
    if url is None:
        return Page(objects, None, total=total)
    content = _digest(write_json(objects)) if objects else ""
    if content and content == crawl.content:
        return Page(objects, None, endless=f"the pages of {what} go in a circle", total=total)
    pages = crawl.pages + 1
    changes = {
        "url": url,
        "total": total if total is not None else crawl.total,
        "pages": pages,
        "empty": 0 if objects else crawl.empty + 1,
    }
    if pages & crawl.pages == 0:
        changes |= {"mark": _digest(crawl.url), "content": content}
    return _checked(Page(objects, crawl.model_copy(update=changes), total=total), what)


def _checked(page: Page, what: str) -> Page:
    """Return a page after which the crawl goes on, or one that is the last because it would have no end."""
    crawl = page.following
    assert crawl is not None
    if _digest(crawl.url) == crawl.mark:
        return page._replace(following=None, endless=f"the pages of {what} go in a circle")
    if crawl.pages >= MAX_PAGES or crawl.empty >= MAX_EMPTY_PAGES:
        return page._replace(following=None, endless=f"the pages of {what} do not come to an end")
    return page


def _digest(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()[:32]


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
