"""Decision functions for changes of locations and EVSEs, for the store to call.

The store calls a decision with the stored object, and calls it again if the object changed before the
write. A location and each of its EVSEs are separate items, so a change of one EVSE reads and writes only
that EVSE.

Source: OCPI 2.2.1 mod_locations; LOC-04 … LOC-14
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from chalicelib.errors import LocationNotFound
from chalicelib.modules.locations.rules import overtaken_children, patch_location
from chalicelib.policy.visibility import is_hidden
from chalicelib.protocol.json_text import Document, read_json
from chalicelib.protocol.overtaking import Overtaken, Times, is_overtaken
from chalicelib.storage.locations import (
    DecideEvse,
    DecideLocation,
    StoredEvse,
    StoredLocation,
    WriteEvse,
    WriteLocation,
)

Rule = Callable[[Document | None, Times], Document | None]
PartitionByHidden = Callable[[bool], str]
"""Returns the partition for published locations, or with True the one for unpublished (LOC-16)."""

Complete = Callable[[Document], Document]


def replace_by(
    document: Document, list_of: PartitionByHidden, complete: Complete | None = None
) -> DecideLocation:
    """Create or replace a location and all its EVSEs, unless the stored one is newer (LOC-04).

    complete: makes the location to write from the stored one; without it, the document is written.
    """

    def decide(current: StoredLocation | None) -> WriteLocation | None:
        if overtaken_location(current, document):
            return None
        location = document if current is None or complete is None else complete(whole(current))
        return written(location, location.get("evses") or [], list_of)

    return decide


def overtaken_location(current: StoredLocation | None, document: Document) -> list[Overtaken]:
    """Return both timestamps when a PUT or PATCH of a location is older than the stored one, else nothing."""
    came = document["last_updated"]
    if current is None or not is_overtaken(came, current.last_updated_text, current.arrived):
        return []
    return [Overtaken(came, current.last_updated_text)]


def patched_by(
    patch: Document, list_of: PartitionByHidden, now: datetime, overtaken: list[Overtaken] | None = None
) -> DecideLocation:
    """Change the fields of a location that a PATCH names (LOC-06, LOC-08).

    overtaken: is filled with the EVSEs and connectors for which the PATCH is too late.
    """

    def decide(current: StoredLocation | None) -> WriteLocation | None:
        if current is None:
            raise LocationNotFound
        times = Times(now, current.arrived)
        stored = whole(current) if "evses" in patch else current.document()
        merged = patch_location(stored, patch, times)
        if merged is None:
            return None
        if overtaken is not None:
            overtaken[:] = overtaken_children(stored, patch, times)
        return written(merged, merged["evses"] if "evses" in patch else None, list_of)

    return decide


def changed_by(rule: Rule, now: datetime) -> DecideEvse:
    """Change an EVSE by a rule, which returns the new EVSE, or None for no change."""

    def decide(current: StoredEvse | None, location: StoredLocation) -> WriteEvse | None:
        times = Times(now, (current or location).arrived)
        changed = rule(None if current is None else read_json(str(current.body)), times)
        return None if changed is None else WriteEvse(changed)

    return decide


def written(location: Document, evses: list[Document] | None, list_of: PartitionByHidden) -> WriteLocation:
    """Return the write of a location. evses: None keeps the stored EVSEs."""
    header = {name: value for name, value in location.items() if name != "evses"}
    return WriteLocation(header, evses, list_of(is_hidden("locations", location)))


def whole(location: StoredLocation) -> Document:
    """Return a stored location with its EVSEs."""
    return {**location.document(), "evses": [read_json(str(evse.body)) for evse in location.evses()]}
