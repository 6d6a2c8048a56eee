"""Lists that are short enough to be read at once, in pages like all others.

Source: OCPI 2.2.1 transport_and_format, Pagination; PAG-02 … PAG-10
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.protocol.json_text import JsonText, write_json
from chalicelib.protocol.message import Reply, Request
from chalicelib.protocol.pagination import Page, PageQuery, page_reply
from chalicelib.protocol.types import sort_key


def whole_list_reply(request: Request, entries: Sequence[Mapping[str, Any]]) -> Reply:
    """One page of entries, given in the order in which they are listed.

    `date_from` and `date_to` choose among those that have a `last_updated`.
    Raises: InvalidParameters for a query that cannot be read (PAG-14).
    """
    query = PageQuery.read(request)
    wanted = [entry for entry in entries if _is_within(query, entry)]
    after = query.offset + query.limit
    shown = [JsonText(write_json(entry)) for entry in wanted[query.offset : after]]
    return page_reply(request, query, Page(shown, len(wanted), after if after < len(wanted) else None))


def _is_within(query: PageQuery, entry: Mapping[str, Any]) -> bool:
    """`date_from` is inclusive, `date_to` exclusive."""
    if "last_updated" not in entry:
        return True
    moment = sort_key(entry["last_updated"])
    return (query.date_from or moment) <= moment and (query.date_to is None or moment < query.date_to)
