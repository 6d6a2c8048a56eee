"""Ids and `last_updated` of the node's own objects, filled in where the operator left them out.

An operator reads an object, changes a field and puts it back. The ids and times in the body are then the
old ones. So the id comes from the URL; a body may only repeat it. A `last_updated` counts only when it is
newer than the stored one. Otherwise a change would carry an old time, and partners that pull by date would
miss it. A `last_updated` ahead of our clock is kept, because a lower one would make the change look old to
partners; it is logged as a warning (`policy/time_remarks.py`).

Source: OCPI 2.2.1 transport_and_format, Pull and Push; OWN-04, LOC-03, TRP-08
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from chalicelib.errors import NotFound
from chalicelib.policy.ownership import check_identity
from chalicelib.protocol.json_text import Document, read_json
from chalicelib.protocol.patch import merge_patch
from chalicelib.protocol.types import (
    OcpiObject,
    format_datetime,
    is_datetime,
    parse_datetime,
    sort_key,
    validate,
)
from chalicelib.storage.objects import Keep, Stored, Write

Propose = Callable[[Document | None], Document]
"""Returns the new document, given the stored one (None when there is none)."""


class OwnObject(NamedTuple):
    """An own object, or a part of one, as it is stored now, and whether it is new."""

    document: Document
    created: bool


def decide_own(
    current: Stored | None,
    propose: Propose,
    ids: Mapping[str, str],
    model: type[OcpiObject],
    write: Callable[[Document], Write],
    now: datetime,
) -> Write | Keep:
    """Decide on a change of an own object. The answer of the decision is the whole object.

    ids: those in the URL. write: makes the write of a valid object.
    Raises: InvalidParameters naming the field.
    """
    stored: Document | None = read_json(str(current.body)) if current else None
    document = timed(with_ids(propose(stored), stored, **ids), stored, now)
    validate(model, document)
    return Keep(document) if document == stored else replace(write(document), answer=document)


def merging(patch: Document, name: str) -> Propose:
    """Make the proposal of a PATCH. name: of the object, for the error; the proposal raises NotFound."""

    def patched(stored: Document | None) -> Document:
        if stored is None:
            raise NotFound(f"unknown {name}")
        return merge_patch(stored, patch)

    return patched


def with_ids(document: Mapping[str, Any], stored: Mapping[str, Any] | None, **ids: str) -> Document:
    """Return the document with its ids, spelled as they were first written (OWN-04).

    Raises: InvalidParameters when an id in the document differs from `ids`.
    """
    check_identity(document, **ids)
    first_written = {name: (stored or {}).get(name, value) for name, value in ids.items()}
    return {**first_written, **document, **first_written}


def timed(document: Document, stored: Document | None, now: datetime) -> Document:
    """Set `last_updated`: the stored one when nothing else changed, else a newer one."""
    if stored is not None and reads_as(document, stored):
        return {**document, "last_updated": stored["last_updated"]}
    before = stored["last_updated"] if stored else None
    return {**document, "last_updated": _next_last_updated(document.get("last_updated"), before, now)}


def reads_as(document: Document, stored: Document) -> bool:
    """Return True when two documents are equal apart from `last_updated`, on every level."""
    return bool(_without_times(document) == _without_times(stored))


def _without_times(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_times(part) for name, part in value.items() if name != "last_updated"}
    if isinstance(value, list):
        return [_without_times(part) for part in value]
    return value


def _next_last_updated(proposed: object, stored: str | None, now: datetime) -> object:
    """Return the proposed time when it is newer than the stored one, else now.

    The result is never older than the stored time, even when the clock went back. A value that is not a
    DateTime is returned unchanged, so that the validation refuses it.
    """
    if proposed is not None:
        if not is_datetime(proposed):
            return proposed
        if stored is None or sort_key(str(proposed)) > sort_key(stored):
            return proposed
    present = format_datetime(now)
    return present if stored is None else max(present, stored, key=parse_datetime)
