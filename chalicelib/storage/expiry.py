"""When objects are forgotten: personal data is kept as long as the deployment says, and no longer.

DynamoDB's time to live deletes an item when its time has come, and tells nobody in time: a list's counters
would be wrong until the table's stream is read, and wrong for ever if that failed. So it is not the object
that it deletes but a small item beside it, its shadow (sk `expiry`, `expires_at`). The stream tells that the
shadow went, and then the object is deleted as every object is: in one transaction with its counters, under
the condition that it is as it was read. Told twice, the second time finds nothing. So totals are exact at
any moment, and what goes wrong leaves data too long and never a wrong count.

An object's item says itself when it may go (`ex`, seconds since 1970), which every write moves on; the
shadow is written once, and again only when it went and the object was written meanwhile. So keeping time
costs one small write for each object that is new, and none for a change.

What stands beside the object under its pk goes with it. That partners were told of it is forgotten when the
stream tells that the object went (`partners/changes.py`); to partners a copy that went is no deletion.

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
"""How long the objects of a module are kept after their last change; for ever where nothing is said."""


def end_of(module: str, is_in_use: bool, now: datetime, retention: Retention) -> int | None:
    """When an object that is written now may be forgotten, in seconds since 1970; None for never."""
    kept = retention.get(module)
    return None if kept is None or is_in_use else int((now + kept).timestamp())


def shadow(pk: str, end: int) -> Item:
    """The item whose disappearance tells that an object's time has come."""
    return {"pk": pk, "sk": SHADOW, "expires_at": end}


def shadow_to_write(before: Item | None, written: Item) -> list[Put]:
    """The shadow of an item that had no end before and has one now."""
    is_new = "ex" in written and (before is None or "ex" not in before)
    return [Put(shadow(written["pk"], written["ex"]))] if is_new else []


def fallen(records: Iterable[Mapping[str, Any]]) -> list[str]:
    """The pks of objects whose shadow went, as a batch of the stream tells."""
    return [
        record["dynamodb"]["Keys"]["pk"]["S"]
        for record in records
        if record["eventName"] == "REMOVE" and record["dynamodb"]["Keys"]["sk"]["S"] == SHADOW
    ]
