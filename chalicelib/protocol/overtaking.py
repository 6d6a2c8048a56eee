"""Order of updates: by `last_updated`, or by arrival if `last_updated` is ahead of our clock.

Updates can overtake each other, so an update that is older than the stored object changes nothing (LOC-14,
applied to every module). This rule trusts the sender's clock. A `last_updated` in 2062 would make every later
update look old, and freeze the object: a stolen card would stay valid, a session would never end. So a
`last_updated` more than five minutes ahead of our clock does not count. The object is accepted and stored
unchanged, but its arrival decides its order: in lists with dates, and against later updates.

The arrival needs no field of its own: an item's version is the clock in microseconds at its write
(`storage/items.py`). So the rule also works for objects that were stored before it existed.

An update that follows such an object may come from a clock that is a little slow, so its `last_updated` may
be slightly before that arrival. It is accepted unless it is more than five minutes older.

Source: OCPI 2.2.1 mod_locations, Object last_updated; LOC-14
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from chalicelib.protocol.types import is_datetime, sort_key

LEEWAY = timedelta(minutes=5)
"""The time that a `last_updated` may be ahead of our clock and still count."""

_FIRST_VERSION = 946_684_800_000_000
"""The year 2000 in microseconds."""
_SECONDS = len("2026-11-24T10:00:00")
_CHILDREN = ("evses", "connectors")


@dataclass(frozen=True)
class Times:
    """The arrival times of an update and of the stored item (None if not known)."""

    now: datetime
    arrived: datetime | None


@dataclass(frozen=True)
class Overtaken:
    """An update that was older than the stored object, with `last_updated` of both.

    part: the child that it changes, such as `evses E1`; "" for the object itself.
    """

    came: str
    stored: str
    part: str = ""


def is_ahead(last_updated: str, clock: datetime) -> bool:
    """Return whether a valid `last_updated`, or its sort key, is ahead of a clock by more than LEEWAY."""
    return last_updated[:_SECONDS] > _latest(clock)


@lru_cache(16)
def _latest(clock: datetime) -> str:
    """The last second that is not ahead of a clock; a document asks for each of its parts."""
    return instant_key(clock + LEEWAY)[:_SECONDS]


def order_key(last_updated: str, now: datetime) -> str:
    """The sort key, in lists with dates, of an object that arrives now."""
    return instant_key(now) if is_ahead(last_updated, now) else sort_key(last_updated)


def is_overtaken(came: str, stored: str, arrived: datetime | None) -> bool:
    """Return whether an update is older than the stored object.

    An equal `last_updated` is not older, so a repeated push is applied.

    came, stored: `last_updated` of both. arrived: when the stored one was written, None if not known.
    """
    if sort_key(came) >= sort_key(stored):
        return False
    if arrived is None or not is_ahead(stored, arrived):
        return True
    return sort_key(came) < instant_key(arrived - LEEWAY)


def stamps_ahead(document: Mapping[str, Any], now: datetime) -> Iterator[str]:
    """Yield each `last_updated` of a document, its EVSEs and their connectors that is ahead of the clock."""
    stamp = document.get("last_updated")
    if isinstance(stamp, str) and is_ahead(stamp, now) and is_datetime(stamp):
        yield stamp
    for name in _CHILDREN:
        # In other modules a partner's own field may have this name, with any value.
        children = document.get(name)
        for child in children if isinstance(children, list) else ():
            if isinstance(child, Mapping):
                yield from stamps_ahead(child, now)


def instant_key(moment: datetime) -> str:
    """The sort key of an instant, in the form of `types.sort_key`."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


def instant_of(version: int) -> datetime | None:
    """The time at which a version of an item was written; None if the version is not a time.

    Source: storage/items.py, `new_version`
    """
    return datetime.fromtimestamp(version / 1_000_000, UTC) if version >= _FIRST_VERSION else None
