"""Commands between a CPO and an eMSP that speak OCPI 2.1.1 with each other.

Source: OCPI 2.1.1 mod_commands; V211-72, V211-80 … V211-85
"""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.async_requests.results import report_result
from chalicelib.async_requests.store import AsyncRequests
from chalicelib.async_requests.view import show
from chalicelib.modules.commands.kind import COMMAND
from chalicelib.protocol.json_text import write_json
from tests.modules.commands.conftest import Networks
from tests.modules.commands.network import Member, Network, add_webhook, keep_location, token
from tests.modules.commands.round_trip import send
from tests.versions.letter_of_2_1_1 import problems

RESERVE = {
    "token": token(), "expiry_date": "2026-03-01T13:00:00Z", "location_id": "L1", "evse_uid": "E1",
}  # fmt: skip


@pytest.fixture
def network(networks: Networks) -> Network:
    """A CPO and an eMSP, each a partner of 2.1.1 to the other."""
    network = networks("cpo", "emsp")
    speak_2_1_1(network, "cpo", "emsp")
    keep_location(network["cpo"])
    keep_location(network["emsp"], source="cpo")
    add_webhook(network["cpo"])
    return network


def speak_2_1_1(network: Network, *names: str) -> None:
    """Let two nodes be partners of 2.1.1 to each other."""
    for member, other in zip(names, reversed(names), strict=True):
        directory = network[member].node.directory
        partner = directory.get(other)
        assert partner is not None
        endpoints = tuple(
            each.model_copy(update={"url": each.url.replace("/2.2.1/", "/2.1.1/")})
            for each in partner.endpoints
        )
        roles = [role.model_copy(update={"role": "CPO"}) for role in partner.roles if role.role == "HUB"]
        update = {"version": "2.1.1", "endpoints": endpoints, "roles": tuple(roles) or partner.roles}
        directory.save(partner.model_copy(update=update), partner)


def sent(member: Member, part: str) -> list[Any]:
    return [body for _, _, body in member.sent(part)]


def start(network: Network, **fields: Any) -> Any:
    document = {"token": token(), "location_id": "L1", "evse_uid": "E1", "connector_id": "1", **fields}
    return send(network["emsp"], "START_SESSION", **document)


def report(cpo: Member, result: str) -> None:
    body = write_json({"result": result, "message": [{"language": "en", "text": "text"}]})
    report_result(AsyncRequests(cpo.node, COMMAND), cpo.the_command().id, result, body)


def test_a_start_of_a_session_is_sent_in_the_words_of_2_1_1(network: Network) -> None:
    """Source: V211-06, V211-72, V211-80, V211-84, V211-85"""
    shown = start(network)

    ((url, headers, body),) = network["emsp"].sent("/receiver/commands/START_SESSION")
    assert "/ocpi/2.1.1/" in url and "/ocpi/2.1.1/" in body["response_url"]
    assert problems("StartSession", body) == []
    assert (body["token"]["type"], body["token"]["auth_id"]) == ("OTHER", token()["contract_id"])
    assert not [name for name in headers if name.startswith("ocpi-")]
    assert shown["response"]["result"] == "ACCEPTED"


@pytest.mark.parametrize(
    ("result", "in_2_1_1"),
    [
        ("ACCEPTED", "ACCEPTED"), ("REJECTED", "REJECTED"), ("NOT_SUPPORTED", "NOT_SUPPORTED"),
        ("TIMEOUT", "TIMEOUT"), ("EVSE_OCCUPIED", "REJECTED"), ("EVSE_INOPERATIVE", "REJECTED"),
        ("FAILED", "REJECTED"), ("CANCELED_RESERVATION", "REJECTED"), ("UNKNOWN_RESERVATION", "REJECTED"),
    ],
)  # fmt: skip
def test_a_result_is_a_value_of_the_older_enum(network: Network, result: str, in_2_1_1: str) -> None:
    """Source: V211-81"""
    start(network)
    network.run_due()

    report(network["cpo"], result)
    network.run_due()

    assert sent(network["cpo"], "/sender/commands/") == [{"result": in_2_1_1}]
    command = show(COMMAND, network["emsp"].the_command())
    assert command["result"]["result"] == in_2_1_1


