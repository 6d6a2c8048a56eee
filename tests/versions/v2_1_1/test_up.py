"""Conversion from 2.1.1: what a partner sends, in the canonical form.

One case for each row of the list of differences.

Source: V211-03 … V211-85
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.errors import InvalidParameters
from chalicelib.modules.cdrs.objects import Cdr
from chalicelib.modules.locations.objects import Location
from chalicelib.modules.sessions.objects import Session
from chalicelib.protocol.json_text import Document
from chalicelib.protocol.kinds import Kind
from chalicelib.protocol.message import Party
from chalicelib.protocol.types import OcpiObject
from chalicelib.reading.missing import Context
from chalicelib.reading.reader import read_document
from chalicelib.versions.v2_1_1.version import up
from chalicelib.versions.version import Known
from tests.versions.v2_1_1 import old
from tests.versions.v2_1_1.test_down import at

KNOWN = Known(owner=Party("PT", "EDP"), role="CPO")
TOKEN = {"uid": "0102A", "type": "RFID", "contract_id": old.AUTH_ID}
HOURS = {"regular_hours": [{"weekday": 1, "period_begin": "08:00", "period_end": "20:00"}]}

CASES: list[Any] = [
    # id, kind, document, path, expected
    ("V211-03 role", Kind.CREDENTIALS, old.credentials(), "roles/0/role", "CPO"),
    ("V211-03 party", Kind.CREDENTIALS, old.credentials(), "roles/0/party_id", "EDP"),
    ("V211-03 flat", Kind.CREDENTIALS, old.credentials(), "party_id", "absent"),
    ("V211-20 owner", Kind.LOCATION, old.location(), "country_code", "PT"),
    ("V211-20 named", Kind.LOCATION, old.location(party_id="XYZ"), "party_id", "XYZ"),
    ("V211-20 publish", Kind.LOCATION, old.location(), "publish", True),
    ("V211-21", Kind.LOCATION, old.location(), "parking_type", "ON_STREET"),
    ("V211-21 OTHER", Kind.LOCATION, old.location(type="OTHER"), "parking_type", "absent"),
    ("V211-25", Kind.LOCATION, old.location(opening_times=HOURS), "opening_times/twentyfourseven", False),
    ("V211-27 voltage", Kind.CONNECTOR, old.connector(), "max_voltage", 230),
    ("V211-27 amperage", Kind.LOCATION, old.location(), "evses/0/connectors/0/max_amperage", 32),
    ("V211-27 tariff", Kind.EVSE, old.evse(), "connectors/0/tariff_ids", ["T1"]),
    ("V211-33", Kind.TARIFF, old.tariff(), "energy_mix/environ_impact/0/category", "CARBON_DIOXIDE"),
    ("V211-40", Kind.SESSION, old.session(), "start_date_time", old.T0),
    ("V211-40 end", Kind.SESSION, old.session(), "end_date_time", old.T1),
    ("V211-41", Kind.SESSION, old.session(), "cdr_token", {"contract_id": old.AUTH_ID}),
    ("V211-42 location", Kind.SESSION, old.session(), "location_id", "L1"),
    ("V211-42 EVSE", Kind.SESSION, old.session(), "evse_uid", "E1"),
    ("V211-42 connector", Kind.SESSION, old.session(), "connector_id", "1"),
    ("V211-42 two", Kind.SESSION, old.session(location=old.location(evses=[old.evse(), old.evse(uid="E2")])),
     "evse_uid", "absent"),
    ("V211-44", Kind.SESSION, old.session(), "total_cost", {"excl_vat": Decimal("8.50")}),
    ("V211-50 end", Kind.CDR, old.cdr(), "end_date_time", old.T1),
    ("V211-50 token", Kind.CDR, old.cdr(), "cdr_token/contract_id", old.AUTH_ID),
    ("V211-50 id", Kind.CDR, old.cdr(), "cdr_location/id", "L1"),
    ("V211-50 EVSE", Kind.CDR, old.cdr(), "cdr_location/evse_id", "PT*EDP*E1"),
    ("V211-50 plug", Kind.CDR, old.cdr(), "cdr_location/connector_standard", "IEC_62196_T2"),
    ("V211-50 no EVSE", Kind.CDR, old.cdr(location=old.location(evses=[])), "cdr_location/evse_uid", "#NA"),
    ("V211-50 no plug", Kind.CDR, old.cdr(location=old.location(evses=[old.evse(connectors=[])])),
     "cdr_location/connector_id", "#NA"),
    ("V211-51", Kind.CDR, old.cdr(), "total_cost", {"excl_vat": Decimal("4.00")}),
    ("V211-54", Kind.CDR, old.cdr(), "charging_periods/0/dimensions/1/type", "FLAT"),
    ("V211-61", Kind.CDR, old.cdr(), "tariffs/0/party_id", "EDP"),
    ("V211-70", Kind.TOKEN, old.token(), "contract_id", old.AUTH_ID),
    ("V211-71", Kind.TOKEN, old.token(), "country_code", "PT"),
    ("V211-80", Kind.COMMAND_RESPONSE, {"result": "ACCEPTED"}, "timeout", 30),
    ("V211-80 TIMEOUT", Kind.COMMAND_RESPONSE, {"result": "TIMEOUT"}, "result", "REJECTED"),
    ("V211-81", Kind.COMMAND_RESULT, {"result": "UNKNOWN_SESSION"}, "result", "REJECTED"),
    ("V211-81 why", Kind.COMMAND_RESULT, {"result": "UNKNOWN_SESSION"}, "message/0/text", "UNKNOWN_SESSION"),
    ("V211-83", Kind.RESERVE_NOW, old.reserve_now(), "reservation_id", "7"),
    ("V211-85", Kind.START_SESSION, old.start_session(), "token/contract_id", old.AUTH_ID),
    ("V211-85 owner", Kind.START_SESSION, old.start_session(), "token/party_id", "EDP"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "document", "path", "expected"), [pytest.param(*case[1:], id=case[0]) for case in CASES]
)
def test_a_document_of_2_1_1_becomes_one_of_2_2_1(
    kind: Kind, document: Document, path: str, expected: Any
) -> None:
    assert at(up(kind, document, KNOWN), path) == expected


@pytest.mark.parametrize(
    ("kind", "model", "document"),
    [
        (Kind.LOCATION, Location, {**old.location(), "time_zone": None}),
        (Kind.SESSION, Session, old.session(location=old.location(evses=[]))),
        (Kind.SESSION, Session, old.session(total_cost="8.50")),
        (Kind.CDR, Cdr, old.cdr(location=old.location(evses=[old.evse(evse_id=None)]))),
        (Kind.CDR, Cdr, old.cdr(location=old.location(evses=[]))),
        (Kind.CDR, Cdr, old.cdr(tariffs=[
            old.tariff(elements=[{"price_components": [{"type": "TIME", "price": "2.00", "step_size": 300}]}])
        ])),
    ],
    ids=["V211-23", "V211-42", "V211-44", "V211-50", "V211-50 no EVSE", "V211-65"],
)  # fmt: skip
def test_reading_fills_the_gaps_that_the_conversion_leaves(
    kind: Kind, model: type[OcpiObject], document: Document
) -> None:
    fills = {f"cdr_token.{name}": value for name, value in {**TOKEN, **KNOWN.owner._asdict()}.items()}  # type: ignore[union-attr]

    reading = read_document(model, up(kind, document, KNOWN), Context(now=old.T2, fills=fills))

    assert reading.error is None


def test_a_patch_without_a_time_gets_that_of_its_arrival() -> None:
    """Source: V211-09"""
    known = Known(is_patch=True, now=dt.datetime(2026, 6, 1, tzinfo=dt.UTC))

    assert up(Kind.EVSE, {"status": "CHARGING"}, known) == {
        "status": "CHARGING",
        "last_updated": "2026-06-01T00:00:00Z",
    }
    assert up(Kind.EVSE, {"last_updated": old.T0}, known) == {"last_updated": old.T0}


@pytest.mark.parametrize(
    ("kind", "patch", "expected"),
    [
        (Kind.LOCATION, {"type": "ON_STREET"}, {"parking_type": "ON_STREET", "type": None}),
        (Kind.LOCATION, {"type": "OTHER"}, {"type": "OTHER", "parking_type": None}),
        (Kind.LOCATION, {"name": "Salitre"}, {"name": "Salitre"}),
        (Kind.CONNECTOR, {"tariff_id": "T2"}, {"tariff_ids": ["T2"]}),
        (Kind.CONNECTOR, {"tariff_id": None}, {"tariff_ids": None}),
        (Kind.SESSION, {"end_datetime": old.T1}, {"end_date_time": old.T1}),
        (Kind.SESSION, {"total_cost": 2}, {"total_cost": {"excl_vat": 2}}),
        (Kind.SESSION, {"auth_id": "C2"}, {"cdr_token": {"contract_id": "C2"}}),
        (Kind.TOKEN, {"auth_id": "C2"}, {"contract_id": "C2"}),
    ],
    ids=str,
)
def test_a_patch_has_only_its_own_fields(kind: Kind, patch: Document, expected: Document) -> None:
    """Source: X-06"""
    assert up(kind, patch, Known(is_patch=True, owner=KNOWN.owner)) == expected


@pytest.mark.parametrize(
    ("kind", "document", "known", "field"),
    [
        (Kind.CREDENTIALS, {"token": "t", "url": "u", "roles": []}, KNOWN, "roles"),
        (Kind.SESSION, {"location": {"evses": []}}, Known(is_patch=True), "location"),
        (Kind.CANCEL_RESERVATION, {"reservation_id": "1"}, KNOWN, "body"),
        (Kind.CHARGING_PREFERENCES, {"profile_type": "FAST"}, KNOWN, "body"),
    ],
    ids=["V211-03", "V211-42", "V211-82", "V211-47"],
)
def test_what_cannot_be_converted_is_refused_with_the_field(
    kind: Kind, document: Document, known: Known, field: str
) -> None:
    with pytest.raises(InvalidParameters) as refused:
        up(kind, document, known)

    assert refused.value.field == field


def test_the_answer_to_an_authorization_gets_the_token_that_was_asked_for() -> None:
    """Source: V211-74"""
    assert up(Kind.AUTHORIZATION_INFO, {"allowed": "ALLOWED"}, Known(token=TOKEN))["token"] == TOKEN
    assert up(Kind.AUTHORIZATION_INFO, {"allowed": "ALLOWED"}) == {"allowed": "ALLOWED"}


def test_without_a_known_owner_the_object_has_none() -> None:
    """Source: V211-20, V211-71"""
    assert "party_id" not in up(Kind.LOCATION, old.location())
    assert "role" not in up(Kind.CREDENTIALS, old.credentials())["roles"][0]
