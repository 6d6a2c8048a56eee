"""All locations of a feed with small faults are kept, and their live status.

Source: LOC-19, TYP-03, TYP-11, TYP-15; BR-11 of the cases from the field
"""

from __future__ import annotations

from chalicelib.errors import InvalidParameters
from chalicelib.modules.locations.objects import Location
from chalicelib.protocol.json_text import Document
from chalicelib.protocol.types import validate
from tests.modules.builders import T1
from tests.reading import feed
from tests.reading.receiver import PLACES, node_with_partners, partner_at


def _is_canonical(location: Document) -> bool:
    try:
        validate(Location, location)
    except InvalidParameters:
        return False
    return True


def test_by_the_letter_a_third_of_the_feed_would_be_refused() -> None:
    odd = [location for location in feed.locations() if not _is_canonical(location)]

    assert len(feed.locations()) == 100
    assert len([each for each in odd if each["directions"][0]["language"] == "DE"]) == 21
    assert 32 <= len(odd) <= 60


def test_the_whole_feed_is_kept_and_its_status_too() -> None:
    hub = partner_at(PLACES["location"], node_with_partners("HUB"))
    names = [(each["country_code"], each["party_id"], each["id"]) for each in feed.locations()]

    put = [
        hub.call("PUT", *name, document=location)
        for name, location in zip(names, feed.locations(), strict=True)
    ]
    patch = {"status": "CHARGING", "last_updated": T1}
    patched = [hub.call("PATCH", *name, f"{name[-1]}-1", document=patch) for name in names]

    assert [answer.message for answer in put + patched if answer.codes[1] != 1000] == []
    kept = [hub.call("GET", *name).data for name in names]
    assert all(_is_canonical(location) for location in kept)
    assert {location["evses"][0]["status"] for location in kept} == {"CHARGING"}
    assert {location["directions"][0]["language"] for location in kept} == {"de"}
