"""Reads whole locations: one with a query, a page of them by the keys in its list entries.

A location whose items do not agree with each other is read again (`location_items.py`). So is a location
that has changed since its list entry was written, because an index may be late.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chalicelib.protocol.json_text import JsonText
from chalicelib.protocol.sizes import PAGE_BYTES
from chalicelib.storage.lists import Entry, answer_sizes
from chalicelib.storage.location_items import (
    current_evses,
    evse_keys,
    evses_agree,
    generation_prefix,
    whole_text,
)
from chalicelib.storage.retry import attempts
from chalicelib.storage.table import Conflict, Item, Table

KEYS_PER_GROUP, KEYS_PER_PAGE = 200, 1000
"""Items of a page are read in groups of two calls; a page ends early before more than a thousand items."""

QUERIED_ALONE = 100
"""A location with more items is read by its own query: one call for each MB."""


class LocationReader:
    """Whole locations of a table."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def read(self, pk: str) -> tuple[Item, list[Item]] | None:
        """Read header and EVSEs of one state; None if there is no such location."""
        for _ in attempts():
            items = list(self._table.query_all("#pk = :pk", {"pk": pk}))
            header = next((item for item in items if item["sk"] == "#"), None)
            if header is None:
                return None
            evses = current_evses(header, items)
            if evses_agree(header, evses):
                return header, evses
        raise AssertionError("attempts() raises")

    def read_evses_of(self, header: Item) -> list[Item]:
        """Read the EVSEs of a header that was read before.

        Raises: Conflict when they have changed since.
        """
        values = {"pk": header["pk"], "prefix": generation_prefix(header["gen"])}
        evses = list(self._table.query_all("#pk = :pk AND begins_with(#sk, :prefix)", values))
        if not evses_agree(header, evses):
            raise Conflict("the EVSEs have changed")
        return evses

    def texts(self, entries: Sequence[Entry]) -> list[JsonText | None]:
        """Read the whole locations of a page; None for one that was deleted meanwhile.

        Returns fewer texts than entries if an answer, or a few calls, cannot hold all.
        """
        texts: list[JsonText | None] = []
        keys = 0
        for group, number in _groups(entries):
            if texts and (keys + number > KEYS_PER_PAGE or sum(answer_sizes(texts)) > PAGE_BYTES):
                break
            keys += number
            texts += self._texts(group)
        return texts

    def _texts(self, entries: Sequence[Entry]) -> list[JsonText | None]:
        keys_by_pk = {
            entry.key.pk: [entry.key, *evse_keys(entry.key.pk, entry.item["ev"])] for entry in entries
        }
        together = [key for keys in keys_by_pk.values() if len(keys) <= QUERIED_ALONE for key in keys]
        items = self._table.get_many(together)
        texts: list[JsonText | None] = []
        for entry in entries:
            header = items.get(entry.key)
            evses = [items[key] for key in keys_by_pk[entry.key.pk][1:] if key in items]
            if header and header["ev"] == entry.item["ev"] and evses_agree(header, evses):
                texts.append(whole_text(header, evses))
            else:
                whole = self.read(entry.key.pk)
                texts.append(whole_text(*whole) if whole else None)
        return texts


def _groups(entries: Sequence[Entry]) -> Iterator[tuple[list[Entry], int]]:
    """Split entries into groups that two calls can read, each with the number of its items."""
    group: list[Entry] = []
    number = 0
    for entry in entries:
        items = 1 + int(entry.item["ev"].partition(":")[2])
        if group and number + items > KEYS_PER_GROUP:
            yield group, number
            group, number = [], 0
        group.append(entry)
        number += items
    if group:
        yield group, number
