"""Conversion to 2.1.1: what is sent in place of a field or value, what is left out, and what is held.

One case for each row of the list of differences.

Source: V211-11 … V211-85, X-04
"""

from __future__ import annotations

import datetime as dt
from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.protocol.json_text import Document
from chalicelib.protocol.kinds import Kind
from chalicelib.protocol.message import Party
from chalicelib.versions.v2_1_1.version import down, status_code
from chalicelib.versions.version import Converted, Known
from tests.modules.builders import component, element
from tests.modules.sessions.builders import period
from tests.reading.shapes import whole
from tests.versions.v2_1_1 import old

NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
REGULAR = {**whole.tariff(), "start_date_time": None, "end_date_time": None}
STORED = {
    ("locations", "L1"): whole.location(),
    ("tariffs", "T1"): REGULAR,
    ("tariffs", "ADHOC"): {**REGULAR, "type": "AD_HOC_PAYMENT"},
    ("tariffs", "LATER"): {**REGULAR, "start_date_time": "2027-01-01T00:00:00Z"},
}


def find(module: str, owner: Party, object_id: str) -> Document | None:
    """The objects of PT/EDP that a node stores."""
    assert owner == Party("PT", "EDP")
    return STORED.get((module, object_id))


KNOWN = Known(now=NOW, find=find, owner=Party("PT", "EDP"))


def at(document: Any, path: str) -> Any:
    """The value at a path such as `evses/0/uid`; `absent` where there is none."""
    for step in path.split("/"):
        if isinstance(document, list):
            document = document[int(step)] if int(step) < len(document) else "absent"
        else:
            document = document.get(step, "absent")
        if document == "absent":
            break
    return document


def location(**fields: Any) -> Document:
    """A location that 2.1.1 can express, but for the fields."""
    kept = {name: value for name, value in whole.location().items() if name not in ("state", "evses")}
    return {**kept, "coordinates": dict(old.POINT), "related_locations": None, "evses": [], **fields}


def evse(**fields: Any) -> Document:
    """An EVSE that 2.1.1 can express, but for the fields."""
    return {**whole.evse(), "coordinates": dict(old.POINT), "connectors": [connector()], **fields}


def connector(**fields: Any) -> Document:
    """A connector that 2.1.1 can express, but for the fields."""
    kept = {name: value for name, value in whole.connector().items() if name != "max_electric_power"}
    return {**kept, **fields}


def tariff(**fields: Any) -> Document:
    """A tariff that 2.1.1 can express, but for the fields."""
    kept = {
        name: value
        for name, value in REGULAR.items()
        if name not in ("type", "min_price", "max_price", "start_date_time", "end_date_time")
    }
    return {**kept, "elements": [element()], **fields}


def token(**fields: Any) -> Document:
    """A token that 2.1.1 can express, but for the fields."""
    lost = ("group_id", "default_profile_type", "energy_contract")
    return {**{name: value for name, value in whole.token().items() if name not in lost}, **fields}


def session(**fields: Any) -> Document:
    """A session of which 2.1.1 loses only the card, but for the fields."""
    kept = {name: value for name, value in whole.session().items() if name != "authorization_reference"}
    return {**kept, "total_cost": None, "charging_periods": [period()], **fields}


CARD = ["/cdr_token/uid", "/cdr_token/type"]
COMMAND = {"response_url": "https://emsp.example/1", "token": token(), "location_id": "L1"}

