"""What may become of a stored tariff: decisions that the store asks for, again if something changed.

A tariff is replaced as a whole or deleted; there is no PATCH between partners (TAR-03). One that is
older than the stored one is answered like any other and changes nothing: it was overtaken on its
way (LOC-14's house rule, for every module).

Source: OCPI 2.2.1 mod_tariffs, Receiver Interface; TAR-02 … TAR-04
"""

from __future__ import annotations

from typing import Any

from chalicelib.errors import NotFound
from chalicelib.protocol.json_text import JsonText, write_json
from chalicelib.storage.objects import Decide, Remove, Stored, Write, is_stale

Document = dict[str, Any]


def written(document: Document) -> Write:
    """Store a valid tariff."""
    return Write(JsonText(write_json(document)), document["last_updated"])


def replace_by(document: Document) -> Decide:
    """Create or replace, unless the stored one is newer."""

    def decide(current: Stored | None) -> Write | None:
        return None if is_stale(current, document["last_updated"]) else written(document)

    return decide


def remove(current: Stored | None) -> Remove:
    """Delete.

    Raises: NotFound when there is none (TAR-04).
    """
    if current is None:
        raise NotFound("unknown tariff")
    return Remove()
