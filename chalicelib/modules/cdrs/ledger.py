"""Writes CDRs one after the other, so that those of one list do not fight for its next number.

A list's counter is the one item that all of its new CDRs change. Whoever writes one knows what it is then,
so the next one need not read it. Another process may change it as well: then the write meets a Conflict,
and the counter is read anew.

Source: docs/design.md, Storage and what it may cost
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING

from chalicelib.partners.owners import remember_owners
from chalicelib.storage.keys import Ref
from chalicelib.storage.operations import Key, Operation
from chalicelib.storage.table import Conflict, Item

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.storage.objects import New


class Ledger:
    """Where the threads of one run write."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._lock = Lock()
        self._counters: dict[Key, Item] = {}
        self._owners: set[tuple[str, str]] = set()

    def write(self, cdrs: Sequence[New], also: Sequence[Operation]) -> None:
        """Write new CDRs and what belongs to it, all of it or nothing.

        Raises: Conflict when one of them is there, a condition of `also` does not hold, or another write
        came between.
        """
        if not cdrs:
            self._node.table.transact(also)
            return
        with self._lock:
            self._remember_owner(cdrs[0].ref)
            try:
                self._counters |= self._node.objects.create(cdrs, also, self._counters)
            except Conflict:
                self._counters.clear()
                raise

    def _remember_owner(self, ref: Ref) -> None:
        """Whose CDRs a hub has; their source is the node itself, so the stream does not tell."""
        owner = (ref.country_code, ref.party_id)
        if self._node.settings.plays("HUB") and owner not in self._owners:
            remember_owners(self._node.table, [ref])
            self._owners.add(owner)
