"""Decision functions for changes of stored invoice records, for the store to call.

A change keeps what the record was before, because the record of an invoice that was corrected may be asked
for later. Only a deletion ends it: the record itself was an error.

Source: OCPI 2.3.0 mod_invoice_reconciliation, Push model; IR-04, IR-06
"""

from __future__ import annotations

from typing import Any

from chalicelib.errors import InvalidParameters, NotFound
from chalicelib.protocol.json_text import Document, JsonText, read_json, write_json
from chalicelib.storage.objects import Decide, Remove, Stored, Write, is_stale

WAS = "was"
"""Attribute of a record's item: JSON text of its earlier versions, oldest first."""

_MOST_CHARACTERS = 100_000


def written(document: Document, current: Stored | None) -> Write:
    """Return the write of a valid record, with its earlier versions."""
    was = earlier(current)
    if current is not None and not _is_same(document, before := read_json(str(current.body))):
        was.append(before)
    while was and len(text := write_json(was)) > _MOST_CHARACTERS:
        was.pop(0)
    return Write(JsonText(write_json(document)), document["last_updated"], extra={WAS: text} if was else {})


def earlier(current: Stored | None) -> list[Any]:
    """The earlier versions of a stored record, oldest first."""
    found: list[Any] = read_json(str(current.extra.get(WAS, "[]"))) if current else []
    return found


def replace_by(document: Document) -> Decide:
    """Create or replace a record, unless the stored one is newer."""

    def decide(current: Stored | None) -> Write | None:
        return None if is_stale(current, document["last_updated"]) else written(document, current)

    return decide


def create(document: Document) -> Decide:
    """Create a record; an equal one is accepted again.

    Raises: InvalidParameters when a record of this id is known and differs.
    """

    def decide(current: Stored | None) -> Write | None:
        if current is None:
            return written(document, None)
        if not _is_same(document, read_json(str(current.body))):
            raise InvalidParameters("a record of this id is known and differs: PUT changes it", field="id")
        return None

    return decide


def remove(current: Stored | None) -> Remove:
    """Delete a record.

    Raises: NotFound when there is none.
    """
    if current is None:
        raise NotFound("unknown invoice reconciliation record")
    return Remove()


def _is_same(one: Document, other: Document) -> bool:
    """Tell whether two versions of a record differ in nothing but the time."""
    return {**one, "last_updated": ""} == {**other, "last_updated": ""}
