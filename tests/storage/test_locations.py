"""Tests of writing and reading locations."""

from __future__ import annotations

from decimal import Decimal

import pytest

from chalicelib.errors import InvalidParameters, LocationNotFound
from chalicelib.storage.locations import LocationStore, WriteEvse, WriteLocation
from tests.storage.builders import LATER, NOON, SITES, evse, put_evse, put_site, query, read, site, site_ref


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
