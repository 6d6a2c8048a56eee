"""The node's own objects: what the operator may leave out is filled in here.

An operator reads an object, changes a field and puts it back; the ids and times in it are then the
old ones. So an id is never taken from a body (it may only repeat the URL's), and a `last_updated`
counts only when it is newer than what is stored. Otherwise a change would carry an old time, and
partners that pull by date would miss it. One that is ahead of our clock is kept, and it is remarked
(`partners/stamps.py`): it is the operator's word, and going back would make the change look old to partners.

Source: OCPI 2.2.1 transport_and_format, Pull and Push; OWN-04, LOC-03, TRP-08
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chalicelib.modules.client_owned_objects import check_identity
from chalicelib.protocol.types import format_datetime, is_datetime, parse_datetime, sort_key

Document = dict[str, Any]


def with_ids(document: Mapping[str, Any], stored: Mapping[str, Any] | None, **ids: str) -> Document:
    """The document with its ids, as they were first written (OWN-04).

    Raises: InvalidParameters when it names another object.
    """
    check_identity(document, **ids)
    first_written = {name: (stored or {}).get(name, value) for name, value in ids.items()}
    return {**first_written, **document, **first_written}


def timed(document: Document, stored: Document | None, now: datetime) -> Document:
    """The document with its `last_updated`: kept when it reads as before, else moved on."""
    if stored is not None and reads_as(document, stored):
        return {**document, "last_updated": stored["last_updated"]}
    before = stored["last_updated"] if stored else None
    return {**document, "last_updated": _next_last_updated(document.get("last_updated"), before, now)}


def reads_as(document: Document, stored: Document) -> bool:
    """Tell whether two documents differ in nothing but `last_updated`, on any level."""
    return bool(_without_times(document) == _without_times(stored))


def _without_times(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_times(part) for name, part in value.items() if name != "last_updated"}
    if isinstance(value, list):
        return [_without_times(part) for part in value]
    return value


def _next_last_updated(proposed: object, stored: str | None, now: datetime) -> object:
    """What is proposed when that is news, else now.

    Never goes back, even when the clock does. What is no DateTime is returned as it is, for the
    validation to refuse it.
    """
    if proposed is not None:
        if not is_datetime(proposed):
            return proposed
        if stored is None or sort_key(str(proposed)) > sort_key(stored):
            return proposed
    present = format_datetime(now)
    return present if stored is None else max(present, stored, key=parse_datetime)
