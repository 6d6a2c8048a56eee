"""Pages of lists that are short enough to be read at once.

Source: OCPI 2.2.1 transport_and_format, Pagination; PAG-02 … PAG-10
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.protocol.json_text import JsonText, write_json
from chalicelib.protocol.message import Reply, Request
from chalicelib.protocol.pagination import Page, PageQuery, page_reply
from chalicelib.protocol.sizes import PAGE_BYTES, answer_size
from chalicelib.protocol.types import sort_key


def whole_list_reply(request: Request, entries: Sequence[Mapping[str, Any]]) -> Reply:
    """Answer with one page of entries. entries: the whole list, in the order of the pages.

    `date_from` and `date_to` filter the entries that have a `last_updated`; the others are always listed.
    Raises: InvalidParameters for a query that cannot be read (PAG-14).
    """
    query = PageQuery.read(request)
    wanted = [entry for entry in entries if _is_within(query, entry)]
    shown = [JsonText(write_json(entry)) for entry in wanted[query.offset : query.offset + query.limit]]
    return page_reply(request, query, short_page(query, shown, len(wanted)))


def short_page(query: PageQuery, shown: Sequence[JsonText], total: int) -> Page:
    """Cut a page of a list that was read whole to the size of an answer.

    shown: the entries from the query's offset on, up to its limit. total: how many the list has.
    """
    taken = size = 0
    for text in shown:
        size += answer_size(text) + len(",")
        if size > PAGE_BYTES and taken:
            break
        taken += 1
    after = query.offset + taken
    return Page(list(shown[:taken]), total, after if after < total else None)


def _is_within(query: PageQuery, entry: Mapping[str, Any]) -> bool:
    """Check an entry against `date_from` (inclusive) and `date_to` (exclusive)."""
    if "last_updated" not in entry:
        return True
    moment = sort_key(entry["last_updated"])
    return (query.date_from or moment) <= moment and (query.date_to is None or moment < query.date_to)
