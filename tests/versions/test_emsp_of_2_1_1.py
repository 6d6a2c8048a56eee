"""An eMSP of this node and a CPO that speaks exactly OCPI 2.1.1.

Source: OCPI 2.1.1; V211-05 … V211-86
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.protocol.json_text import read_json
from chalicelib.protocol.message import Party
from chalicelib.storage.keys import Ref
from tests.harness.nodes import PARTIES
from tests.reading.shapes import whole
from tests.versions.letter_of_2_1_1 import problems
from tests.versions.partner_of_2_1_1 import Connection, connected

CPO = Party("PT", "GLP")
EMSP = PARTIES["EMSP"]
"""The partner is the CPO PT/GLP, and the eMSP of this node PT/EVI."""

LOCATION = {
    "id": "L1", "type": "ON_STREET", "address": "Rua 1", "city": "Lisboa", "postal_code": "1250-096",
    "country": "PRT", "coordinates": {"latitude": "38.720000", "longitude": "-9.150000"},
    "time_zone": "Europe/Lisbon", "last_updated": "2026-03-01T10:00:00Z",
    "evses": [{
        "uid": "E1", "evse_id": "PT*GLP*E1", "status": "AVAILABLE", "last_updated": "2026-03-01T10:00:00Z",
        "connectors": [{
            "id": "1", "standard": "IEC_62196_T2", "format": "SOCKET", "power_type": "AC_3_PHASE",
            "voltage": 230, "amperage": 32, "tariff_id": "T1", "last_updated": "2026-03-01T10:00:00Z",
        }],
    }],
}  # fmt: skip
SESSION = {
    "id": "S1", "start_datetime": "2026-03-01T10:00:00Z", "kwh": 1.5, "auth_id": "PT-EVI-C1",
    "auth_method": "WHITELIST", "location": LOCATION, "currency": "EUR", "total_cost": 0.38,
    "status": "ACTIVE", "last_updated": "2026-03-01T10:30:00Z",
}  # fmt: skip
TARIFF = {
    "id": "T1", "currency": "EUR", "last_updated": "2026-03-01T10:00:00Z",
    "elements": [{"price_components": [{"type": "ENERGY", "price": 0.25, "step_size": 1}]}],
}  # fmt: skip
CDR = {
    "id": "C1", "start_date_time": "2026-03-01T10:00:00Z", "stop_date_time": "2026-03-01T11:00:00Z",
    "auth_id": "PT-EVI-C1", "auth_method": "WHITELIST", "location": LOCATION, "currency": "EUR",
    "charging_periods": [
        {"start_date_time": "2026-03-01T10:00:00Z", "dimensions": [{"type": "ENERGY", "volume": 1.5}]}
    ],
    "total_cost": 0.38, "total_energy": 1.5, "total_time": 1, "last_updated": "2026-03-01T11:00:00Z",
}  # fmt: skip


@pytest.fixture
def emsp() -> Iterator[Connection]:
    with connected("EMSP") as connection:
        yield connection


def put_token(emsp: Connection, uid: str = "012345", **fields: Any) -> Ref:
    """Store a token of this node, and push it."""
    owner = {"country_code": EMSP.country_code, "party_id": EMSP.party_id}
    return emsp.put("tokens", {**whole.token(), **owner, "uid": uid, "contract_id": "PT-EVI-C1", **fields})


def stored(emsp: Connection, module: str, name: str) -> dict[str, Any]:
    found = emsp.world.stored(Ref(module, *CPO, name))
    assert found is not None
    return found


def test_the_documents_of_these_tests_are_right_by_the_letter() -> None:
    kinds = {"Location": LOCATION, "Session": SESSION, "CDR": CDR, "Tariff": TARIFF}

    assert [problems(kind, document) for kind, document in kinds.items()] == [[]] * 4
    assert len(problems("Session", whole.session())) > 5


def test_the_owner_of_a_location_is_the_one_in_its_url(emsp: Connection) -> None:
    """Source: V211-06, V211-20, V211-21, V211-27"""
    answer = emsp.call("PUT", "/receiver/locations/PT/GLP/L1", LOCATION)

    assert answer.json["status_code"] == 1000
    assert not [name for name in answer.headers if name.lower().startswith("ocpi-")]
    location = stored(emsp, "locations", "L1")
    assert (location["party_id"], location["publish"], location["parking_type"]) == ("GLP", True, "ON_STREET")
    assert location["evses"][0]["connectors"][0]["tariff_ids"] == ["T1"]
    shown = emsp.call("GET", "/receiver/locations/PT/GLP/L1").json["data"]
    assert shown == read_json(json.dumps(LOCATION))


def test_a_location_without_a_time_zone_gets_the_nearest_of_its_country(emsp: Connection) -> None:
    """Source: V211-23"""
    places = {
        "DNV": ("39.739236", "-104.990251"),
        "HNL": ("21.306944", "-157.858333"),
        "NYC": ("40.71", "-74.0"),
    }
    for name, (latitude, longitude) in places.items():
        at = {"coordinates": {"latitude": latitude, "longitude": longitude}, "country": "USA"}
        sent = {field: value for field, value in LOCATION.items() if field != "time_zone"}
        emsp.call("PUT", f"/receiver/locations/PT/GLP/{name}", {**sent, "id": name, **at})

    zones = [stored(emsp, "locations", name)["time_zone"] for name in places]
    assert zones == ["America/Denver", "Pacific/Honolulu", "America/New_York"]


@pytest.mark.parametrize(
    ("path", "patch"),
    [
        ("/receiver/locations/PT/GLP/L1", {"type": "PARKING_LOT"}),
        ("/receiver/locations/PT/GLP/L1/E1", {"status": "CHARGING"}),
        ("/receiver/locations/PT/GLP/L1/E1/1", {"tariff_id": "T2", "voltage": 400}),
    ],
)
def test_a_patch_without_a_time_changes_a_location(
    emsp: Connection, path: str, patch: dict[str, Any]
) -> None:
    """Source: V211-09, V211-27"""
    emsp.call("PUT", "/receiver/locations/PT/GLP/L1", LOCATION)

    answer = emsp.call("PATCH", path, patch)

    assert answer.json["status_code"] == 1000
    shown = emsp.call("GET", path).json["data"]
    assert {name: shown[name] for name in patch} == patch
    assert shown["last_updated"] == "2026-03-01T12:00:00Z"


@pytest.mark.parametrize("path", ["/receiver/locations/PT/GLP/L1", "/receiver/locations/PT/GLP/L1/E1"])
def test_a_patch_without_a_time_follows_an_object_of_a_clock_that_is_ahead(
    emsp: Connection, path: str
) -> None:
    """Source: V211-09"""
    ahead = "2026-03-01T12:04:00Z"
    evse = {**LOCATION["evses"][0], "last_updated": ahead}
    emsp.call("PUT", "/receiver/locations/PT/GLP/L1", {**LOCATION, "last_updated": ahead, "evses": [evse]})

    emsp.call("PATCH", path, {"directions": [{"language": "en", "text": "left"}]})

    shown = emsp.call("GET", path).json["data"]
    assert (shown["last_updated"], shown["directions"][0]["text"]) == (ahead, "left")


def test_a_tariff_is_changed_by_patch_at_the_door_of_2_1_1_only(emsp: Connection) -> None:
    """Source: V211-60"""
    path = "/receiver/tariffs/PT/GLP/T1"
    emsp.call("PUT", path, TARIFF)
    headers = {"authorization": "Token raw-token-of-glp", "content-type": "application/json"}
    patch = '{"currency": "SEK", "last_updated": "2026-03-01T12:00:00Z"}'

    later = emsp.host.receive("PATCH", f"/ocpi/2.2.1{path}", headers, patch)
    unknown = emsp.call("PATCH", f"{path}0", {"currency": "SEK"})
    answer = emsp.call("PATCH", path, {"currency": "SEK"})

    assert (later.status, later.json["status_message"]) == (405, "PATCH is not offered here")
    assert (unknown.status, answer.json["status_code"]) == (404, 1000)
    tariff = stored(emsp, "tariffs", "T1")
    assert (tariff["currency"], tariff["last_updated"]) == ("SEK", "2026-03-01T12:00:00Z")


def test_a_token_is_pushed_in_the_words_of_2_1_1(emsp: Connection) -> None:
    """Source: V211-70, V211-71, V211-72"""
    put_token(emsp)
    put_token(emsp, "app", type="APP_USER")

    (request,) = emsp.requests("tokens")
    (body,) = emsp.bodies("tokens")
    assert request.path == "/tokens/PT/EVI/012345?type=RFID"
    assert (body["auth_id"], "contract_id" in body) == ("PT-EVI-C1", False)
    assert problems("Token", body) == []
    assert emsp.call("GET", "/sender/tokens").json["data"] == [body]


def test_the_card_of_a_session_is_found_by_its_contract(emsp: Connection) -> None:
    """Source: V211-40, V211-41, V211-42, V211-44"""
    put_token(emsp)

    answer = emsp.call("PUT", "/receiver/sessions/PT/GLP/S1", SESSION)

    assert answer.json["status_code"] == 1000
    session = stored(emsp, "sessions", "S1")
    assert session["cdr_token"] == {
        "country_code": "PT", "party_id": "EVI", "uid": "012345", "type": "RFID", "contract_id": "PT-EVI-C1",
    }  # fmt: skip
    assert [session[name] for name in ("location_id", "evse_uid", "connector_id")] == ["L1", "E1", "1"]
    assert session["total_cost"] == {"excl_vat": Decimal("0.38")}
    assert emsp.world.stored(Ref("locations", *CPO, "L1")) is None
    assert emsp.call("GET", "/receiver/sessions/PT/GLP/S1").json["data"] == read_json(json.dumps(SESSION))


@pytest.mark.parametrize(
    ("cards", "uid", "kind"),
    [
        ([], "PT-EVI-C1", "OTHER"),
        ([("A", "RFID"), ("B", "RFID")], "PT-EVI-C1", "OTHER"),
        ([("A", "RFID"), ("B", "OTHER")], "A", "RFID"),
        ([("B", "OTHER")], "B", "OTHER"),
    ],
)
def test_a_contract_with_several_cards_means_its_only_rfid_card(
    emsp: Connection, cards: list[tuple[str, str]], uid: str, kind: str
) -> None:
    """Otherwise the contract stands for the uid; the owner is this node's eMSP. Source: V211-41"""
    for each, token_type in cards:
        put_token(emsp, each, type=token_type)

    emsp.call("POST", "/receiver/cdrs", CDR)

    token = stored(emsp, "cdrs", "C1")["cdr_token"]
    assert (token["uid"], token["type"], token["party_id"]) == (uid, kind, "EVI")


