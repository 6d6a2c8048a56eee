"""Locations, EVSEs and connectors in the operator API."""

from __future__ import annotations

from typing import Any

import pytest

from tests.operator_api.caller import OperatorApi, path_of
from tests.operator_api.objects import connector, evse, location

START, LATER = "2026-03-01T12:00:00Z", "2026-03-01T12:01:00Z"


@pytest.fixture
def site(cpo: OperatorApi) -> dict[str, Any]:
    """A location with two EVSEs, one minute old."""
    stored: dict[str, Any] = cpo.ask("PUT", "/locations/LSB-00693", location(evses=[evse("E1"), evse("E2")]))
    cpo.node.clock.forward(minutes=1)  # type: ignore[attr-defined]
    return stored


def test_put_fills_in_what_the_operator_left_out(cpo: OperatorApi) -> None:
    answer = cpo.call("PUT", "/locations/LSB-00693", location())

    assert answer.status == 201
    assert answer.json == {
        "country_code": "PT",
        "party_id": "ABC",
        "id": "LSB-00693",
        **location(evses=[evse(connectors=[connector(last_updated=START)], last_updated=START)]),
        "last_updated": START,
    }
    assert cpo.ask("GET", "/locations/LSB-00693") == answer.json


def test_put_of_a_known_location_replaces_it(cpo: OperatorApi, site: dict[str, Any]) -> None:
    answer = cpo.call("PUT", "/locations/LSB-00693", location(city="Porto", evses=[evse("E1"), evse("E2")]))

    assert answer.status == 200
    assert (answer.json["city"], answer.json["last_updated"]) == ("Porto", LATER)
    assert cpo.ask("GET", "/locations/LSB-00693") == answer.json


def test_patch_of_a_location_keeps_its_evses(cpo: OperatorApi, site: dict[str, Any]) -> None:
    answer = cpo.call("PATCH", "/locations/LSB-00693", {"name": "Augusta"})

    assert answer.status == 200
    assert (answer.json["name"], answer.json["evses"]) == ("Augusta", site["evses"])
    assert cpo.ask("GET", "/locations/LSB-00693") == answer.json


def test_a_status_change_updates_last_updated_of_the_location(cpo: OperatorApi, site: dict[str, Any]) -> None:
    """Source: LOC-03"""
    answer = cpo.call("PATCH", "/locations/LSB-00693/E1", {"status": "CHARGING"})

    assert answer.status == 200
    assert (answer.json["uid"], answer.json["status"], answer.json["last_updated"]) == (
        "E1",
        "CHARGING",
        LATER,
    )
    stored = cpo.ask("GET", "/locations/LSB-00693")
    assert stored["last_updated"] == LATER
    assert [one["status"] for one in stored["evses"]] == ["CHARGING", "AVAILABLE"]
    assert cpo.ask("GET", "/locations/LSB-00693/E1") == answer.json


def test_an_evse_is_added(cpo: OperatorApi, site: dict[str, Any]) -> None:
    answer = cpo.call("PUT", "/locations/LSB-00693/E3", evse("E3"))

    assert answer.status == 201
    assert [one["uid"] for one in cpo.ask("GET", "/locations/LSB-00693")["evses"]] == ["E1", "E2", "E3"]
    assert cpo.call("PUT", "/locations/LSB-00693/E3", evse("E3", status="BLOCKED")).status == 200


def test_a_written_connector_updates_last_updated_of_its_parents(
    cpo: OperatorApi, site: dict[str, Any]
) -> None:
    """Source: LOC-03, LOC-05"""
    created = cpo.call("PUT", "/locations/LSB-00693/E1/2", connector(id="2"))
    patched = cpo.call("PATCH", "/locations/LSB-00693/E1/1", {"tariff_ids": ["T1"]})

    assert (created.status, patched.status) == (201, 200)
    assert patched.json == connector(tariff_ids=["T1"], last_updated=LATER)
    assert cpo.ask("GET", "/locations/LSB-00693/E1/1") == patched.json
    stored = cpo.ask("GET", "/locations/LSB-00693")
    assert [one["id"] for one in stored["evses"][0]["connectors"]] == ["1", "2"]
    assert (stored["last_updated"], stored["evses"][0]["last_updated"]) == (LATER, LATER)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/locations/NOPE"),
        ("GET", "/locations/LSB-00693/NOPE"),
        ("GET", "/locations/LSB-00693/E1/NOPE"),
        ("GET", "/locations/NOPE/E1/1"),
        ("PATCH", "/locations/NOPE"),
        ("PATCH", "/locations/LSB-00693/NOPE"),
        ("PATCH", "/locations/LSB-00693/E1/NOPE"),
        ("PATCH", "/locations/NOPE/E1"),
        ("PUT", "/locations/NOPE/E1"),
        ("PUT", "/locations/LSB-00693/NOPE/1"),
        ("PUT", "/locations/NOPE/E1/1"),
    ],
)
def test_an_unknown_location_evse_or_connector_is_not_found(
    cpo: OperatorApi, site: dict[str, Any], method: str, path: str
) -> None:
    """The parent alone may be missing. Source: LOC-02, LOC-13"""
    bodies = {
        "GET": None,
        "PATCH": {"mobie_note": "x"},
        "PUT": connector() if path.count("/") == 4 else evse("E1"),
    }

    assert cpo.call(method, path, bodies[method]).status == 404


def test_coordinates_keep_their_zeros_and_unknown_fields_stay(cpo: OperatorApi) -> None:
    """Source: LOC-19, TYP-14"""
    cpo.ask("PUT", "/locations/L1", location(mobie_cpe="PT0002"))

    text = cpo.call("GET", "/locations/L1").text

    assert '"latitude":"38.71000"' in text
    assert '"mobie_cpe":"PT0002"' in text


def test_ids_with_stars_and_slashes_are_read_back(cpo: OperatorApi) -> None:
    uid = "PT*ABC*E/1"
    cpo.ask("PUT", path_of("locations", "L 1"), location(evses=[evse(uid)]))

    assert cpo.ask("GET", path_of("locations", "L 1", uid, "1"))["id"] == "1"
    assert cpo.ask("PATCH", path_of("locations", "L 1", uid), {"status": "BLOCKED"})["uid"] == uid


def test_locations_are_listed_in_pages(cpo: OperatorApi) -> None:
    """Source: PAG-04, PAG-06, PAG-08, LOC-01"""
    for number in range(3):
        cpo.ask("PUT", f"/locations/L{number}", location())

    first = cpo.call("GET", "/locations?limit=2")

    assert [found["id"] for found in first.json] == ["L0", "L1"]
    assert first.json[0]["evses"][0]["connectors"][0]["id"] == "1"
    assert first.headers["X-Total-Count"] == "3"
    assert [found["id"] for found in cpo.all("/locations?limit=2")] == ["L0", "L1", "L2"]


def test_unpublished_locations_are_listed_too(cpo: OperatorApi) -> None:
    """Source: LOC-16"""
    cpo.ask("PUT", "/locations/HIDDEN", location(publish=False))

    assert [found["id"] for found in cpo.ask("GET", "/locations")] == ["HIDDEN"]
    assert cpo.ask("GET", "/locations/HIDDEN")["publish"] is False
