"""Every change that a node answered with 1000, and when.

A change carries a revision, a number that grows with each change of the same item and is in one of the item's
own fields (`documents.py`). So a copy of an item shows by itself which change it has.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple


class Item(NamedTuple):
    """An item with a state of its own: an object of an owner, or an EVSE (`child`) of a location."""

    module: str
    country_code: str
    party_id: str
    id: str
    child: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in self if part)


@dataclass(frozen=True)
class Change:
    """A change that was answered with 1000. at: on the monotonic clock; state: None for a deletion."""

    item: Item
    revision: int
    at: float
    state: Mapping[str, Any] | None


class Ledger:
    """All changes, in order; safe for threads."""

    def __init__(self) -> None:
        self._changes: list[Change] = []
        self._lock = threading.Lock()
        self.began = time.monotonic()
        """When everything began to go wrong."""

    def note(self, change: Change) -> None:
        """Add a change."""
        with self._lock:
            self._changes.append(change)

    @property
    def changes(self) -> list[Change]:
        """All of them, oldest first."""
        with self._lock:
            return list(self._changes)

    def last(self) -> dict[Item, Change]:
        """Return the last change of each item."""
        return {change.item: change for change in self.changes}
