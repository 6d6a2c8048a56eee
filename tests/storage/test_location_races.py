"""Tests of decisions and reads of a location while others change it."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.protocol.json_text import read_json
from chalicelib.storage.location_items import evse_key
from chalicelib.storage.locations import LocationStore, StoredEvse, StoredLocation, WriteEvse, WriteLocation
from chalicelib.storage.table import Conflict, Delete, Table, Update
from tests.storage.builders import LATER, SITES, evse, put_evse, put_site, read, site, site_ref
from tests.storage.capacity import measured


def test_the_decision_about_an_evse_gets_the_evse_and_its_location(locations: LocationStore) -> None:
    put_site(locations, "L1", [evse("1"), evse("2", LATER)], LATER)
    seen: list[tuple[StoredEvse | None, StoredLocation]] = []

    def decide(current: StoredEvse | None, location: StoredLocation) -> None:
        seen.append((current, location))

    change = locations.change_evse(site_ref("L1"), "2", decide, source="")

    ((current, location),) = seen
    assert not change.written
    assert current is not None and current.last_updated == "2026-11-24T13:00:00.500000"
    assert location.document() == site("L1", LATER)
    assert [each.uid for each in location.evses()] == ["1", "2"]


def test_the_decision_about_a_location_reads_its_evses_only_when_asked(
    locations: LocationStore, table: Table
) -> None:
    put_site(locations, "L1", [evse("1"), evse("2")])
    known = table.get_many(locations.keys_for_change(site_ref("L1"), SITES))

    def merge(current: StoredLocation | None) -> WriteLocation:
        assert current is not None
        return WriteLocation(
            current.document(), [read_json(str(each.body)) for each in current.evses()][::-1]
        )

    with measured(table) as spent:
        locations.change(site_ref("L1"), merge, known, partition=SITES, source="")

    assert spent.calls == ["Query", "TransactWriteItems"]
    assert [each["uid"] for each in read(locations)["evses"]] == ["2", "1"]


def test_a_decision_is_made_again_when_its_evses_change_meanwhile(
    locations: LocationStore, table: Table
) -> None:
    put_site(locations, "L1", [evse("1")])
    known = table.get_many(locations.keys_for_change(site_ref("L1"), SITES))
    put_evse(locations, "L1", evse("1", status="CHARGING"))
    decided: list[str] = []

    def decide(current: StoredLocation | None) -> None:
        assert current is not None
        decided.append("begun")
        decided.append(read_json(str(current.evses()[0].body))["status"])

    locations.change(site_ref("L1"), decide, known, partition=SITES, source="")

    assert decided == ["begun", "begun", "CHARGING"]


def test_a_change_with_an_outdated_roster_changes_the_right_evse(
    locations: LocationStore, table: Table
) -> None:
    put_site(locations, "L1", [evse("1"), evse("2")])
    old = table.get_many(locations.keys_for_evse_change(site_ref("L1")))
    put_site(locations, "L1", [evse("2"), evse("1")])
    new = table.get_many([site_ref("L1").key])
    mixed = {**old, **new}

    locations.change_evse(
        site_ref("L1"), "2", lambda *_: WriteEvse(evse("2", status="CHARGING")), mixed, source=""
    )

    assert [(each["uid"], each["status"]) for each in read(locations)["evses"]] == [
        ("2", "CHARGING"),
        ("1", "AVAILABLE"),
    ]


def test_an_evse_is_found_with_a_roster_older_than_the_header(locations: LocationStore, table: Table) -> None:
    put_site(locations, "L1", [evse("1")])
    old = table.get_many(locations.keys_for_get(site_ref("L1")))
    put_evse(locations, "L1", evse("2"))
    mixed = {**old, **table.get_many([site_ref("L1").key])}

    found = locations.get_evse(site_ref("L1"), "2", mixed)

    assert found is not None and found.uid == "2"


def lay_out_again(locations: LocationStore, table: Table) -> Any:
    """Read L1, then write it under a new generation, and return the earlier read."""
    put_site(locations, "L1", [evse("1"), evse("2")])
    old = table.get_many(locations.keys_for_get(site_ref("L1")))
    put_site(locations, "L1", [evse(str(slot), status="CHARGING") for slot in range(120)])
    return old


def test_an_evse_is_found_after_a_switch_to_a_new_generation(locations: LocationStore, table: Table) -> None:
    found = locations.get_evse(site_ref("L1"), "2", lay_out_again(locations, table))

    assert found is not None and read_json(str(found.body))["status"] == "CHARGING"


def test_a_decision_never_sees_an_evse_as_missing_during_a_switch_of_generation(
    locations: LocationStore, table: Table
) -> None:
    seen = []

    def decide(current: StoredEvse | None, _: StoredLocation) -> WriteEvse:
        seen.append(current)
        return WriteEvse(evse("2", status="BLOCKED"))

    locations.change_evse(site_ref("L1"), "2", decide, lay_out_again(locations, table), source="")

    assert [each is not None and read_json(str(each.body))["status"] for each in seen] == ["CHARGING"]
    assert len(read(locations)["evses"]) == 120


def test_a_new_evse_with_an_outdated_roster_replaces_no_other_evse(
    locations: LocationStore, table: Table
) -> None:
    put_site(locations, "L1", [evse("1")])
    old = table.get_many(locations.keys_for_evse_change(site_ref("L1")))
    put_evse(locations, "L1", evse("2"))
    mixed = {**old, **table.get_many([site_ref("L1").key])}

    change = locations.change_evse(site_ref("L1"), "3", lambda *_: WriteEvse(evse("3")), mixed, source="")

    assert change.created
    assert [each["uid"] for each in read(locations)["evses"]] == ["1", "2", "3"]
    assert locations.get_evse(site_ref("L1"), "2") is not None


def test_reads_are_repeated_until_all_items_are_of_one_state(
    locations: LocationStore, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_site(locations, "L1", [evse("1"), evse("2")])
    pk = site_ref("L1").key.pk
    header = table.get(site_ref("L1").key)
    assert header is not None
    second = evse_key(pk, header["gen"], 1)
    saved = table.get(second)
    assert saved is not None
    table.write(Delete(second))
    reads = iter((None, lambda: table.put(saved)))

    def repair(*_: object) -> float:
        step = next(reads)
        if step:
            step()
        return 0.0

    monkeypatch.setattr("chalicelib.storage.retry.random.uniform", repair)

    assert len(read(locations)["evses"]) == 2
    assert list(reads) == []


def test_an_evse_newer_than_its_header_is_not_of_one_state(locations: LocationStore, table: Table) -> None:
    put_site(locations, "L1", [evse("1")])
    header = locations.get_header(site_ref("L1"))
    item = table.get(site_ref("L1").key)
    assert header is not None and item is not None

    table.write(Update(evse_key(item["pk"], item["gen"], 0), "SET #v = :v", {"v": item["v"] + 1}))

    with pytest.raises(Conflict):
        locations._reader.read_evses_of(item)
