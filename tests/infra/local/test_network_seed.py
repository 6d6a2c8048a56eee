"""The generated network has the shape of the real one, and is the same every time."""

from __future__ import annotations

import re
from decimal import Decimal

from chalicelib.modules.locations.objects import Location
from chalicelib.modules.tariffs.objects import Tariff
from chalicelib.protocol.types import validate
from infra.local import network_seed


def test_the_same_seed_makes_the_same_network() -> None:
    assert network_seed.generate(50) == network_seed.generate(50)
    assert network_seed.generate(50) != network_seed.generate(50, seed=1)


def test_a_larger_network_begins_with_the_smaller_one() -> None:
    assert network_seed.generate(200).locations[:60] == network_seed.generate(60).locations


def test_every_object_is_valid() -> None:
    network = network_seed.generate(300)

    for location in network.locations:
        validate(Location, location)
    for tariff in network.tariffs:
        validate(Tariff, tariff)


def test_ids_look_like_those_of_the_real_network_and_are_unique() -> None:
    locations = network_seed.generate(500).locations
    evses = [evse for location in locations for evse in location["evses"]]

    assert all(re.fullmatch(r"[A-Z]{3}-\d{5}", location["id"]) for location in locations)
    assert all(re.fullmatch(r"PT\*MOB\*E\*[A-Z]{3}\*\d{5}\*\d+", evse["evse_id"]) for evse in evses)
    assert len({location["id"] for location in locations}) == 500
    assert len({evse["uid"] for evse in evses}) == len(evses)


def test_a_site_has_two_and_a_half_points_on_average() -> None:
    locations = network_seed.generate(3000).locations

    average = sum(len(location["evses"]) for location in locations) / len(locations)

    assert 2.4 < average < 2.7


def test_coordinates_have_at_least_five_decimals_and_the_islands_their_own_time() -> None:
    locations = network_seed.generate(500).locations

    for location in locations:
        for value in location["coordinates"].values():
            assert re.fullmatch(r"-?\d{1,2}\.\d{5,7}", value)
    assert {location["time_zone"] for location in locations} == {
        "Europe/Lisbon",
        "Atlantic/Madeira",
        "Atlantic/Azores",
    }


def test_some_sites_lie_in_another_municipality_than_the_one_in_their_id() -> None:
    cities_by_code: dict[str, set[str]] = {}
    for location in network_seed.generate(3000).locations:
        cities_by_code.setdefault(location["id"][:3], set()).add(location["city"])

    assert any(len(cities) > 1 for cities in cities_by_code.values())


def test_tariffs_show_every_dimension_steps_vat_and_restrictions() -> None:
    elements = [element for tariff in network_seed.tariffs() for element in tariff["elements"]]
    prices = [price for element in elements for price in element["price_components"]]
    restricted = {name for element in elements for name in element.get("restrictions", {})}

    assert {price["type"] for price in prices} == {"FLAT", "ENERGY", "TIME", "PARKING_TIME"}
    assert {price["vat"] for price in prices} == {Decimal(23)}
    assert len({price["step_size"] for price in prices}) > 3
    assert {"start_time", "end_time", "day_of_week", "min_duration"} <= restricted


def test_every_connector_names_tariffs_that_exist() -> None:
    network = network_seed.generate(100)
    known = {tariff["id"] for tariff in network.tariffs}

    named = {
        tariff_id
        for location in network.locations
        for evse in location["evses"]
        for connector in evse["connectors"]
        for tariff_id in connector["tariff_ids"]
    }

    assert named == known
