"""Counts the findings of a batch of messages: one write for each counter, however many messages add to it.

SQS delivers a message at least once, and a batch that fails in the middle comes again. Then a finding is
counted twice. That is accepted: the numbers show the operator what to mend first, and nothing is decided by
them.

Source: docs/interop.md, Findings
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from chalicelib.findings.counters import MOST, Count, Counter, add_count, expiry_of, number_of_counters
from chalicelib.log import log
from chalicelib.protocol.types import sort_key
from chalicelib.storage.table import is_temporary

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.queues import FindingsMessage


def count_findings(node: Node, messages: Sequence[FindingsMessage]) -> None:
    """Add the findings of some messages to the partners' counters.

    Raises: an error of the table after which the messages should be tried again.
    """
    totals: dict[Counter, Count] = {}
    for message in messages:
        for counter, count in _counts_in(message):
            totals[counter] = _sum(totals[counter], count) if counter in totals else count
    room = _Room(node)
    for counter, count in totals.items():
        try:
            _add(node, counter, count, room)
        except Exception as error:
            if is_temporary(error):
                raise
            # It would fail each time, and the other findings would be counted each time.
            log.exception("failed to count findings", extra={"partner": counter.partner_id})


def _counts_in(message: FindingsMessage) -> Iterator[tuple[Counter, Count]]:
    for each in message.findings:
        counter = Counter(message.partner_id, message.module, each.field, each.kind, each.outcome)
        count = Count(each.number, message.at, message.at, each.example, each.reason, message.ref)
        yield counter, count


def _sum(earlier: Count, later: Count) -> Count:
    """Add two counts; the one with the later time has the example."""
    if sort_key(later.last) < sort_key(earlier.last):
        earlier, later = later, earlier
    first = min(earlier.first, later.first, key=sort_key)
    return replace(later, first=first, number=earlier.number + later.number)


class _Room:
    """The number of counters that each partner may still get, read once for a batch."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._left: dict[str, int | None] = {}

    def of(self, partner_id: str) -> int | None:
        """The number of counters that a partner may still get; None if there is no such partner any more."""
        if partner_id not in self._left:
            is_known = self._node.directory.get(partner_id) is not None
            left = MOST - number_of_counters(self._node.table, partner_id) if is_known else None
            self._left[partner_id] = left
        return self._left[partner_id]

    def take(self, partner_id: str) -> None:
        """Note that a partner got a counter."""
        self._left[partner_id] = (self.of(partner_id) or 0) - 1


def _add(node: Node, counter: Counter, count: Count, room: _Room) -> None:
    """Add to a counter. A new one is made only if the partner still exists and has not too many."""
    expires_at = expiry_of(counter.module, node.clock(), node.settings.retention)
    if add_count(node.table, counter, count, expires_at, is_new=False):
        return
    left = room.of(counter.partner_id)
    if left is None:
        return
    if left <= 0:
        counter = counter.for_the_rest
    room.take(counter.partner_id)
    add_count(node.table, counter, count, expires_at, is_new=True)