SENT: list[Any] = [
    # id, kind, document, path, expected, losses
    ("V211-12 fraction", Kind.LOCATION, location(last_updated="2026-03-01T08:00:00.999Z"), "last_updated",
     "2026-03-01T08:00:00Z", []),
    ("V211-12 inside", Kind.EVSE, evse(connectors=[connector(last_updated="2026-03-01T08:00:00.5")]),
     "connectors/0/last_updated", "2026-03-01T08:00:00", []),
    ("V211-20 owner", Kind.LOCATION, location(), "country_code", "absent", []),
    ("V211-20 publish", Kind.LOCATION, location(), "publish", "absent", []),
    ("V211-20 state", Kind.LOCATION, location(state="Lisboa"), "state", "absent", ["/state"]),
    ("V211-21 same", Kind.LOCATION, location(parking_type="PARKING_LOT"), "type", "PARKING_LOT", []),
    ("V211-21 absent", Kind.LOCATION, location(parking_type=None), "type", "UNKNOWN", []),
    ("V211-21 new", Kind.LOCATION, location(parking_type="ON_DRIVEWAY"), "type", "OTHER", ["/parking_type"]),
    ("V211-22", Kind.LOCATION, location(postal_code=None), "postal_code", "", ["/postal_code"]),
    ("V211-24", Kind.LOCATION, location(address="A" * 60), "address", "A" * 45, ["/address"]),
    ("V211-25", Kind.LOCATION, location(), "opening_times/twentyfourseven", "absent", []),
    ("V211-25 always", Kind.LOCATION, location(opening_times={"twentyfourseven": True}),
     "opening_times/twentyfourseven", True, []),
    ("V211-26 five", Kind.LOCATION, location(coordinates={"latitude": "38.72000", "longitude": "-9.15"}),
     "coordinates/latitude", "38.720000", []),
    ("V211-26 seven", Kind.EVSE, evse(coordinates={"latitude": "38.7200016", "longitude": "-9.1500000"}),
     "coordinates/latitude", "38.720002", ["/coordinates/latitude"]),
    ("V211-26 related", Kind.LOCATION, location(related_locations=[{"latitude": "1.00000"}]),
     "related_locations/0/latitude", "1.000000", []),
    ("V211-27 voltage", Kind.CONNECTOR, connector(), "voltage", 230, []),
    ("V211-27 amperage", Kind.CONNECTOR, connector(), "max_amperage", "absent", []),
    ("V211-27 power", Kind.CONNECTOR, connector(max_electric_power=22000), "max_electric_power", "absent",
     ["/max_electric_power"]),
    ("V211-27 tariff", Kind.CONNECTOR, connector(tariff_ids=["ADHOC", "LATER", "T1", "X"]), "tariff_id", "T1",
     ["/tariff_ids/0", "/tariff_ids/1", "/tariff_ids/3"]),
    ("V211-27 unknown", Kind.CONNECTOR, connector(tariff_ids=["ADHOC", "X", "Y"]), "tariff_id", "X",
     ["/tariff_ids/0", "/tariff_ids/2"]),
    ("V211-27 held", Kind.CONNECTOR, connector(tariff_ids=["ADHOC"]), "tariff_id", "absent",
     ["/tariff_ids/0"]),
    ("V211-27 none", Kind.CONNECTOR, connector(tariff_ids=[]), "tariff_id", "absent", []),
    ("V211-29", Kind.EVSE, evse(capabilities=["RFID_READER", "TOKEN_GROUP_CAPABLE"]), "capabilities",
     ["RFID_READER"], ["/capabilities/1"]),
    ("V211-30", Kind.EVSE, evse(connectors=[connector(standard="PANTOGRAPH_TOP_DOWN"), connector()]),
     "connectors/1", "absent", ["/connectors/0"]),
    ("V211-30 location", Kind.LOCATION, location(evses=[evse(connectors=[connector(standard="GBT_DC")])]),
     "evses/0", "absent", ["/evses/0/connectors/0", "/evses/0"]),
    ("V211-31", Kind.CONNECTOR, connector(power_type="AC_2_PHASE"), "power_type", "AC_1_PHASE",
     ["/power_type"]),
    ("V211-32", Kind.LOCATION, location(facilities=["TRAM_STOP", "WIFI"]), "facilities", ["WIFI"],
     ["/facilities/0"]),
    ("V211-33", Kind.LOCATION, location(), "energy_mix/environ_impact/0/source", "CARBON_DIOXIDE", []),
    ("V211-33 sources", Kind.LOCATION, location(), "energy_mix/energy_sources/0/source", "SOLAR", []),
    ("V211-36", Kind.EVSE, evse(parking_restrictions=["EV_ONLY", "TAXIS"]), "parking_restrictions",
     ["EV_ONLY"], ["/parking_restrictions/1"]),
    ("V211-40", Kind.SESSION, session(), "start_datetime", old.T0, CARD),
    ("V211-40 end", Kind.SESSION, session(), "end_date_time", "absent", CARD),
    ("V211-41", Kind.SESSION, session(), "auth_id", "PT-GLP-C1", CARD),
    ("V211-42 location", Kind.SESSION, session(), "location/address", "Rua do Salitre 1", CARD),
    ("V211-42 connector", Kind.SESSION, session(), "location/evses/0/connectors/0/voltage", 230, CARD),
    ("V211-55 tariff", Kind.SESSION, session(charging_periods=[period(tariff_id="ADHOC")]),
     "location/evses/0/connectors/0/tariff_id", "ADHOC", [*CARD, "/charging_periods/0/tariff_id"]),
    ("V211-42 ids", Kind.SESSION, session(), "evse_uid", "absent", CARD),
    ("V211-42 not there", Kind.SESSION, session(evse_uid="E9"), "location/evses", "absent",
     ["/evse_uid", *CARD]),
    ("V211-16", Kind.SESSION, session(evse_uid="#NA", connector_id="#NA"), "location/evses", "absent", CARD),
    ("V211-16 connector", Kind.SESSION, session(connector_id="#NA"), "location/evses/0/connectors/0/id", "1",
     CARD),
    ("V211-43", Kind.SESSION, session(authorization_reference="A"), "authorization_reference", "absent",
     ["/authorization_reference", *CARD]),
    ("V211-44", Kind.SESSION, session(total_cost={"excl_vat": Decimal("3.130"), "incl_vat": 4}), "total_cost",
     Decimal("3.130"), [*CARD, "/total_cost/incl_vat"]),
    ("V211-45", Kind.SESSION, session(status="RESERVATION"), "status", "PENDING", [*CARD, "/status"]),
    ("V211-54", Kind.SESSION, session(charging_periods=[
        {"start_date_time": old.T0, "dimensions": [{"type": "POWER", "volume": 1}]}, period()]),
     "charging_periods", [period()], [*CARD, "/charging_periods/0/dimensions/0"]),
    ("V211-55", Kind.SESSION, session(charging_periods=[period(tariff_id="T1")]), "charging_periods",
     [period()], [*CARD, "/charging_periods/0/tariff_id"]),
    ("V211-56", Kind.SESSION, session(auth_method="COMMAND"), "auth_method", "AUTH_REQUEST",
     [*CARD, "/auth_method"]),
    ("V211-61 regular", Kind.TARIFF, tariff(type="REGULAR"), "type", "absent", ["/type"]),
    ("V211-61 limits", Kind.TARIFF, tariff(min_price={"excl_vat": Decimal("0.50")}), "tariff_alt_text/1/text",
     "At least 0.50 EUR per session, excl. VAT.", ["/min_price"]),
    ("V211-61 dates", Kind.TARIFF, tariff(start_date_time="2026-01-01T00:00:00Z"), "start_date_time",
     "absent", ["/start_date_time"]),
    ("V23-16", Kind.TARIFF, tariff(tax_included="YES", elements=[element(component(price=125, vat=25))]),
     "elements/0/price_components/0/price", Decimal("100.0000"), ["/elements/0/price_components/0/vat"]),
    ("V23-16 no", Kind.TARIFF, tariff(tax_included="NO"), "tax_included", "absent", ["/tax_included"]),
    ("V23-22", Kind.EVSE, evse(parking=[]), "parking", "absent", ["/parking"]),
    ("V23-24", Kind.CONNECTOR, connector(capabilities=["ISO_15118_2_PLUG_AND_CHARGE"]), "capabilities",
     "absent", ["/capabilities"]),
    ("V211-62", Kind.TARIFF, tariff(elements=[element(component(vat=23))]), "elements",
     [element(component())], ["/elements/0/price_components/0/vat"]),
    ("V211-63", Kind.TARIFF, tariff(elements=[
        element(component("FLAT"), restrictions={"reservation": "RESERVATION"}), element()]),
     "elements", [element()], ["/elements/0"]),
    ("V211-70", Kind.TOKEN, token(), "auth_id", "PT-GLP-C12345678-X", []),
    ("V211-71", Kind.TOKEN, whole.token(), "group_id", "absent",
     ["/group_id", "/default_profile_type", "/energy_contract"]),
    ("V211-74", Kind.AUTHORIZATION_INFO,
     {"allowed": "ALLOWED", "token": token(), "authorization_reference": "A"}, "token", "absent",
     ["/authorization_reference"]),
    ("V211-80", Kind.COMMAND_RESPONSE, {"result": "ACCEPTED", "timeout": 30, "message": []}, "timeout",
     "absent", ["/message"]),
    ("V211-81", Kind.COMMAND_RESULT, {"result": "EVSE_OCCUPIED"}, "result", "REJECTED", ["/result"]),
    ("V211-81 timeout", Kind.COMMAND_RESULT, {"result": "TIMEOUT"}, "result", "TIMEOUT", []),
    ("V211-83 number", Kind.RESERVE_NOW, {**COMMAND, "reservation_id": "17"}, "reservation_id", 17, []),
    ("V211-83 text", Kind.RESERVE_NOW, {**COMMAND, "reservation_id": "r-17"}, "reservation_id", 841652897,
     []),
    ("V211-84", Kind.START_SESSION, {**COMMAND, "connector_id": "1", "authorization_reference": "A"},
     "connector_id", "absent", ["/connector_id", "/authorization_reference"]),
    ("V211-72 V211-85", Kind.START_SESSION, {**COMMAND, "token": token(type="APP_USER")}, "token/type",
     "OTHER", ["/token/type"]),
    ("V211-85", Kind.START_SESSION, COMMAND, "token/auth_id", "PT-GLP-C12345678-X", []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "document", "path", "expected", "losses"),
    [pytest.param(*case[1:], id=case[0]) for case in SENT],
)
def test_a_partner_is_sent_what_2_1_1_has(
    kind: Kind, document: Document, path: str, expected: Any, losses: list[str]
) -> None:
    before = deepcopy(document)

    converted = down(kind, document, KNOWN)

    assert not converted.held
    assert at(converted.document, path) == expected
    assert document == before
    assert [loss.pointer for loss in converted.losses] == losses


