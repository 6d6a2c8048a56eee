"""Commands at a hub: its checks, and its choice of the CPO.

Source: OCPI 2.2.1 transport_and_format_message_routing; RTE-23, RTE-27, RTE-33, CMD-08, CMD-12, CMD-20
"""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.protocol.json_text import Document
from tests.harness.nodes import Answer
from tests.modules.commands.conftest import Networks
from tests.modules.commands.network import (
    Member,
    Network,
    keep_location,
    keep_session,
    response_url,
    start,
    token,
)

AT_CPO, AT_HUB = "sessions#PT*ABC#PT*MOB#HUB", "sessions#*#PT*EVI#EMSP"
TO_CPO = {"ocpi_to_country_code": "PT", "ocpi_to_party_id": "ABC"}
TO_HUB = {"ocpi_to_country_code": "PT", "ocpi_to_party_id": "MOB"}


@pytest.fixture
def network(networks: Networks) -> Network:
    """A hub between a CPO and an eMSP."""
    network = networks("cpo", "hub", "emsp")
    keep_location(network["cpo"])
    keep_location(network["hub"], source="cpo")
    return network


def post(hub: Member, caller: Member, name: str, document: Any, **headers: str) -> Answer:
    return hub.call(caller, "POST", f"/receiver/commands/{name}", document, **headers)


def codes(answer: Answer) -> tuple[int, int, str | None]:
    return answer.status, answer.json["status_code"], (answer.json.get("data") or {}).get("result")


def stop(caller: Member, session_id: str = "S1") -> Document:
    return {"response_url": response_url(caller, "STOP_SESSION"), "session_id": session_id}


@pytest.mark.parametrize("to", [{}, TO_HUB, TO_CPO])
def test_the_cpo_is_given_in_ocpi_to_or_found_by_the_location(
    hub: Member, cpo: Member, emsp: Member, to: dict[str, str]
) -> None:
    """Source: RTE-23"""
    answer = post(hub, emsp, "START_SESSION", start(emsp), **to)

    assert codes(answer) == (200, 1000, "ACCEPTED")
    (_, headers, body) = hub.sent("/receiver/commands/START_SESSION")[0]
    assert (headers["ocpi-from-party-id"], headers["ocpi-to-party-id"]) == ("EVI", "ABC")
    assert body == {**start(emsp), "response_url": cpo.the_command().response_url}
    assert body["response_url"].endswith(hub.the_command().id)


def test_an_unknown_location_is_2003_and_rejected(hub: Member, emsp: Member) -> None:
    answer = post(hub, emsp, "START_SESSION", start(emsp, location_id="L9"))

    assert codes(answer) == (200, 2003, "REJECTED")
    assert not hub.commands()


def test_a_session_is_stopped_by_its_cpo(hub: Member, cpo: Member, emsp: Member) -> None:
    keep_session(cpo, AT_CPO)
    keep_session(hub, AT_HUB, "cpo")

    assert codes(post(hub, emsp, "STOP_SESSION", stop(emsp))) == (200, 1000, "ACCEPTED")
    assert codes(post(hub, emsp, "STOP_SESSION", stop(emsp, "S9"))) == (200, 1000, "UNKNOWN_SESSION")


def test_a_session_of_another_emsp_is_not_stopped_even_with_the_cpo_in_ocpi_to(
    hub: Member, cpo: Member, emsp: Member
) -> None:
    """Behind a hub, the CPO checks the eMSP of the session's token. Source: CMD-08"""
    cdr_token = {"country_code": "PT", "party_id": "XYZ", "uid": "X", "type": "RFID"}
    keep_session(cpo, AT_CPO, cdr_token=cdr_token)
    keep_session(hub, AT_HUB.replace("EVI", "XYZ"), "cpo")

    assert codes(post(hub, emsp, "STOP_SESSION", stop(emsp))) == (200, 1000, "REJECTED")
    from_emsp = {"ocpi_from_country_code": "PT", "ocpi_from_party_id": "EVI"}
    assert codes(post(hub, emsp, "STOP_SESSION", stop(emsp), **TO_CPO, **from_emsp)) == (
        200,
        1000,
        "REJECTED",
    )
    assert not cpo.commands()


def test_a_token_of_another_emsp_is_rejected(hub: Member, cpo: Member, emsp: Member) -> None:
    """Source: CMD-12"""
    answer = post(hub, emsp, "START_SESSION", start(emsp, token=token(party_id="XYZ")))

    assert codes(answer) == (200, 2001, "REJECTED")
    assert not hub.commands() and not cpo.commands()


def test_a_cancellation_goes_to_the_cpo_of_the_reservation(hub: Member, cpo: Member, emsp: Member) -> None:
    reservation = {
        "response_url": response_url(emsp, "RESERVE_NOW"),
        "token": token(),
        "expiry_date": "2026-03-01T13:00:00Z",
        "reservation_id": "R1",
        "location_id": "L1",
    }
    url = response_url(emsp, "CANCEL_RESERVATION")
    post(hub, emsp, "RESERVE_NOW", reservation)

    known = post(hub, emsp, "CANCEL_RESERVATION", {"response_url": url, "reservation_id": "R1"})
    unknown = post(hub, emsp, "CANCEL_RESERVATION", {"response_url": url, "reservation_id": "R9"})

    assert codes(known) == (200, 1000, "ACCEPTED")
    assert codes(unknown) == (200, 1000, "REJECTED")
    assert [command.name for command in cpo.commands()].count("CANCEL_RESERVATION") == 1


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("START_SESSION/nothing", {"result": "ACCEPTED"}),
        ("STOP_SESSION/{id}", {"result": "ACCEPTED"}),
        (f"START_SESSION/{'x' * 3000}", {"result": "ACCEPTED"}),
        ("START_SESSION/ção", {"result": "ACCEPTED"}),
    ],
)
def test_a_result_for_an_unknown_command_is_404(
    hub: Member, cpo: Member, emsp: Member, path: str, document: Document
) -> None:
    post(hub, emsp, "START_SESSION", start(emsp))
    answer = hub.call(cpo, "POST", "/sender/commands/" + path.format(id=hub.the_command().id), document)

    assert codes(answer)[:2] == (404, 2001)


@pytest.mark.parametrize(
    "document", [{}, {"result": 1}, {"result": "accepted!?"}, {"result": ["FAILED", "ACCEPTED"]}]
)
def test_an_invalid_result_is_2001(hub: Member, cpo: Member, emsp: Member, document: Document) -> None:
    post(hub, emsp, "START_SESSION", start(emsp))

    answer = hub.call(cpo, "POST", f"/sender/commands/START_SESSION/{hub.the_command().id}", document)

    assert codes(answer)[:2] == (200, 2001)
    assert hub.the_command().result is None


def test_a_result_with_a_value_of_the_partner_s_own_is_relayed(
    network: Network, hub: Member, cpo: Member, emsp: Member
) -> None:
    """Source: TYP-15, RTE-33"""
    post(hub, emsp, "START_SESSION", start(emsp))
    body = {"result": "MOBIE_SPECIAL", "mobie_reason": 7}

    hub.call(cpo, "POST", f"/sender/commands/START_SESSION/{hub.the_command().id}", body)
    network.run_due()

    assert [sent for _, _, sent in hub.sent("/sender/commands/START_SESSION/1")] == [body]
