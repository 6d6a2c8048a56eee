"""Writer of CDRs: writes one after the other, so that CDRs of one partition do not conflict.

All new CDRs of a partition update its counter. The writer remembers the value that it wrote last, so the next
write needs no read. If another process changed the counter, the write fails with a Conflict, and the
counter is read again.

Source: docs/design.md, Storage and what it may cost
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING

from chalicelib.policy.received_parties import remember_owners
from chalicelib.storage.operations import Key, Operation
from chalicelib.storage.table import Conflict, Item

if TYPE_CHECKING:
    from chalicelib.storage.keys import Ref
    from chalicelib.storage.objects import New, ObjectStore
    from chalicelib.storage.table import Table


class CdrWriter:
    """Writer of CDRs that the threads of one run share. is_hub: the owners of the CDRs are other parties."""

    def __init__(self, table: Table, objects: ObjectStore, is_hub: bool) -> None:
        self._table = table
        self._objects = objects
        self._is_hub = is_hub
        self._lock = Lock()
        self._counters: dict[Key, Item] = {}
        self._owners: set[tuple[str, str]] = set()

    def write(self, cdrs: Sequence[New], also: Sequence[Operation]) -> None:
        """Write new CDRs and the operations `also` in one transaction.

        Raises: Conflict when one of the CDRs exists, a condition of `also` fails, or another write
        interfered.
        """
        if not cdrs:
            self._table.transact(also)
            return
        with self._lock:
            self._remember_owner(cdrs[0].ref)
            try:
                self._counters |= self._objects.create(cdrs, also, self._counters)
            except Conflict:
                self._counters.clear()
                raise

    def _remember_owner(self, ref: Ref) -> None:
        """Record the owner of a hub's CDRs: the stream cannot, because their source is the node itself."""
        owner = (ref.country_code, ref.party_id)
        if self._is_hub and owner not in self._owners:
            remember_owners(self._table, [ref])
            self._owners.add(owner)
