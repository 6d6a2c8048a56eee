"""The pulls in the table: one item for each partner and module, the last pull of it.

Beside it stand, for a full pull: the digests of the objects that each page had (deleted at its end), and the
first objects that had vanished.

Source: docs/design.md, A pull
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from chalicelib.protocol.types import parse_datetime
from chalicelib.pulling.objects import Pull
from chalicelib.storage.table import Item, Key, Table

MOST_VANISHED = 1000
"""Vanished objects that are stored by name; all are counted."""

_DIGEST_BYTES = 8
"""Among a million objects, two have the same digest once in 37 million pulls."""

_PULLS_KEPT, _VANISHED_KEPT, SEEN_KEPT = (timedelta(days=days) for days in (400, 90, 14))

_DIGESTS_PER_ITEM = 20_000
"""An item has at most 400 KB."""


def read_pull(table: Table, partner_id: str, module: str) -> Pull | None:
    """Read the last pull of a partner's module."""
    item = table.get(Key(f"pulls#{partner_id}", module))
    return Pull.model_validate_json(item["pull"]) if item else None


def read_pulls(table: Table, partner_id: str) -> dict[str, Pull]:
    """Read the last pulls of a partner, by module: one query."""
    rows = table.query_all("#pk = :pk", {"pk": f"pulls#{partner_id}"})
    return {item["sk"]: Pull.model_validate_json(item["pull"]) for item in rows}


def save_pull(table: Table, pull: Pull, before: Pull | None) -> Pull:
    """Write a pull over the one that was read. Returns it with its new revision.

    Raises: Conflict when another worker wrote it meanwhile.
    """
    revision = before.revision + 1 if before else 1
    saved = pull.model_copy(update={"revision": revision})
    item = {
        "pk": f"pulls#{pull.partner_id}",
        "sk": pull.module,
        "pull": saved.model_dump_json(exclude_defaults=True),
        "revision": revision,
        "expires_at": _expires_at(parse_datetime(pull.progressed), _PULLS_KEPT),
    }
    if before is None:
        table.put(item, "attribute_not_exists(#pk)")
    else:
        table.put(item, "#revision = :before", {"before": before.revision})
    return saved


# -- what a full pull has seen -------------------------------------------------------------------------


def digest(pk: str) -> bytes:
    """A short digest of an object's key."""
    return hashlib.sha256(pk.encode()).digest()[:_DIGEST_BYTES]


def note_seen(table: Table, pull: Pull, pks: Sequence[str], now: datetime) -> None:
    """Store the digests of the objects that one page had: one write of some bytes for each object."""
    for start in range(0, len(pks), _DIGESTS_PER_ITEM):
        part = b"".join(map(digest, pks[start : start + _DIGESTS_PER_ITEM]))
        name = f"{pull.id}#{pull.revision:08}" + (f"#{start}" if start else "")
        row = {"pk": _seen_pk(pull), "sk": name, "seen": base64.b64encode(part).decode()}
        table.put({**row, "expires_at": _expires_at(now, SEEN_KEPT)})


def read_seen(table: Table, pull: Pull) -> set[bytes]:
    """Read the digests of all objects that a pull has seen: one call for each MB, 90,000 objects."""
    return {
        seen[start : start + _DIGEST_BYTES]
        for row in _seen_rows(table, pull)
        for seen in [base64.b64decode(row["seen"])]
        for start in range(0, len(seen), _DIGEST_BYTES)
    }


def forget_seen(table: Table, pull: Pull) -> None:
    """Delete the digests of a pull."""
    table.write_many(delete=[Key(row["pk"], row["sk"]) for row in _seen_rows(table, pull)])


def _seen_rows(table: Table, pull: Pull) -> Iterator[Item]:
    condition = "#pk = :pk AND begins_with(#sk, :prefix)"
    return table.query_all(condition, {"pk": _seen_pk(pull), "prefix": f"{pull.id}#"})


def _seen_pk(pull: Pull) -> str:
    return f"pulled#{pull.partner_id}#{pull.module}"


# -- vanished objects ----------------------------------------------------------------------------------


def read_vanished(table: Table, pull: Pull) -> list[str]:
    """Read the names of objects that had vanished at a pull, at most `MOST_VANISHED`."""
    item = table.get(_vanished_key(pull))
    return item["refs"] if item and item["pull_id"] == pull.id else []


def save_vanished(table: Table, pull: Pull, refs: Sequence[str], now: datetime) -> None:
    """Write the names of objects that had vanished at a pull."""
    key, shown = _vanished_key(pull), list(refs[:MOST_VANISHED])
    expires_at = _expires_at(now, _VANISHED_KEPT)
    table.put({"pk": key.pk, "sk": key.sk, "pull_id": pull.id, "refs": shown, "expires_at": expires_at})


def _expires_at(now: datetime, kept: timedelta) -> int:
    return int((now + kept).timestamp())


def _vanished_key(pull: Pull) -> Key:
    return Key(f"vanished#{pull.partner_id}", pull.module)
