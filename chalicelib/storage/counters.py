"""What is counted beside the objects, so that totals are exact and nothing is read to be skipped.

For each list there is
- a root item (pk `count#{list}`, sk `#`): `total`; `next`, the number that the next new object gets;
  `h{block}`, how many of the thousand numbers of a block were given up by objects that left; and
  `{year}Q{quarter}`, how many objects were last updated in that quarter;
- an item per quarter (sk `2026Q4`): how many objects were last updated on each day, as `1124`.
  A quarter fits one write unit; a page with date filters reads at most two of them.

They are written in the transaction that changes what they count, and only then: an object that
changes a second time on one day touches no counter. Numbers are dense and in the order of creation,
hence the condition on `next`; everything else is an ADD.

Source: OCPI 2.2.1 transport_and_format, Paginated Response; PAG-08
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from chalicelib.storage.table import Item, Key, Update

BLOCK = 1000


class Place(NamedTuple):
    """Where an object stands: its list, its number there, and its `last_updated` as a sort key."""

    partition: str
    number: int
    last_updated: str


def root_key(partition: str) -> Key:
    """Key of a list's root item."""
    return Key(f"count#{partition}")


def quarter_key(partition: str, day: str) -> Key:
    """Key of the item that counts a day's quarter; day: `2026-11-24`, what follows is ignored."""
    return Key(f"count#{partition}", quarter_of(day))


def quarter_of(day: str) -> str:
    """The quarter of a day.

    >>> quarter_of("2026-11-24")
    '2026Q4'
    """
    return f"{day[:4]}Q{(int(day[5:7]) + 2) // 3}"


def next_number(root: Item | None) -> int:
    """The number that the next new object of a list gets."""
    return int(root["next"]) if root else 0


def total(root: Item | None) -> int:
    """How many objects a list has."""
    return int(root["total"]) if root else 0


def quarters(root: Item | None) -> Iterator[tuple[str, int]]:
    """Each quarter in which objects of the list were last updated, in order, and how many."""
    names = sorted(name for name in root or {} if name[4:5] == "Q")
    return ((name, int(root[name])) for name in names) if root else iter(())


def days(quarter: Item | None) -> Iterator[tuple[str, int]]:
    """Each day of a quarter's item on which objects were last updated, in order, and how many."""
    names = sorted(name for name in quarter or {} if name.isdigit())
    return (
        ((f"{quarter['sk'][:4]}-{name[:2]}-{name[2:]}", int(quarter[name])) for name in names)
        if quarter
        else iter(())
    )


def seek(root: Item | None, offset: int) -> tuple[int, int]:
    """Find the object at an offset, oldest first: the number to start at and how many to skip.

    Nothing is skipped in a block that nobody left; in others less than a block.

    >>> seek({"total": 1990, "next": 2000, "h0": 10}, 1000)
    (1010, 0)
    >>> seek({"total": 1990, "next": 2000, "h0": 10}, 500)
    (0, 500)
    """
    following = next_number(root)
    for start in range(0, following, BLOCK):
        left = int(root.get(f"h{start // BLOCK}", 0)) if root else 0
        here = min(BLOCK, following - start) - left
        if offset < here:
            return (start, offset) if left else (start + offset, 0)
        offset -= here
    return following, 0


def changes(before: Place | None, after: Place | None) -> list[Update]:
    """The operations that keep the counters right when an object comes, goes, or moves.

    A new object's number must be the list's next one, which is the condition of its operation.
    """
    deltas: dict[Key, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    moved = before is None or after is None or before.partition != after.partition
    for sign, place in ((-1, before), (1, after)):
        if place is None:
            continue
        root = deltas[root_key(place.partition)]
        root["total"] += sign
        root[quarter_of(place.last_updated)] += sign
        deltas[quarter_key(place.partition, place.last_updated)][_day(place.last_updated)] += sign
        if moved and sign < 0:
            root[f"h{place.number // BLOCK}"] += 1
    entered = after if moved else None
    return [
        _update(key, added, entered.number if entered and key == root_key(entered.partition) else None)
        for key, amounts in deltas.items()
        if (added := {name: amount for name, amount in amounts.items() if amount})
    ]


def additions(places: Sequence[Place]) -> list[Update]:
    """The operations that count objects that are all new, in one transaction.

    places: with the next numbers of each list, in order.
    """
    deltas: dict[Key, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    first: dict[Key, int] = {}
    for place in places:
        root = root_key(place.partition)
        first.setdefault(root, place.number)
        deltas[root]["total"] += 1
        deltas[root][quarter_of(place.last_updated)] += 1
        deltas[quarter_key(place.partition, place.last_updated)][_day(place.last_updated)] += 1
    return [_update(key, dict(added), first.get(key)) for key, added in deltas.items()]


def _day(last_updated: str) -> str:
    return last_updated[5:7] + last_updated[8:10]


def _update(key: Key, added: dict[str, int], number: int | None) -> Update:
    expression = "ADD " + ", ".join(f"#{name} :{name}" for name in added)
    if number is None:
        return Update(key, expression, added)
    values = {**added, "number": number, "following": number + added["total"]}
    if number == 0:
        del values["number"]
    condition = "#next = :number" if number else "attribute_not_exists(#next)"
    return Update(key, f"SET #next = :following {expression}", values, condition)
