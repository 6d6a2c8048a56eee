"""Kinds of documents, by name and by their fields."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.checking.kinds import MODELS, kind_named, recognise
from chalicelib.errors import InvalidParameters
from chalicelib.protocol.json_text import Document
from chalicelib.protocol.kinds import Kind
from tests.modules.builders import without
from tests.reading.shapes import whole

MADE: dict[Kind, Callable[[], Document]] = {
    Kind.LOCATION: whole.location,
    Kind.EVSE: whole.evse,
    Kind.CONNECTOR: whole.connector,
    Kind.TARIFF: whole.tariff,
    Kind.TOKEN: whole.token,
    Kind.SESSION: whole.session,
    Kind.CDR: whole.cdr,
}
URL = {"response_url": "https://emsp.example/commands/1"}
OTHERS: list[tuple[Kind, Document]] = [
    (Kind.CREDENTIALS, {"token": "t", "url": "https://cpo.example", "roles": []}),
    (Kind.CREDENTIALS, {"token": "t", "url": "https://cpo.example", "party_id": "ABC", "country_code": "PT"}),
    (Kind.START_SESSION, {**URL, "token": {}, "location_id": "L1"}),
    (Kind.START_SESSION, {**URL, "token": {}, "location_id": "L1", "evse_uid": "E1", "connector_id": "1"}),
    (Kind.RESERVE_NOW, {**URL, "token": {}, "location_id": "L1", "reservation_id": "R", "expiry_date": "x"}),
    (Kind.STOP_SESSION, {**URL, "session_id": "S1"}),
    (Kind.CANCEL_RESERVATION, {**URL, "reservation_id": "R"}),
    (Kind.UNLOCK_CONNECTOR, {**URL, "location_id": "L1", "evse_uid": "E1", "connector_id": "1"}),
    (Kind.COMMAND_RESPONSE, {"result": "ACCEPTED", "timeout": 30}),
    (Kind.COMMAND_RESULT, {"result": "ACCEPTED"}),
    (Kind.AUTHORIZATION_INFO, {"allowed": "ALLOWED", "token": {}, "location": {}, "info": {}}),
    (Kind.LOCATION_REFERENCES, {"location_id": "L1", "evse_uids": ["E1"]}),
    (Kind.INVOICE_RECONCILIATION_RECORD, {"id": "R1", "invoice_id": "I1", "cdrs": ["C1"]}),
    (Kind.CHARGING_PREFERENCES, {"profile_type": "FAST", "departure_time": "2026-03-01T12:00:00Z"}),
]


@pytest.mark.parametrize("kind", MADE)
def test_an_object_is_recognised_although_a_field_is_missing_or_added(kind: Kind) -> None:
    made = MADE[kind]()

    assert recognise(made) == kind
    for name in made:
        assert recognise({**without(made, name), "mobie_x": 1}) == kind


@pytest.mark.parametrize(("kind", "document"), OTHERS)
def test_other_documents_are_recognised_by_their_fields(kind: Kind, document: Document) -> None:
    assert recognise(document) == kind


@pytest.mark.parametrize("document", [{}, {"foo": 1}, [], "text", None, 5])
def test_what_has_no_field_of_any_kind_is_not_recognised(document: Any) -> None:
    with pytest.raises(InvalidParameters):
        recognise(document)


@pytest.mark.parametrize("name", ["StartSession", "START_SESSION", "start-session", "start session"])
def test_a_kind_is_found_by_its_name_in_any_spelling(name: str) -> None:
    assert kind_named(name) == Kind.START_SESSION


def test_an_unknown_name_is_refused_with_the_names_that_there_are() -> None:
    with pytest.raises(InvalidParameters, match=r"expected one of Location, EVSE, .*CommandResult"):
        kind_named("Locations")


def test_every_kind_that_a_partner_sends_can_be_checked() -> None:
    assert set(Kind) - set(MODELS) == {Kind.CHARGING_PREFERENCES_RESPONSE}