def test_a_cdr_has_the_place_of_its_location(emsp: Connection) -> None:
    """The URL in the answer is one of 2.1.1. Source: V211-50, V211-51, V211-57"""
    answer = emsp.call("POST", "/receiver/cdrs", CDR)

    assert answer.headers["Location"] == "https://node.example/ocpi/2.1.1/receiver/cdrs/PT/GLP/C1"
    cdr = stored(emsp, "cdrs", "C1")
    assert (cdr["cdr_location"]["evse_id"], cdr["end_date_time"]) == ("PT*GLP*E1", "2026-03-01T11:00:00Z")
    shown = emsp.call("GET", "/receiver/cdrs/PT/GLP/C1").json["data"]
    assert shown == read_json(json.dumps(CDR))


def test_an_unknown_token_is_not_authorized_with_a_code_of_2_1_1(emsp: Connection) -> None:
    """Source: V211-11, V211-76"""
    answer = emsp.call("POST", "/sender/tokens/none/authorize")

    assert (answer.status, answer.json["status_code"]) == (404, 2000)


def test_an_authorization_is_answered_without_the_token(emsp: Connection) -> None:
    """Source: V211-74, V211-75"""
    put_token(emsp)

    asked = {"location_id": "L1", "evse_uids": ["E1"], "connector_ids": ["1"]}
    answer = emsp.call("POST", "/sender/tokens/012345/authorize", asked)

    data = answer.json["data"]
    assert data["allowed"] == "ALLOWED"
    assert problems("AuthorizationInfo", data) == []