CURRENT = tariff(elements=[element(restrictions={"max_current": 16})])
HELD: list[Any] = [
    ("V211-20", Kind.LOCATION, location(publish=False), "not published", ""),
    ("V211-30", Kind.EVSE, evse(connectors=[connector(standard="CHAOJI")]), "none of its connectors", ""),
    ("V211-30 alone", Kind.CONNECTOR, connector(standard="CHAOJI"), "none of its connectors", ""),
    ("V211-42", Kind.SESSION, session(location_id="L9"), "not known here", ""),
    ("V211-47", Kind.CHARGING_PREFERENCES, {"profile_type": "FAST"}, "no ChargingPreferences", ""),
    ("V211-52", Kind.CDR, {**whole.cdr(), "credit": True, "credit_reference_id": "C0"}, "no credit CDRs", ""),
    ("V211-54", Kind.CDR, {**whole.cdr(), "charging_periods": [
        {"start_date_time": old.T0, "dimensions": [{"type": "RESERVATION_TIME", "volume": 1}]}]},
     "none of the quantities", ""),
    ("V211-61 type", Kind.TARIFF, tariff(type="PROFILE_CHEAP"), "no type PROFILE_CHEAP", ""),
    ("V211-61 start", Kind.TARIFF, tariff(start_date_time="2026-06-01T00:00:01Z"), "no start",
     "2026-06-01T00:00:01Z"),
    ("V211-61 end", Kind.TARIFF, tariff(end_date_time="2026-06-01T00:00:00Z"), "no longer valid", ""),
    ("V211-63 current", Kind.TARIFF, CURRENT, "max_current", ""),
    ("V211-63 reservation", Kind.TARIFF, tariff(elements=[
        element(component("FLAT"), restrictions={"reservation": "RESERVATION"})]), "no prices of reserv", ""),
    ("X-13 restriction", Kind.TARIFF, tariff(elements=[element(restrictions={"min_vehicle_soc": 80})]),
     "min_vehicle_soc", ""),
    ("X-13 dimension", Kind.TARIFF, tariff(elements=[element(component("CONGESTION_TIME"))]),
     "CONGESTION_TIME", ""),
    ("X-04 gross", Kind.TARIFF, tariff(tax_included="YES"), "how much of them is VAT", ""),
    ("V211-72", Kind.TOKEN, token(type="APP_USER"), "APP_USER", ""),
    ("V23-30", Kind.TOKEN, token(type="EMAID"), "no tokens of this type", ""),
    ("V211-82", Kind.CANCEL_RESERVATION, {"reservation_id": "1"}, "no CancelReservation", ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "document", "reason", "until"), [pytest.param(*case[1:], id=case[0]) for case in HELD]
)
def test_what_would_mislead_or_cannot_be_expressed_is_held(
    kind: Kind, document: Document, reason: str, until: str
) -> None:
    converted = down(kind, document, KNOWN)

    assert converted == Converted({}, held=converted.held, held_until=until)
    assert reason in converted.held


