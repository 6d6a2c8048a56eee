"""Documents of partners are repaired, set aside in part, or refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from chalicelib.modules.locations.objects import Location
from chalicelib.modules.tariffs.objects import Tariff
from chalicelib.protocol.json_text import read_json
from chalicelib.reading.findings import Outcome
from chalicelib.reading.missing import Context
from chalicelib.reading.reader import MOST_ERRORS, Reading, read_document

NOW = Context(now="2026-11-30T10:00:00Z")


def location(**changes: Any) -> dict[str, Any]:
    """A location of the specification's form, with changes."""
    return {
        "country_code": "DE",
        "party_id": "FKC",
        "id": "L1",
        "publish": True,
        "address": "Hauptstr. 1",
        "city": "Köln",
        "country": "DEU",
        "coordinates": {"latitude": "50.93800", "longitude": "6.95700"},
        "time_zone": "Europe/Berlin",
        "last_updated": "2026-11-20T10:00:00Z",
        **changes,
    }


def evse(**changes: Any) -> dict[str, Any]:
    """An EVSE of the specification's form, with changes."""
    connector = {
        "id": "1",
        "standard": "IEC_62196_T2",
        "format": "SOCKET",
        "power_type": "AC_3_PHASE",
        "max_voltage": 230,
        "max_amperage": 32,
        "last_updated": "2026-11-20T10:00:00Z",
    }
    whole = {"uid": "E1", "status": "AVAILABLE", "connectors": [connector]}
    return {**whole, "last_updated": "2026-11-20T10:00:00Z", **changes}


def tariff(**changes: Any) -> dict[str, Any]:
    """A tariff of the specification's form, with changes."""
    component = {"type": "ENERGY", "price": Decimal("0.25"), "step_size": 1}
    whole = {"country_code": "DE", "party_id": "FKC", "id": "T1", "currency": "EUR"}
    elements = [{"price_components": [component]}]
    return {**whole, "elements": elements, "last_updated": "2026-11-20T10:00:00Z", **changes}


def read(**changes: Any) -> Reading:
    return read_document(Location, location(**changes), NOW)


def test_a_valid_document_is_returned_as_it_is() -> None:
    document = location(evses=[evse()])

    reading = read_document(Location, document, NOW)

    assert reading.document is document
    assert reading.findings == ()


REPAIRED = [
    ("country", "DE", "DEU"),
    ("last_updated", "2026-11-20 11:00:00.123456+01:00", "2026-11-20T10:00:00.123Z"),
    ("coordinates", {"latitude": Decimal("50.938"), "longitude": "+6,9570000"}, None),
    ("publish", "true", True),
    ("postal_code", 50667, "50667"),
    ("name", "Gare\r\ndu Nord", "Gare du Nord"),
    ("facilities", "hotel", ["HOTEL"]),
]


@pytest.mark.parametrize(("name", "came", "canonical"), REPAIRED, ids=[name for name, _, _ in REPAIRED])
def test_a_value_with_one_meaning_is_repaired(name: str, came: Any, canonical: Any) -> None:
    """Source: TYP-03"""
    reading = read(**{name: came})

    expected = {"latitude": "50.93800", "longitude": "6.9570000"} if canonical is None else canonical
    assert reading.document[name] == expected
    assert {finding.outcome for finding in reading.findings} == {Outcome.REPAIRED}
    assert read_document(Location, reading.document, NOW).document is reading.document


def test_the_document_that_came_stays_as_it_was() -> None:
    document = location(country="DE", facilities="hotel")

    read_document(Location, document, NOW)

    assert document == location(country="DE", facilities="hotel")


def test_a_location_without_publish_is_not_published() -> None:
    """Source: LOC-16"""
    document = location()
    del document["publish"]

    assert read_document(Location, document, NOW).document["publish"] is False


def test_an_unreadable_optional_part_is_set_aside_as_it_came() -> None:
    odd = {
        "images": [{"url": "/img/a.png"}, {"url": "https://a.de/b.png", "category": "OTHER", "type": "png"}]
    }

    reading = read(operator={"name": "X", "website": ""}, **odd, evses=[evse(floor_level="0123456789")])

    assert [image["url"] for image in reading.document["images"]] == ["https://a.de/b.png"]
    assert reading.document["operator"] == {"name": "X"}
    assert "floor_level" not in reading.document["evses"][0]
    assert reading.aside["evses.0.floor_level"] == "0123456789"
    assert reading.aside["images.0"]["url"] == "/img/a.png"
    assert "operator.website" not in reading.aside


