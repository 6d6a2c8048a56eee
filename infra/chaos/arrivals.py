"""Arrivals at one partner: which revision of which item arrived when, and every CDR."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from certification.ocpi import Document
from infra.chaos.documents import read_revision
from infra.chaos.ledger import Item

GONE = 10**9
"""The revision of a deletion; it is always the last."""


class Arrival(NamedTuple):
    """Arrival of a revision. at: on the monotonic clock."""

    at: float
    revision: int


class CdrArrival(NamedTuple):
    """First arrival of a CDR. session: its owner and id."""

    at: float
    session: tuple[str, str, str]
    id: str
    is_credit: bool


class Arrivals:
    """Record of one partner; safe for threads."""

    def __init__(self) -> None:
        self._revisions: dict[Item, list[Arrival]] = defaultdict(list)
        self._cdrs: dict[str, CdrArrival] = {}
        self._lock = threading.Lock()
        self.pushes = 0

    def take(self, method: str, module: str, ids: Sequence[str], body: Document | None) -> None:
        """Record a push that the partner took."""
        now = time.monotonic()
        with self._lock:
            self.pushes += 1
            if module == "cdrs" and body is not None:
                session = (body["country_code"], body["party_id"], body.get("session_id", ""))
                is_credit = bool(body.get("credit"))
                self._cdrs.setdefault(body["id"], CdrArrival(now, session, body["id"], is_credit))
                return
            for item, revision in _revisions_in(method, module, ids, body):
                self._revisions[item].append(Arrival(now, revision))

    def of(self, item: Item) -> list[Arrival]:
        """Return the revisions of an item in the order of their arrival."""
        with self._lock:
            return list(self._revisions.get(item, ()))

    @property
    def cdrs(self) -> list[CdrArrival]:
        """Return every CDR, each once."""
        with self._lock:
            return list(self._cdrs.values())


def _revisions_in(
    method: str, module: str, ids: Sequence[str], body: Document | None
) -> Iterator[tuple[Item, int]]:
    item = Item(module, *ids[:3])
    if method == "DELETE":
        yield item, GONE
    elif body is not None and len(ids) == 4:
        yield item._replace(child=ids[3]), read_revision("evses", body)
    elif body is not None and len(ids) == 3:
        yield item, read_revision(module, body)
        for evse in body.get("evses") or [] if module == "locations" else []:
            yield item._replace(child=evse["uid"]), read_revision("evses", evse)
