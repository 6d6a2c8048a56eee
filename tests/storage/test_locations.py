from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.errors import InvalidParameters, LocationNotFound
from chalicelib.protocol.json_text import read_json
from chalicelib.storage import location_reader as module
from chalicelib.storage import location_writer
from chalicelib.storage.location_items import evse_key, roster_key
from chalicelib.storage.locations import LocationStore, StoredEvse, StoredLocation, WriteEvse, WriteLocation
from chalicelib.storage.table import Conflict, Delete, Table, Update
from tests.storage.builders import (
    NOON,
    SITES,
    crawl,
    evse,
    put_evse,
    put_site,
    query,
    site,
    site_ref,
)
from tests.storage.capacity import Spent, measured

LATER = "2026-11-24T13:00:00.5Z"


def read(locations: LocationStore, location_id: str = "L1") -> dict[str, Any]:
    text = locations.get(site_ref(location_id))
    assert text is not None
    found: dict[str, Any] = read_json(str(text))
    return found


def test_a_location_is_read_back_as_it_was(locations: LocationStore) -> None:
    """Source: TYP-09, TYP-15."""
    document = site(
        "LSB-00693", coordinates={"latitude": "38.70", "longitude": "-9.10"}, mobie_price=Decimal("0.30")
    )
    evses = [evse("1", connectors=[{"id": "1", "max_voltage": 400}], mobie_x=None), evse("2")]

    change = locations.change(
        site_ref("LSB-00693"), lambda _: WriteLocation(document, evses), partition=SITES, source="p1"
    )

    assert change.created
    assert read(locations, "lsb-00693") == {**document, "evses": evses}
    assert '"mobie_price":0.30' in str(locations.get(site_ref("LSB-00693")))


def test_a_location_without_evses_has_no_evses_field(locations: LocationStore) -> None:
    put_site(locations, "L1", [])

    assert read(locations) == site("L1")


def test_an_unknown_location_is_none(locations: LocationStore) -> None:
    assert locations.get(site_ref("L1")) is None
    assert locations.get_whole(site_ref("L1")) is None
    assert locations.get_header(site_ref("L1")) is None
    assert locations.get_evse(site_ref("L1"), "1") is None


def test_a_whole_write_replaces_all_evses(locations: LocationStore) -> None:
    put_site(locations, "L1", [evse("1"), evse("2"), evse("3")])
    put_site(locations, "L1", [evse("4")])

    assert [each["uid"] for each in read(locations)["evses"]] == ["4"]
    assert locations.get_evse(site_ref("L1"), "2") is None


def test_a_write_without_evses_keeps_them(locations: LocationStore) -> None:
    """Source: LOC-08."""
    put_site(locations, "L1", [evse("1"), evse("2")])
    put_site(locations, "L1", None, LATER, name="new")

    location = read(locations)
    assert (location["name"], len(location["evses"]), location["last_updated"]) == ("new", 2, LATER)


def test_a_change_of_an_evse_updates_its_location(locations: LocationStore) -> None:
    """The location gets the EVSE's `last_updated`, not the clock's time. Source: LOC-03, LOC-05"""
    put_site(locations, "L1", [evse("1"), evse("2")])

    put_evse(locations, "L1", evse("2", LATER, "CHARGING"))

    location = read(locations)
    assert location["last_updated"] == LATER
    assert [each["status"] for each in location["evses"]] == ["AVAILABLE", "CHARGING"]
    assert locations.page([SITES], query("2026-11-24T13:00:00Z")).total == 1


def test_an_evse_older_than_its_location_keeps_the_location_s_last_updated(locations: LocationStore) -> None:
    """Source: LOC-14."""
    put_site(locations, "L1", [evse("1")], LATER)

    put_evse(locations, "L1", evse("1", NOON, "CHARGING"))

    location = read(locations)
    assert (location["last_updated"], location["evses"][0]["status"]) == (LATER, "CHARGING")


def test_a_new_evse_comes_last(locations: LocationStore) -> None:
    """Source: LOC-05."""
    put_site(locations, "L1", [evse("1"), evse("2")])

    put_evse(locations, "L1", evse("0"))

    assert [each["uid"] for each in read(locations)["evses"]] == ["1", "2", "0"]
    found = locations.get_evse(site_ref("L1"), "0")
    assert found is not None and found.via == "evse"


def test_an_evse_of_an_unknown_location_is_refused_and_not_decided(locations: LocationStore) -> None:
    """Source: LOC-13."""
    with pytest.raises(LocationNotFound):
        locations.change_evse(site_ref("NOPE"), "1", lambda *_: pytest.fail("decided"), source="")


def test_an_evse_is_found_by_its_uid_in_any_case(locations: LocationStore) -> None:
    """Source: TYP-01."""
    put_site(locations, "L1", [evse("Abc")])

    put_evse(locations, "L1", evse("ABC", status="BLOCKED"))

    assert [(each["uid"], each["status"]) for each in read(locations)["evses"]] == [("ABC", "BLOCKED")]
    found = locations.get_evse(site_ref("L1"), "abc")
    assert found is not None and found.uid == "ABC"


def test_two_evses_with_one_uid_are_refused(locations: LocationStore) -> None:
    """Source: OWN-03."""
    with pytest.raises(InvalidParameters) as refused:
        put_site(locations, "L1", [evse("a"), evse("A")])

    assert refused.value.field == "evses.1.uid"
    assert locations.page([SITES], query()).total == 0


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


