"""A feed of 100 locations with the deviations that a public one has: our own data, always the same."""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.protocol.json_text import Document
from tests.harness.partner_api import CPO
from tests.modules import builders
from tests.modules.builders import evse

SIZE = 100


def locations() -> list[Document]:
    """Make the locations. Deviations are drawn by number, so that some locations have two."""
    return [_location(number) for number in range(SIZE)]


def _location(number: int) -> Document:
    location = builders.location(
        country_code=CPO.country_code,
        party_id=CPO.party_id,
        id=f"FEED-{number:03d}",
        name=f"Parkplatz {number}",
        address=f"Hauptstraße {number}",
        coordinates={"latitude": f"48.8{number:03d}1", "longitude": f"9.1{number:03d}12"},
        operator={"name": "Stadtwerke", "website": "https://stadtwerke.example"},
        directions=[{"language": "de", "text": f"Reihe {number}"}],
        evses=[evse(f"FEED-{number:03d}-1", evse_id=f"PT*EDP*E{number}")],
    )
    for path, value in _deviations(number):
        *steps, last = path
        place = location
        for step in steps:
            place = place[step]
        place[last] = value
    return location


def _deviations(number: int) -> Iterator[tuple[tuple[str | int, ...], object]]:
    """Yield path and odd value of each deviation of a location."""
    if number % 5 == 0 or number == 1:  # 21
        yield ("directions", 0, "language"), "DE"
    if number % 11 == 2:  # 9, some with 3 and some with 4 decimals
        yield ("coordinates", "latitude"), f"48.8{number:02d}" if number % 2 else f"48.8{number:03d}"
    if number in (7, 52):
        yield ("operator", "website"), ""
    if number % 20 == 3:
        yield ("directions", 0, "text"), f"Reihe {number}\r\nlinks"
    if number % 25 == 4:
        yield ("evses", 0, "connectors", 0, "max_voltage"), "230"
    if number % 25 == 9:
        yield ("evses", 0, "connectors", 0, "max_amperage"), 32.0
    if number % 33 == 6:
        yield ("evses", 0, "floor_level"), "Ebene -1"
    if number % 33 == 8:
        yield ("evses", 0, "physical_reference"), "zweite Säule von links"
    if number == 12:
        yield ("parking_type",), ""
    if number == 14:
        yield ("images",), [{"url": "/img/a.png", "category": "OTHER", "type": "png"}]
    if number == 16:
        yield ("coordinates", "longitude"), "9.100000000000012"
