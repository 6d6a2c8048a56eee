from __future__ import annotations

from datetime import UTC, datetime

import pytest

from chalicelib.errors import InvalidParameters
from chalicelib.storage.counters import Place
from chalicelib.storage.items import check_size, item_size, new_version, next_place, sortable
from chalicelib.storage.table import Table
from tests.storage.builders import OWN, now

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_versions_rise_with_the_clock_and_never_fall() -> None:
    earlier = datetime(2000, 1, 1, tzinfo=UTC)

    first = new_version(None, now())

    assert new_version({"v": first}, earlier) == first + 1
    assert new_version({"v": 1}, now()) == first


def test_the_size_of_an_item_is_counted_in_bytes_with_its_names() -> None:
    assert item_size({"pk": "é", "list": ["ab", "c"]}) == 2 + 2 + 4 + 3 + 3 + 2


def test_an_item_that_is_too_large_is_refused_with_its_field() -> None:
    with pytest.raises(InvalidParameters) as refused:
        check_size({"body": "é" * 205_000}, "evses.3")

    assert refused.value.field == "evses.3"


def test_last_updated_becomes_text_that_sorts_by_time() -> None:
    """Source: TYP-08."""
    moments = ["2026-11-24T08:00:09Z", "2026-11-24T08:00:09.2Z", "2026-11-24T08:00:10Z"]

    keys = [sortable(moment, NOON) for moment in moments]
    assert sorted(keys) == keys


@pytest.mark.parametrize("moment", ["2026-11-24T12:05:01Z", "2062-01-01T00:00:00Z"])
def test_last_updated_ahead_of_the_clock_becomes_the_time_of_its_arrival(moment: str) -> None:
    assert sortable(moment, NOON) == "2026-11-24T12:00:00.000000"


def test_last_updated_a_little_ahead_of_the_clock_counts() -> None:
    assert sortable("2026-11-24T12:04:59.5Z", NOON) == "2026-11-24T12:04:59.500000"


def test_last_updated_of_a_time_before_computers_is_refused() -> None:
    with pytest.raises(InvalidParameters, match="expected a year from 1970"):
        sortable("1969-12-31T23:59:59Z", NOON)


def test_an_item_keeps_its_number_in_its_list_and_gets_a_new_one_in_another(table: Table) -> None:
    item = {"lp": OWN, "cr": 4, "lu": "x"}

    assert next_place(table, item, OWN, "y", {}) == Place(OWN, 4, "y")
    assert next_place(table, item, "other", "y", {}) == Place("other", 0, "y")
