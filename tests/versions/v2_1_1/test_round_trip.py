"""The way there and back: an object of 2.1.1 comes back as it was, and is valid here in between.

Source: V211-11 … V211-85, X-06
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.errors import InvalidParameters
from chalicelib.modules.cdrs.objects import Cdr
from chalicelib.modules.commands.objects import ReserveNow, StartSession
from chalicelib.modules.locations.objects import Connector, Evse, Location
from chalicelib.modules.sessions.objects import Session
from chalicelib.modules.tariffs.objects import Tariff
from chalicelib.modules.tokens.objects import Token
from chalicelib.protocol.json_text import Document, write_json
from chalicelib.protocol.kinds import Kind
from chalicelib.protocol.message import Party
from chalicelib.protocol.types import OcpiObject, validate
from chalicelib.versions.v2_1_1.locations import STANDARDS
from chalicelib.versions.v2_1_1.version import down, up
from chalicelib.versions.version import Converted, Known
from tests.versions.v2_1_1 import old

KNOWN = Known(owner=Party("PT", "EDP"), role="CPO")
CARD = {"country_code": "PT", "party_id": "GLP", "uid": "0102A", "type": "RFID"}

WHOLE: dict[str, tuple[Kind, Document, type[OcpiObject]]] = {
    "location": (Kind.LOCATION, old.location(), Location),
    "evse": (Kind.EVSE, old.evse(), Evse),
    "connector": (Kind.CONNECTOR, old.connector(), Connector),
    "tariff": (Kind.TARIFF, old.tariff(), Tariff),
    "token": (Kind.TOKEN, old.token(), Token),
    "session": (Kind.SESSION, old.session(), Session),
    "cdr": (Kind.CDR, old.cdr(), Cdr),
    "start session": (Kind.START_SESSION, old.start_session(), StartSession),
    "reserve now": (Kind.RESERVE_NOW, old.reserve_now(), ReserveNow),
}


def assert_same(converted: Converted, document: Document) -> None:
    """The conversion lost nothing, and its text has the same bytes."""
    assert converted._replace(text=None) == Converted(document)
    assert write_json(converted.document) == write_json(document)


def with_card(document: Document) -> Document:
    """The document with the card that reading finds for the contract."""
    token = document.get("cdr_token")
    return {**document, "cdr_token": {**CARD, **token}} if isinstance(token, dict) else document


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_object_is_valid_here_and_comes_back_as_it_was(name: str) -> None:
    kind, document, model = WHOLE[name]

    canonical = up(kind, document, KNOWN)
    validate(model, with_card(canonical))

    assert_same(down(kind, canonical, KNOWN), document)


@pytest.mark.parametrize("name", WHOLE)
def test_a_conversion_does_not_change_what_it_converts(name: str) -> None:
    kind, document, _ = WHOLE[name]
    canonical = up(kind, document, KNOWN)
    before = deepcopy((document, canonical))

    up(kind, document, KNOWN)
    down(kind, canonical, KNOWN)

    assert (document, canonical) == before


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        pytest.param(Kind.LOCATION, old.location(type="OTHER"), id="V211-21 OTHER"),
        pytest.param(Kind.LOCATION, old.location(type="UNKNOWN"), id="V211-21 UNKNOWN"),
        pytest.param(Kind.LOCATION, old.location(postal_code=""), id="V211-22"),
        pytest.param(Kind.LOCATION, old.location(opening_times={"twentyfourseven": True}), id="V211-25"),
        pytest.param(Kind.LOCATION, old.location(x_own={"a": [1]}), id="unknown field"),
        pytest.param(Kind.LOCATION, {k: v for k, v in old.location().items() if k != "evses"}, id="no EVSE"),
        pytest.param(Kind.SESSION, old.session(location=old.location(evses=[])), id="V211-42 no EVSE"),
        pytest.param(Kind.SESSION, old.session(location=old.location(type="OTHER")), id="V211-42 type"),
        pytest.param(Kind.CDR, old.cdr(remark=None), id="null"),
        pytest.param(Kind.STOP_SESSION, {"response_url": "https://a.example", "session_id": "S1"}, id="stop"),
        pytest.param(
            Kind.LOCATION_REFERENCES,
            {"location_id": "L1", "evse_uids": ["E1"], "connector_ids": ["1"]},
            id="V211-75",
        ),
        pytest.param(Kind.AUTHORIZATION_INFO, {"allowed": "NO_CREDIT"}, id="V211-74"),
        pytest.param(Kind.COMMAND_RESPONSE, {"result": "UNKNOWN_SESSION"}, id="V211-80"),
        pytest.param(Kind.COMMAND_RESULT, {"result": "TIMEOUT"}, id="V211-81"),
        pytest.param(Kind.CREDENTIALS, old.credentials(), id="V211-03"),
    ],
)
def test_nothing_that_a_partner_sends_is_lost(kind: Kind, document: Document) -> None:
    assert_same(down(kind, up(kind, document, KNOWN), KNOWN), document)


PATCHES = {
    "V211-09": (Kind.EVSE, {"status": "CHARGING"}),
    "V211-21": (Kind.LOCATION, {"type": "PARKING_LOT"}),
    "V211-21 OTHER": (Kind.LOCATION, {"type": "OTHER"}),
    "V211-21 UNKNOWN": (Kind.LOCATION, {"type": "UNKNOWN"}),
    "V211-22": (Kind.LOCATION, {"postal_code": "1000"}),
    "V211-27": (Kind.CONNECTOR, {"tariff_id": "T2", "voltage": 400}),
    "V211-27 none": (Kind.CONNECTOR, {"tariff_id": None}),
    "V211-27 inside": (
        Kind.LOCATION,
        {"evses": [{"uid": "E1", "connectors": [{"id": "1", "tariff_id": "T2"}]}]},
    ),
    "V211-33": (Kind.TARIFF, {"energy_mix": old.MIX}),
    "V211-40": (Kind.SESSION, {"end_datetime": old.T2}),
    "V211-41": (Kind.SESSION, {"auth_id": "C2"}),
    "V211-44": (Kind.SESSION, {"total_cost": Decimal("0.60")}),
    "V211-60": (Kind.TARIFF, {"elements": old.tariff()["elements"]}),
    "V211-70": (Kind.TOKEN, {"auth_id": "C2"}),
}


@pytest.mark.parametrize("name", PATCHES)
def test_a_patch_comes_back_with_the_same_fields(name: str) -> None:
    kind, patch = PATCHES[name]
    known = Known(is_patch=True, owner=KNOWN.owner)

    assert down(kind, up(kind, patch, known), known)._replace(text=None) == Converted(patch)


# -- made documents ----------------------------------------------------------------------------------

texts = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=8)
numbers = st.decimals("0", "1000", places=4)
degrees = st.decimals("-89", "89", places=6).map(str)
points = st.fixed_dictionaries({"latitude": degrees, "longitude": degrees})


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Document]:
    """Documents with any of these fields."""
    return st.fixed_dictionaries({}, optional=fields)


connectors = some(
    standard=st.sampled_from(sorted(STANDARDS)),
    power_type=st.sampled_from(["AC_1_PHASE", "AC_3_PHASE", "DC"]),
    voltage=st.integers(0, 1000),
    tariff_id=texts,
    x_unknown=texts,
).map(lambda fields: old.connector(**fields))
evses = some(
    uid=texts,
    connectors=st.lists(connectors, min_size=1, max_size=2),
    coordinates=points,
    capabilities=st.lists(st.sampled_from(["RFID_READER", "UNLOCK_CAPABLE"])),
).map(lambda fields: old.evse(**fields))
locations = some(
    type=st.sampled_from(["ON_STREET", "PARKING_GARAGE", "UNDERGROUND_GARAGE", "OTHER", "UNKNOWN"]),
    postal_code=st.just("") | texts,
    coordinates=points,
    evses=st.lists(evses, max_size=2),
    energy_mix=st.just(old.MIX),
).map(lambda fields: old.location(**fields))
periods = st.lists(
    st.sampled_from(["ENERGY", "FLAT", "MAX_CURRENT", "MIN_CURRENT", "PARKING_TIME", "TIME"]),
    min_size=1,
    max_size=3,
).map(lambda types: old.period(*({"type": each, "volume": 1} for each in types)))
sessions = some(
    location=locations, total_cost=numbers, charging_periods=st.lists(periods, max_size=3), auth_id=texts
).map(lambda fields: old.session(**fields))
cdrs = some(
    location=locations, total_cost=numbers, charging_periods=st.lists(periods, min_size=1, max_size=3)
).map(lambda fields: old.cdr(**fields))
reservations = some(reservation_id=st.integers(0, 2**31 - 1)).map(lambda fields: old.reserve_now(**fields))

MADE: list[tuple[Kind, st.SearchStrategy[Document]]] = [
    (Kind.LOCATION, locations),
    (Kind.SESSION, sessions),
    (Kind.CDR, cdrs),
    (Kind.RESERVE_NOW, reservations),
]
made = st.one_of(*(documents.map(lambda each, kind=kind: (kind, each)) for kind, documents in MADE))

FEW: Callable[..., Any] = settings(max_examples=60, deadline=None)


@FEW
@given(made)
def test_any_object_that_2_1_1_can_express_comes_back_as_it_was(case: tuple[Kind, Document]) -> None:
    kind, document = case

    assert_same(down(kind, up(kind, document, KNOWN), KNOWN), document)


scalars = st.none() | st.booleans() | st.integers(-5, 5) | texts
junk = st.recursive(scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner))
NAMES = sorted(
    {name for kind, document, _ in WHOLE.values() for name in (*document, *up(kind, document, KNOWN))}
)
odd = st.dictionaries(st.sampled_from(NAMES), junk, max_size=4)


@FEW
@given(st.sampled_from(sorted(WHOLE)), odd, st.booleans())
def test_an_odd_document_is_converted_or_refused_and_never_an_error_of_ours(
    name: str, fields: Document, patch: bool
) -> None:
    kind, document, _ = WHOLE[name]
    known = Known(is_patch=patch)

    with suppress(InvalidParameters):
        down(kind, up(kind, fields if patch else {**document, **fields}, known), known)
