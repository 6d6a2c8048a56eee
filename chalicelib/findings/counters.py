"""Counters of findings: one item for each partner, module, field, kind and outcome.

An item says how often, since when and when last, with the latest example, object and reason. A partner has a
limited number of them, because a partner's document decides about some of the names; the rest is counted in
one counter for each module and outcome.

DynamoDB's time to live deletes a counter 90 days after its last finding, sooner if the operator keeps the
objects of its module for a shorter time. So a deviation that a partner has corrected disappears, and examples
do not outlive the data that they come from.

Source: docs/interop.md, Findings; docs/retention.md
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.errors import ServerError
from chalicelib.findings.tallies import MORE
from chalicelib.storage.table import Conflict, Item, Key, Table

if TYPE_CHECKING:
    from chalicelib.storage.expiry import Retention

MOST = 500
"""Counters of one partner."""

KEPT = timedelta(days=90)
"""Time after its last finding until a counter is deleted."""


class Counter(NamedTuple):
    """The name of a counter."""

    partner_id: str
    module: str
    field: str
    kind: str
    outcome: str

    @property
    def key(self) -> Key:
        """Key of its item."""
        return Key(_pk(self.partner_id), f"{self.module}#{self.outcome}#{self.kind}#{self.field}")

    @property
    def for_the_rest(self) -> Counter:
        """The counter of the same module and outcome for what has no counter of its own."""
        return self._replace(field="*", kind=MORE)


@dataclass(frozen=True)
class Count:
    """The state of a counter, or what is added to it.

    first, last: times (RFC 3339). ref: the latest object as in the log, "" where it is not known.
    """

    number: int
    first: str
    last: str
    example: str
    reason: str
    ref: str


def add_count(table: Table, counter: Counter, count: Count, expires_at: int, *, is_new: bool) -> bool:
    """Add to a counter in one write.

    is_new: make the counter if there is none. Returns False when there is none and none is made.
    """
    sets = "#last = :last, #example = :example, #reason = :reason, #ref = :ref, #expires_at = :expires_at"
    expression = f"SET {sets}, #first = if_not_exists(#first, :first) ADD #number :number"
    values = {**vars(count), "expires_at": expires_at}
    try:
        table.update(counter.key, expression, values, None if is_new else "attribute_exists(#pk)")
    except Conflict:
        if is_new:
            raise ServerError("a counter of findings could not be written") from None
        return False
    return True


def expiry_of(module: str, now: datetime, retention: Retention) -> int:
    """The time at which a counter is deleted if nothing is added to it, in seconds since 1970."""
    return int((now + min(KEPT, retention.get(module, KEPT))).timestamp())


def read_counts(table: Table, partner_id: str, module: str = "") -> Iterator[tuple[Counter, Count]]:
    """Read the counters of a partner, of one module or of all. They are in no useful order."""
    for item in _items(table, partner_id, module):
        name, outcome, kind, field = item["sk"].split("#", 3)
        counter = Counter(partner_id, name, field, kind, outcome)
        yield counter, Count(**{each: item[each] for each in Count.__dataclass_fields__})


def number_of_counters(table: Table, partner_id: str) -> int:
    """The number of a partner's counters."""
    return table.count("#pk = :pk", {"pk": _pk(partner_id)})


def delete_counts(table: Table, partner_id: str, module: str = "") -> None:
    """Delete the counters of a partner, of one module or of all."""
    table.write_many(delete=[Key(item["pk"], item["sk"]) for item in _items(table, partner_id, module)])


def _items(table: Table, partner_id: str, module: str) -> Iterator[Item]:
    pk = _pk(partner_id)
    if not module:
        return table.query_all("#pk = :pk", {"pk": pk})
    return table.query_all("#pk = :pk AND begins_with(#sk, :module)", {"pk": pk, "module": f"{module}#"})


def _pk(partner_id: str) -> str:
    return f"findings#{partner_id}"