def test_get_whole_returns_the_version_and_source_that_a_push_needs(locations: LocationStore) -> None:
    put_site(locations, "L1", [evse("1")])
    before = locations.get_whole(site_ref("L1"))
    locations.change_evse(site_ref("L1"), "1", lambda *_: WriteEvse(evse("1", LATER)), source="p7")
    after = locations.get_whole(site_ref("L1"))

    assert before is not None and after is not None
    assert after.version > before.version
    assert (after.source, after.partition, after.last_updated) == ("p7", SITES, "2026-11-24T13:00:00.500000")
    assert after.body == locations.get(site_ref("L1"))


def test_the_versions_distinguish_a_write_of_the_location_from_one_of_an_evse(
    locations: LocationStore,
) -> None:
    put_site(locations, "L1", [evse("1")])
    put_evse(locations, "L1", evse("1"))

    header = locations.get_header(site_ref("L1"))

    assert header is not None and header.version > header.header_version
    found = locations.get_evse(site_ref("L1"), "1")
    assert found is not None and (found.via, found.version) == ("evse", header.version)


def spent_on_status_change(locations: LocationStore, table: Table, location_id: str, number: int) -> Spent:
    evses = [
        evse(f"PT*MOB*E*LSB*{slot:05}*1", connectors=[{"id": "1", "x": "y" * 600}]) for slot in range(number)
    ]
    put_site(locations, location_id, evses)
    changed = evse("PT*MOB*E*LSB*00001*1", LATER, "CHARGING", connectors=[{"id": "1", "x": "y" * 600}])
    known = table.get_many(locations.keys_for_evse_change(site_ref(location_id)))
    with measured(table) as spent:
        locations.change_evse(
            site_ref(location_id), changed["uid"], lambda *_: WriteEvse(changed), known, source=""
        )
    return spent


def test_a_status_change_at_a_site_of_200_evses_costs_what_it_costs_at_a_site_of_two(
    locations: LocationStore, table: Table
) -> None:
    """The cost is three calls, the first of them together with the caller's token."""
    small = spent_on_status_change(locations, table, "SMALL", 2)
    large = spent_on_status_change(locations, table, "LARGE", 200)

    assert small.calls == large.calls == ["GetItem", "TransactWriteItems"]
    assert small.write_units == large.write_units <= 6
    assert small.read_units == large.read_units == 1


def test_put_and_patch_of_a_location_are_one_call_after_the_callers_token(
    locations: LocationStore, table: Table
) -> None:
    ref = site_ref("L1")
    calls = []
    for decision in (
        WriteLocation(site("L1"), [evse(str(slot)) for slot in range(10)]),
        WriteLocation(site("L1"), [evse(str(slot)) for slot in range(10)]),
        WriteLocation(site("L1", name="Other"), None),
    ):
        known = table.get_many(locations.keys_for_change(ref, SITES))
        with measured(table) as spent:
            locations.change(ref, lambda _, decision=decision: decision, known, partition=SITES, source="")
        calls.append(spent.calls)

    assert calls == [["TransactWriteItems"], ["TransactWriteItems"], ["PutItem"]]


def test_get_of_a_location_is_one_call_and_of_an_evse_one_after_the_callers_token(
    locations: LocationStore, table: Table
) -> None:
    put_site(locations, "L1", [evse(str(slot)) for slot in range(200)])
    known = table.get_many(locations.keys_for_get(site_ref("L1")))

    with measured(table) as whole:
        locations.get(site_ref("L1"))
    with measured(table) as one:
        locations.get_evse(site_ref("L1"), "77", known)

    assert (whole.calls, one.calls) == (["Query"], ["GetItem"])


@pytest.mark.parametrize(
    "dates", [(), ("2026-11-01T00:00:00Z",), ("2026-11-24T08:00:00Z", "2026-11-24T20:00:00Z")]
)
def test_a_page_of_50_locations_with_125_evses_costs_four_calls(
    locations: LocationStore, table: Table, dates: tuple[str, ...]
) -> None:
    for number in range(60):
        put_site(locations, f"L{number}", [evse(str(slot)) for slot in range(2 + number % 2)])

    with measured(table) as spent:
        page = locations.page([SITES], query(*dates))
    with measured(table) as later:
        rest = locations.page([SITES], replace(query(*dates), offset=50, cursor=page.next_cursor))

    assert (len(rest.bodies), rest.total) == (10, 60)
    assert len(later.calls) <= 4, later.calls
    assert (len(page.bodies), page.total, page.next_offset) == (50, 60, 50)
    assert sum(len(read_json(str(body))["evses"]) for body in page.bodies) == 125
    assert len(spent.calls) <= 4, spent.calls


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


def test_a_location_can_move_to_another_list(locations: LocationStore) -> None:
    """Source: PAG-08."""
    put_site(locations, "L1", [evse("1")])
    put_site(locations, "L1", None, publish=False, partition=SITES + "#hidden")
    put_evse(locations, "L1", evse("1", LATER))

    assert locations.page([SITES], query()).total == 0
    page = locations.page([SITES, SITES + "#hidden"], query("2026-11-24T13:00:00Z"))
    assert page.bodies == [locations.get(site_ref("L1"))]


def test_versions_yield_every_location_once(locations: LocationStore) -> None:
    put_site(locations, "L1", [evse("1"), evse("2")])
    put_evse(locations, "L1", evse("1"))

    header = locations.get_header(site_ref("L1"))

    assert header is not None
    assert list(locations.versions(SITES)) == [(site_ref("L1"), header.version)]