def test_an_immediate_answer_is_a_result_alone(network: Network) -> None:
    """Source: V211-80"""
    document = {
        "response_url": "https://elsewhere.example/x",
        "location_id": "L1",
        "evse_uid": "E1",
        "connector_id": "1",
    }
    answers = [
        network["cpo"].call(
            network["emsp"], "POST", "/receiver/commands/UNLOCK_CONNECTOR", each, version="2.1.1"
        )
        for each in (document, {**document, "response_url": f"{public(network['emsp'])}/ocpi/x"})
    ]

    assert answers[0].json["status_code"] == 2001
    assert answers[1].json["data"] == {"result": "ACCEPTED"}


def public(member: Member) -> str:
    assert member.node.settings.public_url
    return member.node.settings.public_url


def test_a_reservation_has_the_same_number_each_time(network: Network) -> None:
    """Source: V211-83"""
    for request_id, name in (("r1", "R-one"), ("r2", "R-one"), ("r3", "R-two"), ("r4", "77")):
        send(network["emsp"], "RESERVE_NOW", request_id, reservation_id=name, **RESERVE)

    bodies = sent(network["emsp"], "/receiver/commands/RESERVE_NOW")
    numbers = [body["reservation_id"] for body in bodies]
    assert all(isinstance(number, int) for number in numbers)
    assert (numbers[0] == numbers[1], numbers[0] != numbers[2], numbers[3]) == (True, True, 77)
    assert [problems("ReserveNow", body) for body in bodies] == [[]] * 4


def test_a_cancellation_is_not_sent(network: Network) -> None:
    """Source: V211-82"""
    send(network["emsp"], "RESERVE_NOW", reservation_id="R1", **RESERVE)

    shown = send(network["emsp"], "CANCEL_RESERVATION", "r2", reservation_id="R1")

    assert "OCPI 2.1.1 cannot express it" in shown["problem"]

    assert sent(network["emsp"], "CANCEL_RESERVATION") == []


def test_a_hub_passes_commands_of_2_1_1_on_to_the_cpo_of_the_location(networks: Networks) -> None:
    """The eMSP speaks 2.1.1, which has no OCPI-to; the CPO speaks 2.2.1. Source: X-08"""
    network = networks("cpo", "hub", "emsp")
    speak_2_1_1(network, "hub", "emsp")
    keep_location(network["cpo"])
    keep_location(network["hub"], source="cpo")
    keep_location(network["emsp"], source="hub")
    add_webhook(network["cpo"])

    document = {
        "response_url": f"{public(network['emsp'])}/ocpi/2.1.1/sender/commands/START_SESSION/c1",
        "token": {
            "uid": "A1", "type": "OTHER", "auth_id": "C1", "issuer": "Evia", "valid": True,
            "whitelist": "NEVER", "last_updated": "2026-03-01T10:00:00Z",
        },
        "location_id": "L1",
        "evse_uid": "E1",
    }  # fmt: skip
    path = "/receiver/commands/START_SESSION"
    answer = network["hub"].call(network["emsp"], "POST", path, document, version="2.1.1")
    network.run_due()
    report(network["cpo"], "EVSE_OCCUPIED")
    network.run_due()

    assert answer.json["data"] == {"result": "ACCEPTED"}
    (at_cpo,) = sent(network["hub"], "/receiver/commands/START_SESSION")
    assert (at_cpo["token"]["contract_id"], at_cpo["token"]["party_id"]) == ("C1", "EVI")
    assert sent(network["hub"], "/sender/commands/START_SESSION/c1") == [{"result": "REJECTED"}]
