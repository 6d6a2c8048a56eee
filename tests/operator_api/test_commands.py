"""Commands in the operator API.

Source: OCPI 2.2.1 mod_commands; CMD-12, CMD-15 … CMD-19
"""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from chalicelib.calls.answers import PartnerFault
from tests.harness.account import Account
from tests.modules.commands.network import Network, keep_location, keep_session, start, token
from tests.operator_api.caller import OperatorApi
from tests.storage.capacity import measured

_numbers = itertools.count(1)


@pytest.fixture
def network(account: Account) -> Network:
    """A CPO, its hub and an eMSP, which both have the CPO's location."""
    network = Network(account, next(_numbers), "cpo", "hub", "emsp")
    network.link("cpo", "hub")
    network.link("hub", "emsp")
    keep_location(network["cpo"])
    keep_location(network["hub"], source="cpo")
    keep_location(network["emsp"], source="hub")
    return network


@pytest.fixture
def cpo(network: Network) -> OperatorApi:
    return OperatorApi(network["cpo"].node)


@pytest.fixture
def emsp(network: Network) -> OperatorApi:
    return OperatorApi(network["emsp"].node)


START = {"token": token(), "location_id": "L1", "evse_uid": "E1", "connector_id": "1"}


def test_a_command_is_sent_answered_and_ends(network: Network, cpo: OperatorApi, emsp: OperatorApi) -> None:
    sent = emsp.call("POST", "/commands/START_SESSION", START)
    network.run_due()
    (fetched,) = cpo.ask("GET", "/commands?state=PENDING")
    taken = cpo.ask("POST", f"/commands/{fetched['id']}/result", {"result": "ACCEPTED"})
    network.run_due()

    assert (sent.status, sent.json["state"], sent.json["direction"]) == (202, "PENDING", "SENT")
    assert sent.headers["Location"].endswith(f"/operator/commands/{sent.json['id']}")
    assert fetched["request"]["authorization_reference"] == sent.json["request"]["authorization_reference"]
    assert (taken["state"], taken["result"]["posted"]) == ("COMPLETED", "WAITING")
    ended = emsp.ask("GET", f"/commands/{sent.json['id']}")
    assert (ended["state"], ended["result"]["result"]) == ("COMPLETED", "ACCEPTED")
    assert cpo.ask("GET", "/commands?state=PENDING") == []
    assert [one["id"] for one in cpo.ask("GET", "/commands")] == [fetched["id"]]


def test_the_same_request_sent_twice_is_one_command(network: Network, emsp: OperatorApi) -> None:
    first = emsp.call("POST", "/commands/START_SESSION", START, headers={"x-request-id": "start-1"})
    again = emsp.call("POST", "/commands/START_SESSION", START, headers={"x-request-id": "start-1"})
    another = emsp.call("POST", "/commands/START_SESSION", START, headers={"x-request-id": "start-2"})

    assert first.json["id"] == again.json["id"] != another.json["id"]


def test_an_own_token_is_named_by_uid_and_type(network: Network, emsp: OperatorApi) -> None:
    emsp.ask("PUT", "/tokens/APP-9?type=APP_USER", {**token(uid="APP-9"), "last_updated": None})

    sent = emsp.ask(
        "POST", "/commands/START_SESSION", {**START, "token": {"uid": "app-9", "type": "APP_USER"}}
    )

    assert sent["request"]["token"]["contract_id"] == token()["contract_id"]


def test_a_refusal_of_the_cpo_is_shown(network: Network, emsp: OperatorApi) -> None:
    """Source: CMD-07"""
    keep_location(network["hub"], "L9", "cpo")
    keep_location(network["emsp"], "L9", "hub")

    sent = emsp.ask("POST", "/commands/START_SESSION", {**START, "location_id": "L9"})

    assert (sent["state"], sent["response"]["result"]) == ("REFUSED", "REJECTED")
    assert sent["response"]["status_code"] == 2003


def test_a_command_to_an_unreachable_partner_is_shown_as_failed(network: Network, emsp: OperatorApi) -> None:
    network["emsp"].client.faults.append(
        lambda *_: PartnerFault("does not accept connections", never_sent=True)
    )

    sent = emsp.ask("POST", "/commands/START_SESSION", START)

    assert (sent["state"], sent["problem"]) == ("REFUSED", "does not accept connections")


def test_stop_session_goes_to_the_partner_that_sent_the_session(
    network: Network, cpo: OperatorApi, emsp: OperatorApi
) -> None:
    keep_session(network["cpo"], "sessions#PT*ABC#PT*MOB#HUB")
    keep_session(network["hub"], "sessions#*#PT*EVI#EMSP", "cpo")
    keep_session(network["emsp"], "sessions#*#PT*EVI#EMSP", "hub")

    sent = emsp.ask("POST", "/commands/STOP_SESSION", {"session_id": "S1"})

    assert (sent["state"], sent["to"]["party_id"]) == ("PENDING", "ABC")
    assert cpo.ask("GET", "/commands")[0]["request"] == {"session_id": "S1"}


