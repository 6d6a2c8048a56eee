"""Writer of reconciliation entries: one after the other, because each takes the next number of its partition.

The writer remembers the counters of the partitions as after its last write, so that the next write needs no
read. After a conflict a counter is read again.

Source: docs/design.md, Storage and what it may cost
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from chalicelib.storage import counters
from chalicelib.storage.table import Conflict, Item, Key, Snapshot

if TYPE_CHECKING:
    from chalicelib.modules.reconciliation.entries import EntryChange
    from chalicelib.storage.keys import Ref
    from chalicelib.storage.objects import ObjectStore, Stored, Write
    from chalicelib.storage.table import Table


class EntryWriter:
    """Writer of entries that the threads of one run share."""

    def __init__(self, table: Table, objects: ObjectStore) -> None:
        self._table = table
        self._objects = objects
        self._lock = Lock()
        self._roots: dict[Key, Item] = {}

    def write(self, ref: Ref, known: Item | None, change: EntryChange) -> Stored:
        """Write an entry. known: the stored entry that the change was decided from.

        Raises: Conflict when another run wrote the entry since it was read.
        """
        root, decide = counters.root_key(change.partition), _WriteOver(change.write, change.over)
        with self._lock:
            if change.moves and root not in self._roots:
                self._roots |= self._table.get_many([root]) or {root: {"next": 0}}
            stored = {ref.key: known} if known else {}
            items = Snapshot({**stored, **self._roots}, [ref.key, *self._roots])
            following = self._roots.pop(root, None)
            written = self._objects.change(ref, decide, items, partition=change.partition, source="").after
            if following is not None and decide.calls == 1:
                self._roots[root] = {"next": counters.next_number(following) + change.moves}
        assert written is not None
        return written


@dataclass
class _WriteOver:
    """Decision to write over one version of an object only. calls: 1 unless a write conflicted."""

    write: Write
    version: int
    calls: int = 0

    def __call__(self, current: Stored | None) -> Write:
        self.calls += 1
        if (current.version if current else 0) != self.version:
            raise Conflict("another run wrote the entry")
        return self.write
