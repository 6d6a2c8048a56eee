"""The rules as decisions that the store asks for: called with what is stored, and again if that changed.

A location and its EVSEs are stored apart, so that what concerns one EVSE reads and writes only that.

Source: OCPI 2.2.1 mod_locations; LOC-04 … LOC-14
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chalicelib.errors import LocationNotFound
from chalicelib.modules.locations.rules import patch_location
from chalicelib.partners.visibility import is_hidden
from chalicelib.protocol.json_text import read_json
from chalicelib.protocol.types import sort_key
from chalicelib.storage.locations import (
    DecideEvse,
    DecideLocation,
    StoredEvse,
    StoredLocation,
    WriteEvse,
    WriteLocation,
)

Document = dict[str, Any]
ListOf = Callable[[bool], str]
"""The store's list for what is published, or with True for what is not (LOC-16)."""


def replace_by(document: Document, list_of: ListOf) -> DecideLocation:
    """Create or replace a location and all its EVSEs, unless the stored one is newer (LOC-04)."""

    def decide(current: StoredLocation | None) -> WriteLocation | None:
        overtaken = current is not None and sort_key(document["last_updated"]) < current.last_updated
        return None if overtaken else written(document, document.get("evses") or [], list_of)

    return decide


def patched_by(patch: Document, list_of: ListOf) -> DecideLocation:
    """Change the fields of a location that a PATCH names (LOC-06, LOC-08)."""

    def decide(current: StoredLocation | None) -> WriteLocation | None:
        if current is None:
            raise LocationNotFound
        merged = patch_location(whole(current) if "evses" in patch else current.document(), patch)
        if merged is None:
            return None
        return written(merged, merged["evses"] if "evses" in patch else None, list_of)

    return decide


def changed_by(rule: Callable[[Document | None], Document | None]) -> DecideEvse:
    """Change an EVSE as a rule says that is given the stored one, and says None to leave it."""

    def decide(current: StoredEvse | None, location: StoredLocation) -> WriteEvse | None:
        changed = rule(None if current is None else read_json(str(current.body)))
        return None if changed is None else WriteEvse(changed)

    return decide


def written(location: Document, evses: list[Document] | None, list_of: ListOf) -> WriteLocation:
    """The decision to store a location; with None its EVSEs stay as they are."""
    header = {name: value for name, value in location.items() if name != "evses"}
    return WriteLocation(header, evses, list_of(is_hidden("locations", location)))


def whole(location: StoredLocation) -> Document:
    """A stored location with its EVSEs."""
    return {**location.document(), "evses": [read_json(str(evse.body)) for evse in location.evses()]}