@pytest.mark.parametrize(
    ("name", "change", "status", "field"),
    [
        ("START_SESSION", {"location_id": None}, 422, "location_id"),
        ("START_SESSION", {"evse_uid": None}, 422, "connector_id"),
        ("START_SESSION", {"token": None}, 422, "token"),
        ("START_SESSION", {"token": {"uid": "NOBODY-S"}}, 422, "token.uid"),
        ("START_SESSION", {"token": {"uid": 1}}, 422, "token.uid"),
        ("START_SESSION", {"token": token(party_id="XYZ")}, 422, "token.party_id"),
        ("START_SESSION", {"token": {**token(), "valid": "yes"}}, 422, "token.valid"),
        ("START_SESSION", {"response_url": "https://mine.example/"}, 422, "response_url"),
        ("START_SESSION", {"location_id": "L9"}, 404, "location_id"),
        ("UNLOCK_CONNECTOR", {"evse_uid": None}, 422, "evse_uid"),
        ("STOP_SESSION", {}, 422, "session_id"),
        ("RESERVE_NOW", {}, 422, "expiry_date"),
    ],
)
def test_an_invalid_command_is_refused_and_not_stored(
    network: Network, emsp: OperatorApi, name: str, change: dict[str, Any], status: int, field: str
) -> None:
    document = {key: value for key, value in {**START, **change}.items() if value is not None}

    answer = emsp.call("POST", f"/commands/{name}", document)

    assert answer.status == status, answer.text
    assert answer.json["errors"][0]["field"] == field
    assert network["emsp"].commands() == []


def test_unknown_commands_ids_and_states_are_refused(
    network: Network, cpo: OperatorApi, emsp: OperatorApi
) -> None:
    assert emsp.call("POST", "/commands/EXPLODE", {}).status == 404
    assert emsp.call("GET", "/commands/nothing").status == 404
    assert emsp.call("GET", "/commands?state=LOST").status == 400
    assert emsp.call("POST", "/commands/STOP_SESSION", {"session_id": "S9"}).status == 404
    assert emsp.call("POST", "/commands/CANCEL_RESERVATION", {"reservation_id": "R9"}).status == 404
    assert cpo.call("POST", "/commands/START_SESSION", START).status == 405
    assert cpo.call("POST", "/commands/nothing/result", {"result": "ACCEPTED"}).status == 404
    assert cpo.call("POST", "/commands/%C3%A9/result", {"result": "ACCEPTED"}).status == 404


def test_a_result_must_be_a_value_of_the_specification(
    network: Network, cpo: OperatorApi, emsp: OperatorApi
) -> None:
    """Source: CMD-16"""
    emsp.ask("POST", "/commands/START_SESSION", START)
    path = f"/commands/{network['cpo'].the_command().id}/result"

    assert cpo.call("POST", path, {}).json["errors"][0]["field"] == "result"
    assert cpo.call("POST", path, {"result": "UNKNOWN_SESSION"}).status == 422
    assert cpo.call("POST", path, {"result": "FAILED", "message": 1}).status == 422
    assert cpo.call("POST", path, {"result": "FAILED", "message": "cable is stuck"}).status == 200


def test_another_result_is_a_conflict_and_the_same_one_is_not(
    network: Network, cpo: OperatorApi, emsp: OperatorApi
) -> None:
    emsp.ask("POST", "/commands/START_SESSION", START)
    path = f"/commands/{network['cpo'].the_command().id}/result"
    cpo.ask("POST", path, {"result": "ACCEPTED"})

    assert cpo.call("POST", path, {"result": "ACCEPTED"}).status == 200
    assert cpo.call("POST", path, {"result": "FAILED"}).status == 409


def test_an_emsp_cannot_post_results(network: Network, emsp: OperatorApi) -> None:
    sent = emsp.ask("POST", "/commands/START_SESSION", START)

    assert emsp.call("POST", f"/commands/{sent['id']}/result", {"result": "ACCEPTED"}).status == 409


def test_commands_are_listed_in_pages(network: Network, cpo: OperatorApi, in_moto: None) -> None:
    hub = network["hub"]
    for number in range(3):
        path = "/receiver/commands/START_SESSION"
        network["cpo"].call(hub, "POST", path, start(hub, str(number)), x_request_id=str(number))

    pages = [cpo.call("GET", "/commands?limit=2"), cpo.call("GET", "/commands?limit=2&offset=2")]

    assert [len(page.json) for page in pages] == [2, 1]
    assert pages[0].headers["X-Total-Count"] == "3"
    with measured(cpo.node.table) as spent:
        cpo.ask("GET", "/commands?state=PENDING&limit=2")
    assert len(spent.calls) <= 4, spent.calls
