"""Invalid input on every route: answered with a status and a field, without a change, a 5xx or a secret.

Source: RFC 9457; LOC-15 … LOC-21, TAR-07, TRN-27, PAG-14, CRD-23
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.harness.account import aws
from tests.harness.nodes import make_network
from tests.operator_api.caller import KEY, OperatorApi
from tests.operator_api.objects import connector, evse, location, tariff
from tests.operator_api.test_partners import connect


def component(**fields: Any) -> dict[str, Any]:
    return tariff(elements=[{"price_components": [{"type": "ENERGY", "price": 1, "step_size": 1, **fields}]}])


def at(latitude: object, longitude: object) -> dict[str, Any]:
    return location(coordinates={"latitude": latitude, "longitude": longitude})


def without(document: dict[str, Any], name: str) -> dict[str, Any]:
    return {kept: value for kept, value in document.items() if kept != name}


@pytest.fixture(scope="module")
def api() -> Iterator[OperatorApi]:
    """A connected CPO with a tariff and a location; no test of this file may change its data."""
    with aws() as account:
        hosts = make_network(account, cpo="CPO", hub="HUB")
        api = OperatorApi(hosts["cpo"].node)
        connect(api, OperatorApi(hosts["hub"].node))
        api.ask("PUT", "/tariffs/T1", tariff())
        api.ask("PUT", "/locations/L1", location())
        yield api


def stored(api: OperatorApi) -> list[Any]:
    """All items of the table."""
    client = api.node.table._client
    items: list[Any] = client.scan(TableName=api.node.table.name)["Items"]
    return sorted(items, key=str)


PUT_TARIFF, PATCH_TARIFF = ("PUT", "/tariffs/T2"), ("PATCH", "/tariffs/T1")
PUT_LOCATION, PATCH_LOCATION = ("PUT", "/locations/L2"), ("PATCH", "/locations/L1")
PUT_EVSE, PATCH_EVSE = ("PUT", "/locations/L1/E2"), ("PATCH", "/locations/L1/E1")
PUT_CONNECTOR, PATCH_CONNECTOR = ("PUT", "/locations/L1/E1/2"), ("PATCH", "/locations/L1/E1/1")
INVITE, REGISTER = ("POST", "/partners/invitations"), ("POST", "/partners/registrations")
PATCH_PARTNER, RENEW = ("PATCH", "/partners/{partner}"), ("PUT", "/partners/{partner}/credentials")
RESERVE = ("POST", "/location-ids")
COMPONENT = "elements.0.price_components.0"
URL = {"name": "X", "versions_url": "https://example.com/versions"}

# Kind of mistake: (method, path), body, expected status, first field in `errors`.
Case = tuple[tuple[str, str], Any, int, str | None]
CASES: dict[str, Case] = {
    # invalid bodies
    "broken JSON": (PUT_TARIFF, '{"currency": "EUR"', 400, None),
    "nothing": (PUT_TARIFF, "", 400, None),
    "no JSON at all": (PATCH_TARIFF, "currency=EUR", 400, None),
    "a lone surrogate": (PUT_TARIFF, '{"currency": "\udcff"}', 400, None),
    "NaN": (PUT_TARIFF, '{"price": NaN}', 400, None),
    "nested too deep": (PUT_TARIFF, "[" * 100_000, 400, None),
    "a list": (PUT_TARIFF, [], 422, "body"),
    "a text": (PATCH_LOCATION, '"text"', 422, "body"),
    "null": (INVITE, "null", 422, "body"),
    # tariffs
    "a tariff without currency": (PUT_TARIFF, without(tariff(), "currency"), 422, "currency"),
    "a tariff without elements": (PUT_TARIFF, without(tariff(), "elements"), 422, "elements"),
    "a tariff of no elements": (PUT_TARIFF, tariff(elements=[]), 422, "elements"),
    "no components": (PUT_TARIFF, tariff(elements=[{"price_components": []}]), 422, COMPONENT[:-2]),
    "a price as text": (PUT_TARIFF, component(price="1"), 422, f"{COMPONENT}.price"),
    "a price as truth": (PUT_TARIFF, component(price=True), 422, f"{COMPONENT}.price"),
    "half a step": (PUT_TARIFF, component(step_size=Decimal("1.5")), 422, f"{COMPONENT}.step_size"),
    "an enum in small letters": (PUT_TARIFF, component(type="energy"), 422, f"{COMPONENT}.type"),
    "a currency of two letters": (PUT_TARIFF, tariff(currency="EU"), 422, "currency"),
    "another id in the body": (PUT_TARIFF, tariff(id="T3"), 422, "id"),
    "an id that is a number": (PUT_TARIFF, tariff(id=2), 422, "id"),
    "a party that is unknown": (PUT_TARIFF, tariff(party_id="NOT"), 422, "party_id"),
    "a time that is none": (PUT_TARIFF, tariff(last_updated="yesterday"), 422, "last_updated"),
    "a time with an offset": (PUT_TARIFF, tariff(last_updated="2026-01-01T00:00:00+01"), 422, "last_updated"),
    "a number for a time": (PUT_TARIFF, tariff(last_updated=5), 422, "last_updated"),
    "a tariff id that is too long": (("PUT", "/tariffs/" + "T" * 37), tariff(), 422, "tariff_id"),
    "a tariff id that is not ASCII": (("PUT", "/tariffs/%C3%9C"), tariff(), 422, "tariff_id"),
    "a tariff id as long as a key": (("GET", "/tariffs/" + "T" * 3000), None, 404, "tariff_id"),
    "a patch that takes a required field": (PATCH_TARIFF, {"currency": None}, 422, "currency"),
    "a patch of a wrong type": (PATCH_TARIFF, {"elements": "none"}, 422, "elements"),
    "a patch of the id": (PATCH_TARIFF, {"id": "T9"}, 422, "id"),
    "an unknown tariff to patch": (("PATCH", "/tariffs/T9"), {"currency": "NOK"}, 404, None),
    "an unknown tariff to delete": (("DELETE", "/tariffs/T9"), None, 404, None),
    "more than an item holds": (PUT_TARIFF, tariff(mobie_note="x" * 500_000), 422, None),
    # locations
    **{
        f"a location without {name}": (PUT_LOCATION, without(location(), name), 422, name)
        for name in ("publish", "address", "city", "country", "coordinates", "time_zone")
    },
    "coordinates as numbers": (PUT_LOCATION, at(38, "-9.13000"), 422, "coordinates.latitude"),
    "coordinates that are too coarse": (PUT_LOCATION, at("38.71000", "-9.1"), 422, "coordinates.longitude"),
    "coordinates off the globe": (PUT_LOCATION, at("91.00000", "-9.13000"), 422, "coordinates.latitude"),
    "a time zone that is none": (PUT_LOCATION, location(time_zone="Lisbon"), 422, "time_zone"),
    "a country of two letters": (PUT_LOCATION, location(country="PT"), 422, "country"),
    "publish as text": (PUT_LOCATION, location(publish="true"), 422, "publish"),
    "two EVSEs of one uid": (PUT_LOCATION, location(evses=[evse("E1"), evse("e1")]), 422, "evses"),
    "EVSEs that are no list": (PUT_LOCATION, location(evses={}), 422, "evses"),
    "an EVSE that is none": (PUT_LOCATION, location(evses=["E1"]), 422, "evses.0"),
    "an EVSE without uid": (PUT_LOCATION, location(evses=[without(evse(), "uid")]), 422, "evses.0.uid"),
    "an EVSE of an unknown location": (("PUT", "/locations/L9/E1"), evse(), 404, None),
    "an EVSE without status": (PUT_EVSE, without(evse("E2"), "status"), 422, "status"),
    "an EVSE without connectors": (PUT_EVSE, evse("E2", connectors=[]), 422, "connectors"),
    "another uid in the body": (PUT_EVSE, evse("E3"), 422, "uid"),
    "a uid that is a number": (PUT_EVSE, {**evse(), "uid": 2}, 422, "uid"),
    "a status in small letters": (PATCH_EVSE, {"status": "charging"}, 422, "status"),
    "a status that is null": (PATCH_EVSE, {"status": None}, 422, "status"),
    "a connector without standard": (PUT_CONNECTOR, without(connector(id="2"), "standard"), 422, "standard"),
    "half a volt": (PATCH_CONNECTOR, '{"max_voltage": 230.5}', 422, "max_voltage"),
    "a negative current": (PATCH_CONNECTOR, {"max_amperage": -1}, 422, "max_amperage"),
    "tariff ids that are no list": (PATCH_CONNECTOR, {"tariff_ids": "T1"}, 422, "tariff_ids"),
    "a connector of an unknown EVSE": (("PUT", "/locations/L1/E9/1"), connector(), 404, None),
    "a location id as long as a key": (("GET", "/locations/" + "L" * 3000 + "/E1"), None, 404, "location_id"),
    "an EVSE uid as long as a key": (("GET", "/locations/L1/" + "E" * 3000), None, 404, "evse_uid"),
    "a connector id as long as a key": (("PATCH", "/locations/L1/E1/" + "1" * 3000), {}, 422, "connector_id"),
    # lists
    **{
        f"{path} with {query}": (("GET", f"{path}?{query}"), None, 400, query.split("&")[-1].split("=")[0])
        for path in ("/tariffs", "/locations", "/partners", "/broadcasts")
        for query in (
            "limit=-1", "limit=0", "limit=abc", "limit=1.5", "limit=99999999999999999999",
            "offset=-1", "offset=x", "date_from=yesterday", "date_to=2026-13-01T00:00:00Z",
            "date_from=2026-02-01T00:00:00Z&date_to=2026-01-01T00:00:00Z",
        )
    },
    "a party that cannot be one": (("GET", "/tariffs/T1?party=ABC"), None, 400, "party"),
    # partners
    "an invitation without name": (INVITE, {}, 422, "name"),
    "an empty name": (INVITE, {"name": ""}, 422, "name"),
    "a number for a name": (INVITE, {"name": 5}, 422, "name"),
    "a name that is too long": (INVITE, {"name": "x" * 101}, 422, "name"),
    "an unknown encoding": (INVITE, {"name": "X", "token_encoding": "hex"}, 422, "token_encoding"),
    "an unknown profile": (INVITE, {"name": "X", "profiles": ["ptmob", "mobie"]}, 422, "profiles.1"),
    "a strictness that is a text": (INVITE, {"name": "X", "strict": "true"}, 422, "strict"),
    "an unknown field": (INVITE, {"name": "X", "role": "HUB"}, 422, "role"),
    "a registration without a token": (REGISTER, URL, 422, "token"),
    "a token with a space": (REGISTER, {**URL, "token": "se cret"}, 422, "token"),
    "a token that is too long": (REGISTER, {**URL, "token": "x" * 65}, 422, "token"),
    "a registration without a URL": (REGISTER, {"name": "X", "token": "t"}, 422, "versions_url"),
    "a URL that is none": (REGISTER, {**URL, "versions_url": "example", "token": "t"}, 422, "versions_url"),
    "a partner's name that is null": (PATCH_PARTNER, {"name": None}, 422, "name"),
    "a partner's status": (PATCH_PARTNER, {"status": "REGISTERED"}, 422, "status"),
    "profiles that are a text": (PATCH_PARTNER, {"profiles": "ptmob"}, 422, "profiles"),
    "credentials with a token": (RENEW, {"token": "mine"}, 422, "token"),
    "an unknown partner": (("GET", "/partners/nobody"), None, 404, None),
    # location ids
    "an id for another party": (RESERVE, {"party_id": "NOT"}, 422, "party_id"),
    "an id for a list": (RESERVE, [], 422, "body"),
    "a location id without a hub that assigns ids": (RESERVE, {}, 409, None),
}  # fmt: skip


@pytest.mark.parametrize(("route", "body", "status", "field"), CASES.values(), ids=CASES.keys())
def test_invalid_input_is_answered_with_its_field_and_changes_nothing(
    api: OperatorApi, route: tuple[str, str], body: Any, status: int, field: str | None
) -> None:
    method, path = route
    partner_id = api.node.directory.all()[0].id
    before = stored(api)

    answer = api.call(method, path.replace("{partner}", partner_id), body)

    assert answer.status == status, answer.text
    problem = answer.json
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (problem["status"], bool(problem["title"]), bool(problem["detail"])) == (status, True, True)
    if field is not None:
        assert problem["errors"][0]["field"] == field
    assert stored(api) == before
    assert KEY not in answer.text
    assert "Traceback" not in answer.text
    if isinstance(body, dict) and len(str(body.get("token", ""))) > 3:
        assert body["token"] not in answer.text


def test_a_field_of_the_body_has_a_pointer(api: OperatorApi) -> None:
    answer = api.call("PUT", "/tariffs/T2", component(price="1"))

    assert answer.json["errors"][0]["pointer"] == "#/elements/0/price_components/0/price"


def test_one_answer_names_all_invalid_fields(api: OperatorApi) -> None:
    answer = api.call("PUT", "/locations/L2", without(without(location(), "city"), "address"))

    assert {error["field"] for error in answer.json["errors"]} == {"city", "address"}
