"""Tests of locations that are too large for one transaction: each large write is a new generation."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.errors import InvalidParameters
from chalicelib.storage import location_writer
from chalicelib.storage.location_items import evse_key, roster_key
from chalicelib.storage.locations import LocationStore, WriteLocation
from chalicelib.storage.table import Table
from tests.storage.builders import SITES, evse, put_evse, put_site, read, site, site_ref
from tests.storage.capacity import measured


def test_a_location_too_large_for_one_transaction_gets_a_new_generation(
    locations: LocationStore, table: Table
) -> None:
    put_site(locations, "L1", [evse("1")])

    with measured(table) as spent:
        put_site(locations, "L1", [evse(str(slot)) for slot in range(200)])

    assert spent.calls[:10] == ["BatchGetItem", *["BatchWriteItem"] * 8, "TransactWriteItems"]
    assert len(read(locations)["evses"]) == 200
    assert len(list(table.query_all("#pk = :pk", {"pk": site_ref("L1").key.pk}))) == 202


def test_few_large_evses_above_one_transaction_get_a_new_generation(
    locations: LocationStore, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(location_writer, "TRANSACTION_BYTES", 500_000)

    with measured(table) as spent:
        put_site(locations, "L1", [evse(str(slot), text="x" * 50_000) for slot in range(12)])

    assert "BatchWriteItem" in spent.calls
    assert len(read(locations)["evses"]) == 12


def test_the_next_large_write_deletes_items_of_a_writer_that_stopped_halfway(
    locations: LocationStore, table: Table
) -> None:
    put_site(locations, "L1", [evse("1")])
    pk = site_ref("L1").key.pk
    litter = evse_key(pk, f"{1:016x}abcd", 0)
    table.put({"pk": litter.pk, "sk": litter.sk, "body": "{}"})

    put_site(locations, "L1", [evse(str(slot)) for slot in range(120)])

    assert table.get(litter) is None
    assert table.get(roster_key(pk)) is not None


def test_a_location_that_shrinks_from_many_evses_to_few_keeps_only_those(
    locations: LocationStore, table: Table
) -> None:
    put_site(locations, "L1", [evse(str(slot)) for slot in range(150)])
    put_site(locations, "L1", [evse("7")])
    put_evse(locations, "L1", evse("8"))

    assert [each["uid"] for each in read(locations)["evses"]] == ["7", "8"]
    assert len(list(table.query_all("#pk = :pk", {"pk": site_ref("L1").key.pk}))) == 4


@pytest.mark.parametrize(
    ("document", "evses", "field"),
    [
        (site("L1", text="x" * 410_000), [], None),
        (site("L1"), [evse("1"), evse("2", text="x" * 410_000)], "evses.1"),
    ],
)
def test_an_evse_or_location_too_large_for_an_item_is_refused_with_its_field(
    locations: LocationStore, document: dict[str, Any], evses: list[dict[str, Any]], field: str | None
) -> None:
    with pytest.raises(InvalidParameters, match="at most 409600 can be stored") as refused:
        locations.change(site_ref("L1"), lambda _: WriteLocation(document, evses), partition=SITES, source="")

    assert refused.value.field == field
    assert locations.get(site_ref("L1")) is None