def test_a_cdr_that_replaces_a_credited_one_is_held() -> None:
    """Source: V211-52"""
    known = Known(find=find, is_replacement=lambda cdr: cdr["id"] == "C1")

    assert "paid twice" in down(Kind.CDR, whole.cdr(), known).held
    assert not down(Kind.CDR, {**whole.cdr(), "id": "C2"}, known).held


def test_a_cdr_has_the_stored_location_with_what_it_was_at_the_time() -> None:
    """Source: V211-50, V211-51, V211-52"""
    place = {**whole.cdr()["cdr_location"], "address": "Rua Velha 1", "connector_power_type": "AC_2_PHASE"}

    converted = down(Kind.CDR, {**whole.cdr(), "cdr_location": place}, KNOWN)

    cdr = converted.document
    [evse] = cdr["location"]["evses"]
    [plug] = evse["connectors"]
    assert (cdr["stop_date_time"], cdr["auth_id"], cdr["total_cost"]) == (
        old.T1,
        "PT-GLP-C1",
        Decimal("3.13"),
    )
    assert (cdr["location"]["address"], cdr["location"]["type"]) == ("Rua Velha 1", "ON_STREET")
    assert (evse["uid"], evse["evse_id"], evse["status"]) == ("E1", "PT*EDP*E1", "AVAILABLE")
    assert (plug["standard"], plug["power_type"], plug["voltage"]) == ("IEC_62196_T2", "AC_1_PHASE", 230)
    assert "cdr_location" not in cdr
    assert [loss.pointer for loss in converted.losses] == [
        "/cdr_location/state",
        "/cdr_location/connector_power_type",
        "/session_id",
        "/authorization_reference",
        "/signed_data",
        "/total_energy_cost",
        "/total_time_cost",
        "/invoice_reference_id",
        "/cdr_token/uid",
        "/cdr_token/type",
        "/charging_periods/0/tariff_id",
        "/tariffs/0/type",
        "/tariffs/0/min_price",
        "/tariffs/0/max_price",
        "/tariffs/0/start_date_time",
        "/tariffs/0/end_date_time",
        "/tariffs/0/elements/0/price_components/0/vat",
        "/total_cost/incl_vat",
    ]


