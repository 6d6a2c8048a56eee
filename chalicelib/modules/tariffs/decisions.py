"""Decision functions for changes of stored tariffs, for the store to call.

The store calls a decision with the stored tariff, and calls it again if the tariff changed before the write.
A tariff is replaced as a whole or deleted (TAR-03); only partners of OCPI 2.1.1 send a PATCH. A push that is
older than the stored tariff is answered with success and changes nothing (LOC-14, applied to every module).

Source: OCPI 2.2.1 mod_tariffs, Receiver Interface; TAR-02 … TAR-04, V211-60
"""

from __future__ import annotations

from chalicelib.errors import NotFound
from chalicelib.modules.tariffs.objects import Tariff
from chalicelib.protocol.json_text import Document, JsonText, read_json, write_json
from chalicelib.protocol.patch import replace_fields
from chalicelib.protocol.types import validate
from chalicelib.storage.objects import Decide, Remove, Stored, Write, is_stale


def written(document: Document) -> Write:
    """Return the write of a valid tariff."""
    return Write(JsonText(write_json(document)), document["last_updated"])


def replace_by(document: Document) -> Decide:
    """Create or replace a tariff, unless the stored one is newer."""

    def decide(current: Stored | None) -> Write | None:
        return None if is_stale(current, document["last_updated"]) else written(document)

    return decide


def patched_by(patch: Document) -> Decide:
    """Change the fields in a PATCH (V211-60).

    Raises: NotFound when there is no such tariff; InvalidParameters when the result is not a valid one.
    """

    def decide(current: Stored | None) -> Write | None:
        if current is None:
            raise NotFound("unknown tariff")
        merged = replace_fields(read_json(str(current.body)), patch)
        validate(Tariff, merged)
        return None if is_stale(current, patch["last_updated"]) else written(merged)

    return decide


def remove(current: Stored | None) -> Remove:
    """Delete a tariff.

    Raises: NotFound when there is none (TAR-04).
    """
    if current is None:
        raise NotFound("unknown tariff")
    return Remove()
