"""Deletes objects with personal data when the deployment's retention time is over.

DynamoDB's time to live (TTL) deletes an item outside our transactions: a list's counters would be wrong
until the table's stream is read, and wrong for ever if that failed. So TTL deletes only a small item beside
the object, its shadow (sk `expiry`, `expires_at`). The stream reports the deleted shadow, and then this node
deletes the object like any other: in one transaction with its counters, under the condition that it is
unchanged since it was read. A repeated record finds no object. So totals are always exact, and a failure
keeps data too long but never makes a wrong count.

The object's item has its own expiry time (`ex`, seconds since 1970), and every write moves it forward. The
shadow is written once, and again only if it was deleted and the object was written meanwhile. So expiry costs
one small write for each new object, and none for a change.

Other items under the object's pk are deleted with it. Its deliveries are deleted when the stream reports the
deleted object (`pushing/outbox.py`); no deletion is pushed to partners.

Source: docs/retention.md; docs/design.md, Storage and what it may cost
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from chalicelib.storage.table import Item, Put

SHADOW = "expiry"
"""The sk of a shadow."""

Retention = Mapping[str, timedelta]
"""Retention time of each module's objects after their last change; a missing module is kept for ever."""


def end_of(module: str, is_in_use: bool, now: datetime, retention: Retention) -> int | None:
    """The expiry time of an object that is written now, in seconds since 1970; None for never."""
    kept = retention.get(module)
    return None if kept is None or is_in_use else int((now + kept).timestamp())


def shadow(pk: str, end: int) -> Item:
    """The item that TTL deletes when an object expires."""
    return {"pk": pk, "sk": SHADOW, "expires_at": end}


def shadow_to_write(before: Item | None, written: Item) -> list[Put]:
    """The shadow to write for an item that had no expiry time before and has one now."""
    is_new = "ex" in written and (before is None or "ex" not in before)
    return [Put(shadow(written["pk"], written["ex"]))] if is_new else []


def fallen(records: Iterable[Mapping[str, Any]]) -> list[str]:
    """The pks of the objects whose shadows were deleted, from a batch of stream records."""
    return [
        record["dynamodb"]["Keys"]["pk"]["S"]
        for record in records
        if record["eventName"] == "REMOVE" and record["dynamodb"]["Keys"]["sk"]["S"] == SHADOW
    ]