def test_a_cdr_of_a_location_that_is_not_known_is_sent_with_its_own_fields() -> None:
    """Source: V211-50"""
    converted = down(Kind.CDR, whole.cdr())

    location = converted.document["location"]
    assert (location["type"], location["last_updated"]) == ("UNKNOWN", old.T2)
    assert location["evses"][0]["connectors"][0]["standard"] == "IEC_62196_T2"
    assert "/cdr_location/connector_id" in [loss.pointer for loss in converted.losses]


def test_a_tariff_that_2_1_1_cannot_express_is_left_out_of_its_cdr() -> None:
    """Source: V211-63"""
    adhoc = tariff(type="AD_HOC_PAYMENT", end_date_time="2026-03-02T00:00:00Z")

    converted = down(Kind.CDR, {**whole.cdr(), "tariffs": [CURRENT, adhoc]}, KNOWN)

    assert [each["elements"] for each in converted.document["tariffs"]] == [[element()]]
    assert "/tariffs/0" in [loss.pointer for loss in converted.losses]


def test_a_session_at_a_location_that_is_not_published_has_it_all_the_same() -> None:
    """Source: V211-42"""
    hidden = {**whole.location(), "publish": False, "publish_allowed_to": [{"uid": "1", "type": "RFID"}]}

    converted = down(Kind.SESSION, session(), Known(find=lambda *names: hidden))

    assert converted.document["location"]["id"] == "L1"
    assert "publish_allowed_to" not in converted.document["location"]