def test_hours_past_midnight_are_split_at_midnight() -> None:
    """Source: LOC-20, TAR-12"""
    hours = [{"weekday": 7, "period_begin": "8:00", "period_end": "02:00"}]

    reading = read(opening_times={"twentyfourseven": False, "regular_hours": hours})

    assert reading.document["opening_times"]["regular_hours"] == [
        {"weekday": 7, "period_begin": "08:00", "period_end": "00:00"},
        {"weekday": 1, "period_begin": "00:00", "period_end": "02:00"},
    ]


def test_a_child_without_a_time_has_that_of_its_parent() -> None:
    child = evse()
    del child["last_updated"]

    reading = read(evses=[child], last_updated="2026-11-21T10:00:00+00:00")

    assert reading.document["evses"][0]["last_updated"] == "2026-11-21T10:00:00Z"


@pytest.mark.parametrize("name", ["country_code", "id", "coordinates"])
def test_identity_and_place_are_not_guessed(name: str) -> None:
    document = location()
    del document[name]

    reading = read_document(Location, document, NOW)

    assert reading.error is not None
    assert reading.error.field == name
    assert reading.document is None
    assert [finding.outcome for finding in reading.findings] == [Outcome.REFUSED]


UNREADABLE_PRICES = [
    {"max_price": "five"},
    {"elements": [{"price_components": [{"type": "ENERGY", "price": "0,25", "step_size": 1}]}]},
    {
        "elements": [
            {
                "price_components": [{"type": "ENERGY", "price": 1, "step_size": 1}],
                "restrictions": {"start_time": "late"},
            }
        ]
    },
    {"start_date_time": "tomorrow"},
]


@pytest.mark.parametrize("changes", UNREADABLE_PRICES, ids=lambda changes: next(iter(changes)))
def test_a_tariff_is_refused_if_a_price_or_its_condition_cannot_be_read(changes: dict[str, Any]) -> None:
    reading = read_document(Tariff, tariff(**changes), NOW)

    assert reading.error is not None
    assert next(iter(changes)) in str(reading.error.field)


def test_numbers_keep_their_digits() -> None:
    """Source: TYP-09"""
    text = '{"type": "energy", "price": "0.2500", "step_size": "1"}'
    elements = [{"price_components": [read_json(text)]}]

    reading = read_document(Tariff, tariff(elements=elements, min_price=5), NOW)

    component = reading.document["elements"][0]["price_components"][0]
    assert (component["type"], str(component["price"]), component["step_size"]) == ("ENERGY", "0.2500", 1)
    assert reading.document["min_price"] == {"excl_vat": 5}


def test_a_patch_may_leave_fields_out() -> None:
    patch = {"last_updated": "2026-11-20T10:00:00Z", "evses": [{"uid": "E1", "status": "available"}]}

    reading = read_document(Location, patch, NOW, is_patch=True)

    assert reading.document["evses"] == [{"uid": "E1", "status": "AVAILABLE"}]
    assert reading.error is None


def test_an_object_in_a_list_of_one_is_that_object() -> None:
    reading = read_document(Location, [location()], NOW)

    assert reading.document == location()
    assert [finding.kind for finding in reading.findings] == ["LIST_OF_ONE"]


def test_hours_past_midnight_on_every_day_are_split_together() -> None:
    hours = [{"weekday": day, "period_begin": "18:00", "period_end": "03:00"} for day in range(1, 8)] * 4

    reading = read(opening_times={"twentyfourseven": False, "regular_hours": hours})

    assert len(reading.document["opening_times"]["regular_hours"]) == 2 * len(hours)
    assert [finding.kind for finding in reading.findings] == ["PAST_MIDNIGHT"]


def test_a_document_with_too_many_errors_is_refused_at_once() -> None:
    reading = read(facilities=["hotel"] * (MOST_ERRORS + 1))

    assert reading.error is not None
    assert reading.error.field == "facilities.0"
    assert len(reading.findings) == 100
