"""Counters of lists, so that totals are exact and a page reads no entries only to skip them.

Each list has
- a root item (pk `count#{list}`, sk `#`): `total`; `next`, the number that the next new object gets;
  `h{block}`, how many of the thousand numbers of a block are free because their objects left the list;
  `empty`, the ranges of blocks whose objects have all left; and `{year}Q{quarter}`, how many objects were
  last updated in that quarter;
- an item per quarter (sk `2026Q4`): how many objects were last updated on each day, as `1124`.
  A quarter fits one write unit; a page with date filters reads at most two of them.

The transaction that changes an object writes the counters, only if a count changes: an object that
changes a second time on one day changes no counter. Numbers have no gaps and follow the order of creation,
so the write has a condition on `next`; all other counters are changed with ADD.

Objects leave a list when they are deleted or move to another list. With one attribute for each emptied
block, the root item would grow for ever, and each write costs its size. So the operation that adds an object
to a list also moves the `h{block}` of emptied blocks into `empty`. It needs no other condition: numbers
are not used again, so an emptied block does not change, and only additions write `empty`. The root item
keeps the attributes of blocks that still have objects, and the gaps between them.

Source: OCPI 2.2.1 transport_and_format, Paginated Response; PAG-08
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from chalicelib.storage.table import Item, Key, Update, Value

BLOCK = 1000
_EMPTIED_AT_ONCE = 50


class Emptied(NamedTuple):
    """Blocks emptied since `empty` was last written, and the ranges with them, in the form of `empty`."""

    blocks: tuple[int, ...] = ()
    stretches: tuple[int, ...] = ()


class Place(NamedTuple):
    """An object's list, its number there, and its `last_updated` as a sort key.

    emptied: the blocks to move into `empty` when the object enters the list.
    """

    partition: str
    number: int
    last_updated: str
    emptied: Emptied = Emptied()


def root_key(partition: str) -> Key:
    """Key of a list's root item."""
    return Key(f"count#{partition}")


def quarter_key(partition: str, day: str) -> Key:
    """Key of the counter item of a day's quarter; day: `2026-11-24`, any text after it is ignored."""
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
    """The number of objects in a list."""
    return int(root["total"]) if root else 0


def emptied(root: Item | None) -> Emptied:
    """The blocks whose attributes can be moved into `empty`, limited for one operation.

    >>> emptied({"next": 5000, "h0": 1000, "h2": 1000, "h3": 7, "empty": [1, 2]})
    Emptied(blocks=(0, 2), stretches=(0, 3))
    """
    left = {name: number for name, number in (root or {}).items() if name[0] == "h"}
    blocks = sorted(int(name[1:]) for name, number in left.items() if number == BLOCK)[:_EMPTIED_AT_ONCE]
    stretches: list[int] = []
    for start, end in sorted([*_empty(root), *((block, block + 1) for block in blocks)]):
        if stretches and stretches[-1] == start:
            stretches[-1] = end
        else:
            stretches += (start, end)
    return Emptied(tuple(blocks), tuple(stretches)) if blocks else Emptied()


def _empty(root: Item | None) -> list[tuple[int, int]]:
    """The ranges of blocks without objects, each as its first block and the block after its last."""
    bounds = [int(bound) for bound in (root or {}).get("empty", ())]
    return list(zip(bounds[::2], bounds[1::2], strict=True))


def quarters(root: Item | None) -> Iterator[tuple[str, int]]:
    """Each quarter in which objects of the list were last updated, in order, with their number."""
    names = sorted(name for name in root or {} if name[4:5] == "Q")
    return ((name, int(root[name])) for name in names) if root else iter(())


def days(quarter: Item | None) -> Iterator[tuple[str, int]]:
    """Each day in a quarter's item on which objects were last updated, in order, with their number."""
    names = sorted(name for name in quarter or {} if name.isdigit())
    return (
        ((f"{quarter['sk'][:4]}-{name[:2]}-{name[2:]}", int(quarter[name])) for name in names)
        if quarter
        else iter(())
    )


def seek(root: Item | None, offset: int) -> tuple[int, int]:
    """Find the object at an offset, oldest first: the number to start at, and the entries to skip from there.

    It skips less than a block, and nothing in a block that no object has left.

    >>> seek({"total": 1990, "next": 2000, "h0": 10}, 1000)
    (1010, 0)
    >>> seek({"total": 1990, "next": 2000, "h0": 10}, 500)
    (0, 500)
    >>> seek({"total": 1990, "next": 12000, "h10": 10, "empty": [0, 10]}, 1000)
    (11010, 0)
    """
    following = next_number(root)
    for start in _starts(root):
        left = int(root.get(f"h{start // BLOCK}", 0)) if root else 0
        here = min(BLOCK, following - start) - left
        if offset < here:
            return (start, offset) if left else (start + offset, 0)
        offset -= here
    return following, 0


def _starts(root: Item | None) -> Iterator[int]:
    """The first number of each block that is not known to be empty."""
    block = 0
    for start, end in _empty(root):
        yield from range(block * BLOCK, start * BLOCK, BLOCK)
        block = end
    yield from range(block * BLOCK, next_number(root), BLOCK)


def changes(before: Place | None, after: Place | None) -> list[Update]:
    """The operations that update the counters when an object is created, changed, moved or deleted.

    A new object's number must be the list's next one; this is the condition of its operation.
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
        _update(key, added, entered if entered and key == root_key(entered.partition) else None)
        for key, amounts in deltas.items()
        if (added := {name: amount for name, amount in amounts.items() if amount})
    ]


def additions(places: Sequence[Place]) -> list[Update]:
    """The operations that count several new objects, in one transaction.

    places: with consecutive numbers in each list, in order.
    """
    deltas: dict[Key, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    first: dict[Key, Place] = {}
    for place in places:
        root = root_key(place.partition)
        first.setdefault(root, place)
        deltas[root]["total"] += 1
        deltas[root][quarter_of(place.last_updated)] += 1
        deltas[quarter_key(place.partition, place.last_updated)][_day(place.last_updated)] += 1
    return [_update(key, dict(added), first.get(key)) for key, added in deltas.items()]


def _day(last_updated: str) -> str:
    return last_updated[5:7] + last_updated[8:10]


def _update(key: Key, added: dict[str, int], entered: Place | None) -> Update:
    """Make the update of one counter item.

    entered: the first new place in the list if `key` is the list's root item, else None.
    """
    expression = "ADD " + ", ".join(f"#{name} :{name}" for name in added)
    if entered is None:
        return Update(key, expression, added)
    number, (blocks, stretches) = entered.number, entered.emptied
    values: dict[str, Value] = {**added, "number": number, "following": number + added["total"]}
    if number == 0:
        del values["number"]
    condition = "#next = :number" if number else "attribute_not_exists(#next)"
    expression = f"SET #next = :following {expression}"
    if blocks:
        values["empty"] = list(stretches)
        gone = ", ".join(f"#h{block}" for block in blocks)
        expression = f"{expression.replace('SET', 'SET #empty = :empty,', 1)} REMOVE {gone}"
    return Update(key, expression, values, condition)