def test_a_connector_that_2_1_1_does_not_have_stays_in_its_session() -> None:
    """Source: V211-30, V211-42"""
    plug = {**whole.connector(), "standard": "CHAOJI"}
    stored = {**whole.location(), "evses": [{**whole.evse(), "connectors": [plug]}]}

    converted = down(Kind.SESSION, session(), Known(find=lambda *names: stored))

    assert converted.document["location"]["evses"][0]["connectors"][0]["standard"] == "CHAOJI"
    assert [loss.pointer for loss in converted.losses] == ["/connector_id", *CARD]


def test_without_the_time_a_tariff_with_a_date_is_held() -> None:
    """Source: V211-61"""
    assert down(Kind.TARIFF, tariff(end_date_time="2099-01-01T00:00:00Z")).held
    assert not down(Kind.TARIFF, tariff()).held


def test_a_reservation_has_the_same_number_whenever_it_is_sent() -> None:
    """Source: V211-83"""
    numbers = [
        down(Kind.RESERVE_NOW, {**COMMAND, "reservation_id": each}).document["reservation_id"]
        for each in ("r-17", "R-17", "r-18", "99999999999", "007")
    ]

    assert numbers[0] == numbers[1]
    assert len(set(numbers)) == 4
    assert all(0 <= number < 2**31 for number in numbers)


@pytest.mark.parametrize(
    ("kind", "patch", "outcome"),
    [
        (Kind.LOCATION, {"name": "Salitre"}, {"name": "Salitre"}),
        (Kind.LOCATION, {"publish": False}, "held"),
        (Kind.LOCATION, {"publish": True}, "whole"),
        (Kind.LOCATION, {"parking_type": None}, {"type": "UNKNOWN"}),
        (Kind.LOCATION, {"postal_code": None}, {"postal_code": ""}),
        (Kind.EVSE, {"status": "CHARGING"}, {"status": "CHARGING"}),
        (Kind.CONNECTOR, {"tariff_ids": None}, {"tariff_id": None}),
        (Kind.SESSION, {"kwh": 1}, {"kwh": 1}),
        (Kind.SESSION, {"total_cost": {"excl_vat": 2}}, {"total_cost": 2}),
        (Kind.SESSION, {"evse_uid": "E2", "connector_id": "1"}, "whole"),
        (Kind.SESSION, {"charging_periods": []}, "whole"),
        (Kind.TARIFF, {"currency": "EUR"}, {"currency": "EUR"}),
        (Kind.TARIFF, {"end_date_time": None}, "whole"),
        (Kind.TARIFF, {"type": "PROFILE_FAST"}, "held"),
        (Kind.TOKEN, {"valid": False}, {"valid": False}),
        (Kind.TOKEN, {"type": "RFID"}, "whole"),
    ],
    ids=str,
)
def test_a_patch_is_converted_field_by_field_or_needs_the_whole_object(
    kind: Kind, patch: Document, outcome: Document | str
) -> None:
    """Source: X-06, V211-46"""
    converted = down(kind, patch, Known(is_patch=True, now=NOW))

    is_sent = not (converted.held or converted.whole_needed)
    assert (converted.document if is_sent else "held" if converted.held else "whole") == outcome


@pytest.mark.parametrize(
    ("code", "expected"),
    [(1000, 1000), (2001, 2001), (2003, 2003), (2004, 2000), (2901, 2000), (3003, 3003), (3901, 3000)]
    + [(4000, 3000), (4003, 3000), (1901, 1000)],
)
def test_a_status_code_that_2_1_1_does_not_have_becomes_a_general_one(code: int, expected: int) -> None:
    """Source: V211-11, V211-76"""
    assert status_code(code) == expected


def test_our_party_of_the_opposite_role_is_in_the_credentials() -> None:
    """Source: V211-03"""
    roles = [
        {"role": role, "party_id": party, "country_code": "PT", "business_details": {"name": party}}
        for role, party in (("CPO", "EDP"), ("EMSP", "GLP"))
    ]

    converted = down(Kind.CREDENTIALS, {"token": "t", "url": "u", "roles": roles}, Known(role="CPO"))

    details = {"party_id": "GLP", "country_code": "PT", "business_details": {"name": "GLP"}}
    assert converted.document == {"token": "t", "url": "u", **details}
    assert [loss.pointer for loss in converted.losses] == ["/roles/0"]
