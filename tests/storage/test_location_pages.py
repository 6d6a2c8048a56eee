"""Tests of pages of locations."""

from __future__ import annotations

import pytest

from chalicelib.storage import location_reader as module
from chalicelib.storage.locations import LocationStore
from chalicelib.storage.table import Table
from tests.storage.builders import SITES, crawl, evse, put_site, query, site_ref


def test_a_crawl_of_locations_of_all_sizes_returns_each_as_get_does(locations: LocationStore) -> None:
    for number, size in enumerate((0, 1, 120, 3, 99, 100, 101, 2, 0)):
        put_site(locations, f"L{number}", [evse(str(slot)) for slot in range(size)])

    pages = crawl(lambda asked: locations.page([SITES], asked), query(limit=4))

    bodies = [body for page in pages for body in page.bodies]
    assert bodies == [locations.get(site_ref(f"L{number}")) for number in range(9)]


def test_a_page_ends_early_at_locations_with_many_evses(
    locations: LocationStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEYS_PER_GROUP", 10)
    monkeypatch.setattr(module, "KEYS_PER_PAGE", 20)
    for number in range(8):
        put_site(locations, f"L{number}", [evse(str(slot)) for slot in range(4)])

    pages = crawl(lambda asked: locations.page([SITES], asked), query(limit=50))

    assert [len(page.bodies) for page in pages] == [4, 4]
    assert {page.total for page in pages} == {8}


def test_a_page_shows_a_location_whose_index_entry_is_late(locations: LocationStore, table: Table) -> None:
    put_site(locations, "L1", [evse("1"), evse("2")])
    listing = locations._lists.read([SITES], query())
    put_site(locations, "L1", [evse(str(slot)) for slot in range(3)])

    (body,) = locations._reader.texts(listing.entries)

    assert body == locations.get(site_ref("L1"))