ODD: tuple[Any, ...] = (None, [], "x", 5, {"a": None})


def odd_forms(document: Any) -> Iterator[Any]:
    """The document with each of its values, at any depth, replaced by each odd one."""
    if isinstance(document, dict):
        for name, value in document.items():
            yield {other: each for other, each in document.items() if other != name}
            yield from ({**document, name: each} for each in ODD)
            yield from ({**document, name: each} for each in odd_forms(value))
    elif isinstance(document, list) and document:
        yield from ([each, *document[1:]] for each in odd_forms(document[0]))


@pytest.mark.parametrize(
    ("method", "path", "document"),
    [
        ("PATCH", "/receiver/locations/PT/GLP/L1", LOCATION),
        ("PUT", "/receiver/sessions/PT/GLP/S1", SESSION),
        ("POST", "/receiver/cdrs", CDR),
        ("PATCH", "/receiver/tariffs/PT/GLP/T1", TARIFF),
        ("POST", "/sender/commands/START_SESSION/c1", {"result": "ACCEPTED"}),
        ("POST", "/sender/tokens/t1/authorize", {"location_id": "L1", "evse_uids": ["E1"]}),
        ("PUT", "/credentials", {"token": "t", "url": "u", "party_id": "GLP", "country_code": "PT"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_no_odd_document_is_an_error_of_this_node(
    emsp: Connection, method: str, path: str, document: dict[str, Any]
) -> None:
    if method == "PATCH":
        emsp.call("PUT", path, document)
    answers = [(form, emsp.call(method, path, form)) for form in (*ODD, *odd_forms(document))]

    assert [form for form, answer in answers if answer.json["status_code"] >= 3000] == []
