from __future__ import annotations

from bench.paging import measure
from chalicelib.storage.table import Table
from tests.emulator import dynamodb as dynamodb
from tests.emulator import emulator as emulator
from tests.emulator import table as table


def test_every_page_of_a_long_list_takes_the_same_calls_and_units(table: Table) -> None:
    """Calls and units must not grow with the offset, by Link or by offset. Source: PAG-04, PAG-06"""
    rows = list(measure(table, 3000))

    for dates in ("none", "from a midnight"):
        full = [row for row in rows if row.dates == dates and row.objects == 50]
        assert {row.calls for row in full} == {3}
        # An offset with dates reads the counters of each quarter that it may skip: four here.
        assert max(row.read_units for row in full) - min(row.read_units for row in full) <= 4
    assert max(row.calls for row in rows) <= 4
    assert {row.total for row in rows if row.dates == "none"} == {3000}
