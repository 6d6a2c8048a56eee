"""Tests of the simulated CSMS: commands, reservations and cards."""

from __future__ import annotations

import pytest

from chalicelib.protocol.json_text import Document
from infra.local.charge_points import Card
from tests.infra.csms_stand import EVSE, SITE, TOKEN, Stand, reserve
from tests.infra.csms_stand import stand as stand


def test_a_remote_start_gives_its_result_and_a_session_with_its_reference(stand: Stand) -> None:
    """Source: CMD-16, SES-10, SES-13"""
    result = stand.start(connector_id=f"{EVSE}-2", authorization_reference="a-1")

    assert result == "ACCEPTED"
    assert stand.session["status"] == "ACTIVE" and stand.session["connector_id"] == f"{EVSE}-2"
    assert stand.session["authorization_reference"] == "a-1"
    assert stand.session["auth_method"] == "COMMAND"
    assert stand.session["cdr_token"] == {name: TOKEN[name] for name in TOKEN if name != "valid"}
    assert stand.status() == "CHARGING"


def test_without_an_evse_a_free_one_is_taken(stand: Stand) -> None:
    stand.start()

    assert stand.start(evse_uid=None) == "ACCEPTED"
    assert stand.status(f"{SITE}-2") == "CHARGING"


@pytest.mark.parametrize(
    ("status", "result"),
    [("CHARGING", "EVSE_OCCUPIED"), ("RESERVED", "EVSE_OCCUPIED"), ("OUTOFORDER", "EVSE_INOPERATIVE")],
)
def test_an_evse_that_cannot_be_used_gives_the_reason(stand: Stand, status: str, result: str) -> None:
    stand.door.evses[EVSE]["status"] = status

    assert stand.start() == result
    assert stand.door.sessions == {}


def test_two_starts_at_one_evse_start_one_session(stand: Stand) -> None:
    assert [stand.start(), stand.start()] == ["ACCEPTED", "EVSE_OCCUPIED"]
    assert len(stand.door.sessions) == 1


def test_a_result_that_comes_too_late_starts_no_session(stand: Stand) -> None:
    stand.door.refusals["commands"] = 409

    stand.start()

    assert (stand.door.sessions, stand.status()) == ({}, "AVAILABLE")


@pytest.mark.parametrize(
    ("name", "request_"),
    [
        ("START_SESSION", {"location_id": "PRT-00001", "token": TOKEN}),
        ("UNLOCK_CONNECTOR", {"location_id": "PRT-00001", "evse_uid": "E", "connector_id": "1"}),
        ("STOP_SESSION", {"session_id": "another's"}),
        ("CANCEL_RESERVATION", {"reservation_id": "another's"}),
    ],
)
def test_another_site_is_ignored(stand: Stand, name: str, request_: Document) -> None:
    assert stand.obey(name, **request_) is None
    assert stand.door.results == []


def test_a_stop_reports_the_rest_and_ends_the_session(stand: Stand) -> None:
    """Source: SES-15"""
    stand.start()
    stand.pass_time(40)

    assert stand.obey("STOP_SESSION", session_id=stand.session_id) == "ACCEPTED"
    assert (stand.session["status"], stand.status()) == ("COMPLETED", "AVAILABLE")
    assert stand.session["end_date_time"] == "2026-03-01T12:00:40Z"
    assert stand.points.busy == 0


def test_unlocking_ends_the_session_at_that_connector(stand: Stand) -> None:
    stand.start()

    result = stand.obey("UNLOCK_CONNECTOR", location_id=SITE, evse_uid=EVSE, connector_id=f"{EVSE}-1")

    assert (result, stand.session["status"]) == ("ACCEPTED", "COMPLETED")


def test_a_reservation_keeps_the_evse_for_its_token(stand: Stand) -> None:
    """Source: SES-16"""
    assert reserve(stand) == "ACCEPTED"
    assert (stand.session["status"], stand.status()) == ("RESERVATION", "RESERVED")

    assert stand.start(token={**TOKEN, "uid": "another"}) == "EVSE_OCCUPIED"
    assert stand.start(authorization_reference="a-2") == "ACCEPTED"
    assert (stand.session["status"], stand.session["authorization_reference"]) == ("ACTIVE", "a-2")


def test_a_reservation_ends_when_it_is_cancelled(stand: Stand) -> None:
    reserve(stand)

    assert stand.obey("CANCEL_RESERVATION", reservation_id="r") == "ACCEPTED"
    assert (stand.session["status"], stand.status()) == ("COMPLETED", "AVAILABLE")


def test_a_repeated_reservation_lasts_longer(stand: Stand) -> None:
    """Source: CMD-13"""
    reserve(stand, minutes=1)
    reserve(stand, minutes=3)

    stand.pass_time(120)
    assert stand.status() == "RESERVED"
    stand.pass_time(61)
    assert (stand.session["status"], stand.status()) == ("COMPLETED", "AVAILABLE")


def test_a_card_is_authorized_before_it_charges(stand: Stand) -> None:
    stand.points.hold_up(Card("04A1", "RFID", SITE, EVSE))

    assert stand.door.authorizations == [("tokens", "04A1", "authorize", "RFID")]
    assert (stand.session["auth_method"], stand.session["authorization_reference"]) == (
        "AUTH_REQUEST",
        "r-1",
    )


def test_a_card_that_is_not_allowed_starts_no_session(stand: Stand) -> None:
    stand.door.allowed = "BLOCKED"

    stand.points.hold_up(Card("04A1", "RFID", SITE, EVSE))

    assert (stand.door.sessions, stand.status()) == ({}, "AVAILABLE")
