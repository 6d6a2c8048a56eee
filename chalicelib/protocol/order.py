"""The order of updates: by `last_updated`, and by arrival where that is ahead of our clock.

Updates overtake each other, so one that is older than what is stored changes nothing (LOC-14's house rule,
for every module). That trusts the sender's clock. A `last_updated` in 2062 would make every later update
look old, and freeze the object: a stolen card would stay valid, a session would never end. So a stamp more
than five minutes ahead of our clock is no time at all. The object is taken and kept as it came, but it is
ordered by its arrival: in lists with dates, and against what comes next.

Arrival is known without a field of its own: an item's version is the clock in microseconds at its write
(`storage/items.py`). So what was stored before this rule does not stay frozen either.

What comes after a stamp that was ahead was sent by a clock that we know nothing of, and may be stamped a
little before that arrival. It is taken unless it is more than five minutes older.

Source: OCPI 2.2.1 mod_locations, Object last_updated; LOC-14
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.protocol.types import is_datetime, sort_key

LEEWAY = timedelta(minutes=5)
"""How far a `last_updated` may be ahead of our clock and count."""

_FIRST_VERSION = 946_684_800_000_000
"""The year 2000 in microseconds."""
_SECONDS = len("2026-11-24T10:00:00")
_CHILDREN = ("evses", "connectors")


@dataclass(frozen=True)
class Times:
    """The time at which an update came, and that of the stored item (None where that is not known)."""

    now: datetime
    arrived: datetime | None


@dataclass(frozen=True)
class Overtaken:
    """An update that was older than what is stored; both as `last_updated`.

    part: the child that it is about, such as `evses E1`; "" for the object itself.
    """

    came: str
    stored: str
    part: str = ""


def is_ahead(last_updated: str, clock: datetime) -> bool:
    """Tell whether a valid `last_updated`, or its sort key, is ahead of a clock by more than LEEWAY."""
    return last_updated[:_SECONDS] > instant_key(clock + LEEWAY)[:_SECONDS]


def order_key(last_updated: str, now: datetime) -> str:
    """The sort key by which an object that comes now stands in lists with dates."""
    return instant_key(now) if is_ahead(last_updated, now) else sort_key(last_updated)


def is_overtaken(came: str, stored: str, arrived: datetime | None) -> bool:
    """Tell whether an update is older than what is stored.

    Equal is not older, so that a push that is repeated has its effect.

    came, stored: `last_updated` of both. arrived: when the stored one was written, None where that does not
    count.
    """
    if sort_key(came) >= sort_key(stored):
        return False
    if arrived is None or not is_ahead(stored, arrived):
        return True
    return sort_key(came) < instant_key(arrived - LEEWAY)


def stamps_ahead(document: Mapping[str, Any], now: datetime) -> Iterator[str]:
    """The `last_updated` of a document, its EVSEs and their connectors, as far as they are ahead."""
    stamp = document.get("last_updated")
    if isinstance(stamp, str) and is_ahead(stamp, now) and is_datetime(stamp):
        yield stamp
    for name in _CHILDREN:
        # A partner may have a field of its own of that name, with anything in it.
        children = document.get(name)
        for child in children if isinstance(children, list) else ():
            if isinstance(child, Mapping):
                yield from stamps_ahead(child, now)


def instant_key(moment: datetime) -> str:
    """A sort key of an instant, as `types.sort_key` of a DateTime."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


def instant_of(version: int) -> datetime | None:
    """The time at which a version of an item was written, None for one that is no time of our clock.

    Source: storage/items.py, `new_version`
    """
    return datetime.fromtimestamp(version / 1_000_000, UTC) if version >= _FIRST_VERSION else None
