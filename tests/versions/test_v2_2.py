"""OCPI 2.2: what 2.2.1 has and 2.2 has not is left out or expressed in another way, and each loss is named.

Source: V22-07 … V22-17, V22-29
"""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.protocol.json_text import JsonText, read_json, write_json
from chalicelib.protocol.kinds import Kind
from chalicelib.versions import v2_2
from chalicelib.versions.supported import Inexpressible, from_canonical, status_code_for
from chalicelib.versions.version import Converted
from tests.reading.shapes import whole


def lost(kind: Kind, document: dict[str, Any]) -> list[str]:
    return [loss.pointer for loss in v2_2.down(kind, document).losses]


def down(kind: Kind, document: dict[str, Any]) -> dict[str, Any]:
    return v2_2.down(kind, document).document


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        (Kind.TARIFF, whole.tariff()),
        (Kind.TOKEN, whole.token()),
        (Kind.SESSION, whole.session()),
        (Kind.CONNECTOR, whole.connector()),
        (Kind.EVSE, whole.evse()),
    ],
    ids=lambda value: value.value if isinstance(value, Kind) else "",
)
def test_what_2_2_can_express_comes_back_as_it_was(kind: Kind, document: dict[str, Any]) -> None:
    converted = v2_2.down(kind, document)

    assert converted.losses == ()
    assert v2_2.up(kind, converted.document) == document
    assert write_json(converted.document) == write_json(document)


def test_a_capability_that_2_2_does_not_have_is_left_out() -> None:
    """Source: V22-14"""
    evse = {**whole.evse(), "capabilities": ["RFID_READER", "START_SESSION_CONNECTOR_REQUIRED"]}
    location = {**whole.location(), "evses": [evse]}

    assert down(Kind.EVSE, evse)["capabilities"] == ["RFID_READER"]
    assert lost(Kind.LOCATION, location) == ["/evses/0/capabilities/1"]
    assert evse["capabilities"] == ["RFID_READER", "START_SESSION_CONNECTOR_REQUIRED"]


def test_a_connector_whose_type_2_2_does_not_have_is_left_out() -> None:
    """Source: V22-15"""
    new = {**whole.connector(), "id": "2", "standard": "CHAOJI"}
    evse = {**whole.evse(), "connectors": [whole.connector(), new]}

    assert [each["id"] for each in down(Kind.EVSE, evse)["connectors"]] == ["1"]
    assert lost(Kind.EVSE, evse) == ["/connectors/1"]


def test_an_evse_without_a_connector_that_2_2_has_is_left_out_of_its_location() -> None:
    """Source: V22-15"""
    new = {**whole.evse(), "uid": "E2", "connectors": [{**whole.connector(), "standard": "NEMA_5_20"}]}
    location = {**whole.location(), "evses": [whole.evse(), new]}

    assert [each["uid"] for each in down(Kind.LOCATION, location)["evses"]] == ["E1"]


def test_an_evse_that_2_2_cannot_express_is_not_sent_alone() -> None:
    """Source: V22-15"""
    evse = {**whole.evse(), "connectors": [{**whole.connector(), "standard": "GBT_DC"}]}

    with pytest.raises(Inexpressible, match=r"OCPI 2\.2 cannot express it"):
        from_canonical("2.2", Kind.EVSE, JsonText(write_json(evse)))
    assert from_canonical("2.2", Kind.EVSE, [evse, whole.evse()]) == [whole.evse()]


@pytest.mark.parametrize("power_type", ["AC_2_PHASE", "AC_2_PHASE_SPLIT"])
def test_two_phases_are_sent_as_one(power_type: str) -> None:
    """Source: V22-16"""
    connector = {**whole.connector(), "power_type": power_type}

    assert down(Kind.CONNECTOR, connector)["power_type"] == "AC_1_PHASE"
    assert lost(Kind.CONNECTOR, connector) == ["/power_type"]


def test_a_long_address_and_state_are_cut() -> None:
    """Source: V22-17"""
    converted = v2_2.down(Kind.LOCATION, {**whole.location(), "address": "A" * 60, "state": "S" * 30})

    assert (len(converted.document["address"]), len(converted.document["state"])) == (45, 20)
    assert [loss.pointer for loss in converted.losses] == ["/address", "/state"]


def test_a_patch_loses_only_what_it_has() -> None:
    """Source: V22-05"""
    patch = {"status": "AVAILABLE", "last_updated": "2026-03-01T12:00:00Z"}

    assert v2_2.down(Kind.EVSE, patch) == Converted(patch)


def test_a_missing_postal_code_of_a_cdr_is_sent_as_not_available() -> None:
    """Source: V22-07, V22-08, V22-09"""
    cdr = {**whole.cdr(), "home_charging_compensation": False}
    location = {**cdr["cdr_location"], "state": "Lisboa"}
    location.pop("postal_code", None)

    converted = v2_2.down(Kind.CDR, {**cdr, "cdr_location": location})

    assert converted.document["cdr_location"]["postal_code"] == "#NA"
    assert "state" not in converted.document["cdr_location"]
    assert "home_charging_compensation" not in converted.document
    assert [loss.pointer for loss in converted.losses] == [
        "/home_charging_compensation",
        "/cdr_location/state",
        "/cdr_location/postal_code",
    ]


@pytest.mark.parametrize(("length", "is_sent"), [(512, True), (513, False)])
def test_signed_values_that_are_too_long_for_2_2_are_left_out(length: int, is_sent: bool) -> None:
    """Source: V22-11"""
    values = [{"nature": "Start", "plain_data": "p", "signed_data": "s" * length}]
    cdr = {**whole.cdr(), "signed_data": {"encoding_method": "OCMF", "signed_values": values}}

    assert ("signed_data" in down(Kind.CDR, cdr)) is is_sent
    assert ("/signed_data" in lost(Kind.CDR, cdr)) is not is_sent


def test_the_connector_of_a_command_is_left_out() -> None:
    """Source: V22-12"""
    command = {"response_url": "https://emsp.example/1", "location_id": "L1", "evse_uid": "E1"}

    assert down(Kind.START_SESSION, {**command, "connector_id": "1"}) == command
    assert lost(Kind.START_SESSION, {**command, "connector_id": "1"}) == ["/connector_id"]


@pytest.mark.parametrize(("code", "expected"), [(4000, 3000), (4001, 4001), (1000, 1000)])
def test_the_code_for_a_generic_error_of_a_hub_is_that_of_a_server(code: int, expected: int) -> None:
    """Source: V22-29"""
    assert status_code_for("2.2", code) == expected
    assert status_code_for("2.2.1", code) == code


def test_an_answer_is_text_if_the_stored_object_is() -> None:
    text = JsonText(write_json(whole.tariff()))

    converted = from_canonical("2.2", Kind.TARIFF, text)

    assert isinstance(converted, JsonText)
    assert read_json(converted) == whole.tariff()
