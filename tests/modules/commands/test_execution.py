"""Commands at a CPO: checks, storing, repeated commands, delivery to the CSMS, and cost.

Source: OCPI 2.2.1 mod_commands, Receiver Interface; CMD-01 … CMD-16, TRP-12, TRP-22, TRP-23, TRP-38
"""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.calls.answers import RawAnswer
from chalicelib.modules.commands import receiver
from chalicelib.modules.commands.objects import COMMANDS
from chalicelib.modules.commands.operator_commands import take_result
from chalicelib.modules.commands.view import show
from chalicelib.policy.remote_starts import find_authorized, find_start
from chalicelib.protocol.json_text import Document, read_json, write_json
from chalicelib.protocol.message import Request
from tests.flows import wrong
from tests.modules.builders import evse, without
from tests.modules.commands.conftest import Networks
from tests.modules.commands.network import (
    EVI,
    MOST_RECEIVES,
    XYZ,
    Member,
    Network,
    add_webhook,
    keep_location,
    keep_session,
    response_url,
    start,
    token,
)
from tests.nodes import Answer
from tests.storage.capacity import measured

DONE = b'{"status_code": 1000, "timestamp": "2026-03-01T12:00:00Z"}'
SEVERAL = {"capabilities": ["START_SESSION_CONNECTOR_REQUIRED"]}


@pytest.fixture
def network(networks: Networks) -> Network:
    """A CPO with a location and a CSMS, and two eMSPs."""
    network = networks("emsp", "cpo", "other")
    keep_location(network["cpo"], "L1", "", evse(), evse("E2", **SEVERAL), evse("E3", status="REMOVED"))
    add_webhook(network["cpo"])
    return network


@pytest.fixture
def cpo(network: Network) -> Member:
    return network["cpo"]


@pytest.fixture
def emsp(network: Network) -> Member:
    return network["emsp"]


def post(cpo: Member, caller: Member, name: str, document: Any, **headers: str) -> Answer:
    return cpo.call(caller, "POST", f"/receiver/commands/{name}", document, **headers)


def codes(answer: Answer) -> tuple[int, int, str | None]:
    """HTTP status, OCPI status code, result."""
    data = answer.json.get("data") or {}
    return answer.status, answer.json["status_code"], data.get("result")


def unlock(caller: Member, **fields: Any) -> Document:
    ids = {"location_id": "L1", "evse_uid": "E1", "connector_id": "1"}
    return {"response_url": response_url(caller, "UNLOCK_CONNECTOR"), **ids, **fields}


def reserve(caller: Member, **fields: Any) -> Document:
    return {
        "response_url": response_url(caller, "RESERVE_NOW", fields.pop("response_id", "1")),
        "token": token(),
        "expiry_date": "2026-03-01T13:00:00Z",
        "reservation_id": "R1",
        "location_id": "L1",
        **fields,
    }


def stop(caller: Member, session_id: str = "S1", response_id: str = "1") -> Document:
    return {"response_url": response_url(caller, "STOP_SESSION", response_id), "session_id": session_id}


def cancel(caller: Member, reservation_id: str = "R1") -> Document:
    url = response_url(caller, "CANCEL_RESERVATION")
    return {"response_url": url, "reservation_id": reservation_id}


# -- accepting ---------------------------------------------------------------------------------------


def test_an_accepted_command_is_stored_and_delivered_to_the_csms(
    network: Network, cpo: Member, emsp: Member
) -> None:
    """Source: CMD-03, CMD-05"""
    answer = post(cpo, emsp, "START_SESSION", start(emsp))

    assert (answer.status, answer.json["status_code"]) == (200, 1000)
    assert answer.json["data"] == {"result": "ACCEPTED", "timeout": 35}
    network.run_due()
    (received,) = cpo.csms.received
    assert (received["command"], received["state"]) == ("START_SESSION", "PENDING")
    assert received["request"]["token"]["uid"] == "APP-1"
    assert received["from"] == {"country_code": "PT", "party_id": "EVI", "partner": "emsp"}
    assert "response_url" not in received["request"]


def test_the_validity_of_the_token_is_not_checked(cpo: Member, emsp: Member) -> None:
    """Source: CMD-10, TRP-38"""
    document = start(emsp, token=token(valid=False, whitelist="NEVER", type="RFID"))

    assert codes(post(cpo, emsp, "START_SESSION", document)) == (200, 1000, "ACCEPTED")


def test_the_partner_that_started_a_session_is_found_by_its_token(cpo: Member, emsp: Member) -> None:
    """Source: CMD-10"""
    post(cpo, emsp, "START_SESSION", start(emsp, authorization_reference="auth-1"))

    found = find_start(cpo.node.table, token(), "AUTH-1")
    latest = find_start(cpo.node.table, token())
    assert found == latest
    assert found is not None and (found.partner_id, found.evse_uid) == ("emsp", "E1")
    assert find_start(cpo.node.table, token(uid="APP-2"), "auth-1") is None


def test_a_token_in_a_command_is_authorized_with_the_command_s_reference(cpo: Member, emsp: Member) -> None:
    """Source: CMD-11"""
    document = start(emsp, authorization_reference="auth-1")
    post(cpo, emsp, "START_SESSION", document)

    found = find_authorized(cpo.node.table, "app-1", document["token"]["type"], None)

    assert found is not None
    assert (read_json(found.token), found.start.authorization_reference) == (document["token"], "auth-1")


def test_a_command_is_not_accepted_when_it_cannot_be_queued(
    network: Network, cpo: Member, emsp: Member
) -> None:
    """Sent again with the same X-Request-ID, it is queued and is still one command."""
    cpo.queue.is_broken = True
    refused = post(cpo, emsp, "START_SESSION", start(emsp), x_request_id="r1")
    cpo.queue.is_broken = False

    again = post(cpo, emsp, "START_SESSION", start(emsp), x_request_id="r1")

    assert (codes(refused), codes(again)) == ((200, 3000, None), (200, 1000, "ACCEPTED"))
    network.run_due(seconds=5)
    assert len(cpo.csms.received) == len(cpo.commands()) == 1


def test_a_stored_command_times_out_when_its_delivery_could_not_be_queued(
    network: Network, cpo: Member, emsp: Member
) -> None:
    """Its deadline is queued before it is stored. Source: CMD-05"""
    cpo.queue.breaks_after = 1
    post(cpo, emsp, "START_SESSION", start(emsp))
    cpo.queue.breaks_after = None

    network.run_due(seconds=32)

    assert show(cpo.the_command())["state"] == "TIMED_OUT"


# -- coming twice ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_ids", "response_ids"), [(("r1", "r1"), ("1", "2")), (("r1", "r2"), ("1", "1"))]
)
def test_a_repeated_command_is_the_same_command(
    network: Network, cpo: Member, emsp: Member, request_ids: tuple[str, str], response_ids: tuple[str, str]
) -> None:
    """A repeated command is recognised by X-Request-ID, and by response_url."""
    answers = [
        post(cpo, emsp, "START_SESSION", start(emsp, response_id), x_request_id=request_id)
        for request_id, response_id in zip(request_ids, response_ids, strict=True)
    ]

    assert answers[0].json["data"] == answers[1].json["data"]
    network.run_due(seconds=5)
    assert len(cpo.csms.received) == len(cpo.commands()) == 1


def test_commands_with_other_content_under_the_same_response_url_are_new_commands(
    cpo: Member, emsp: Member
) -> None:
    """A unique URL is only recommended. Source: OCPI 2.2.1 mod_commands_msp_post_method"""
    post(cpo, emsp, "START_SESSION", start(emsp), x_request_id="r1")
    post(cpo, emsp, "START_SESSION", start(emsp, token=token(uid="APP-2")), x_request_id="r2")
    cpo.clock.forward(minutes=6)
    post(cpo, emsp, "START_SESSION", start(emsp, token=token(uid="APP-2")), x_request_id="r3")

    assert len(cpo.commands()) == 3


def test_a_response_url_means_the_same_command_until_its_result_is_posted(
    network: Network, cpo: Member, emsp: Member
) -> None:
    """After the end of the first command, a new X-Request-ID makes a new command."""
    post(cpo, emsp, "START_SESSION", start(emsp), x_request_id="r1")
    take_result(cpo.node, cpo.the_command().id, {"result": "FAILED"})
    post(cpo, emsp, "START_SESSION", start(emsp), x_request_id="r2")
    assert len(cpo.commands()) == 1
    cpo.client.faults.append(lambda *_: RawAnswer(200, {}, DONE, cpo.node.settings.freshness))
    network.run_due()

    post(cpo, emsp, "START_SESSION", start(emsp), x_request_id="r1")
    assert len(cpo.commands()) == 1
    post(cpo, emsp, "START_SESSION", start(emsp), x_request_id="r3")
    assert len(cpo.commands()) == 2


def test_two_partners_may_use_the_same_request_id(network: Network, cpo: Member, emsp: Member) -> None:
    other = network["other"]
    document = start(other, token=token(party_id="XYZ"))
    post(cpo, emsp, "START_SESSION", start(emsp), x_request_id="r1")
    post(cpo, other, "START_SESSION", document, x_request_id="r1")

    assert sorted(command.partner_id for command in cpo.commands()) == ["emsp", "other"]


# -- refusing ----------------------------------------------------------------------------------------


def test_only_an_emsp_or_a_hub_sends_commands(networks: Networks) -> None:
    """Source: OCPI 2.2.1 mod_commands, Sender Interface"""
    network = networks("hub", "cpo")
    keep_location(network["cpo"])
    for caller, taker in (("hub", "cpo"), ("cpo", "hub")):
        document = unlock(network[caller])
        answer = post(network[taker], network[caller], "UNLOCK_CONNECTOR", document)
        expected = (200, 1000, "ACCEPTED") if caller == "hub" else (200, 2000, "REJECTED")
        assert codes(answer) == expected
    assert not network["hub"].commands()


def test_a_long_body_is_parsed_only_after_authentication(cpo: Member, emsp: Member) -> None:
    document = start(emsp, x_note="x" * 64 * 1024)
    request = Request(
        method="POST",
        path={"command": "START_SESSION"},
        query={},
        headers={"content-type": "application/json"},
        body=write_json(document),
        request_id="r1",
        correlation_id="c1",
        base_url="",
        url="",
    )
    (route,) = receiver.INTERFACE.routes

    assert route.keys is not None and not route.keys(cpo.node, request)
    assert codes(post(cpo, emsp, "START_SESSION", document)) == (200, 1000, "ACCEPTED")


@pytest.mark.parametrize(
    ("name", "fields", "field"),
    [
        ("START_SESSION", {"location_id": "L9"}, "location_id"),
        ("START_SESSION", {"evse_uid": "E9"}, "evse_uid"),
        ("START_SESSION", {"evse_uid": "E3"}, "evse_uid"),
        ("START_SESSION", {"connector_id": "9"}, "connector_id"),
        ("RESERVE_NOW", {"location_id": "L9"}, "location_id"),
        ("UNLOCK_CONNECTOR", {"evse_uid": "E9"}, "evse_uid"),
        ("UNLOCK_CONNECTOR", {"connector_id": "9"}, "connector_id"),
    ],
)
def test_an_unknown_location_evse_or_connector_is_2003_and_rejected(
    network: Network, cpo: Member, emsp: Member, name: str, fields: Document, field: str
) -> None:
    """Source: CMD-07, TRP-12"""
    make = {"START_SESSION": start, "RESERVE_NOW": reserve, "UNLOCK_CONNECTOR": unlock}[name]

    answer = post(cpo, emsp, name, make(emsp, **fields))

    assert codes(answer) == (200, 2003, "REJECTED")
    assert field in answer.json["status_message"]
    assert not cpo.commands()


def test_a_connector_id_without_an_evse_uid_is_2001(cpo: Member, emsp: Member) -> None:
    """Source: CMD-09"""
    answer = post(cpo, emsp, "START_SESSION", without(start(emsp, connector_id="1"), "evse_uid"))

    assert codes(answer) == (200, 2001, None)
    assert "connector_id" in answer.json["status_message"]


def test_an_evse_may_require_a_connector_id(cpo: Member, emsp: Member) -> None:
    """Source: CMD-09"""
    without_one = post(cpo, emsp, "START_SESSION", start(emsp, evse_uid="E2"))
    with_one = post(cpo, emsp, "START_SESSION", start(emsp, evse_uid="E2", connector_id="1"))

    assert codes(without_one) == (200, 2001, None)
    assert codes(with_one) == (200, 1000, "ACCEPTED")


def test_a_token_of_another_emsp_is_refused(cpo: Member, emsp: Member) -> None:
    """Source: CMD-12"""
    answer = post(cpo, emsp, "START_SESSION", start(emsp, token=token(party_id="XYZ")))

    assert codes(answer) == (200, 2001, "REJECTED")
    assert "token.party_id" in answer.json["status_message"]


@pytest.mark.parametrize(
    "url",
    [
        "https://10.0.0.1/result",
        "https://169.254.169.254/latest",
        "http://emsp.example/result",
        "https://other.example/result",
        "https://localhost/result",
        "https://user@emsp.example/",
    ],
)
def test_a_response_url_that_is_not_the_caller_s_is_refused(cpo: Member, emsp: Member, url: str) -> None:
    """Source: TRP-23"""
    answer = post(cpo, emsp, "START_SESSION", start(emsp, response_url=url))

    assert codes(answer) == (200, 2001, None)
    assert "response_url" in answer.json["status_message"]


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("START_SESSION", {"token": {}}),
        ("START_SESSION", {"location_id": "x" * 5000}),
        ("START_SESSION", {"location_id": 1}),
        ("START_SESSION", {"response_url": None}),
        ("UNLOCK_CONNECTOR", {"evse_uid": None}),
        ("RESERVE_NOW", {"expiry_date": "tomorrow"}),
        ("RESERVE_NOW", {"reservation_id": ""}),
    ],
)
def test_a_body_that_does_not_fit_its_command_is_2001(
    cpo: Member, emsp: Member, name: str, document: Document
) -> None:
    """Source: CMD-02"""
    make = {"START_SESSION": start, "RESERVE_NOW": reserve, "UNLOCK_CONNECTOR": unlock}[name]

    answer = post(cpo, emsp, name, {**make(emsp), **document})

    assert codes(answer) == (200, 2001, None)
    assert next(iter(document)) in answer.json["status_message"]


@pytest.mark.parametrize("body", ["[]", "null", "1"])
def test_a_body_that_is_no_object_is_2001(cpo: Member, emsp: Member, body: str) -> None:
    assert codes(post(cpo, emsp, "STOP_SESSION", body)) == (200, 2001, None)


@pytest.mark.parametrize("name", COMMANDS)
def test_invalid_json_and_hostile_bodies_are_refused(cpo: Member, emsp: Member, name: str) -> None:
    """Source: STA-01"""
    for body in (*wrong.NOT_JSON.values(), *wrong.HOSTILE.values()):
        text = body.decode("utf-8", "surrogateescape")
        assert codes(post(cpo, emsp, name, text)) in [(400, 2001, None), (200, 2001, None)]
    assert not cpo.commands()


def test_an_unknown_command_is_404_and_another_method_405(cpo: Member, emsp: Member) -> None:
    """Source: CMD-01"""
    assert codes(post(cpo, emsp, "EXPLODE", {})) == (404, 2001, None)
    assert codes(post(cpo, emsp, "start_session", start(emsp))) == (404, 2001, None)
    assert codes(cpo.call(emsp, "GET", "/receiver/commands/START_SESSION", None)) == (405, 2001, None)


# -- sessions ----------------------------------------------------------------------------------------


def list_of(party: Any) -> str:
    return f"sessions#PT*ABC#{party.key()}#EMSP"


def test_a_session_of_the_sender_is_stopped(network: Network, cpo: Member, emsp: Member) -> None:
    keep_session(cpo, list_of(EVI))

    assert codes(post(cpo, emsp, "STOP_SESSION", stop(emsp))) == (200, 1000, "ACCEPTED")
    network.run_due()
    assert cpo.csms.received[0]["request"] == {"session_id": "S1"}


def test_an_unknown_an_ended_and_another_emsps_session_are_not_stopped(cpo: Member, emsp: Member) -> None:
    """Source: CMD-08"""
    keep_session(cpo, list_of(XYZ))
    keep_session(cpo, list_of(EVI), id="S2", status="COMPLETED")

    answers = [post(cpo, emsp, "STOP_SESSION", stop(emsp, s, s)) for s in ("S9", "S1", "S2")]

    assert [codes(answer) for answer in answers] == [
        (200, 1000, "UNKNOWN_SESSION"),
        (200, 1000, "REJECTED"),
        (200, 1000, "REJECTED"),
    ]
    assert not cpo.commands()


def test_a_repeated_stop_gets_the_same_answer_after_the_session_has_ended(cpo: Member, emsp: Member) -> None:
    keep_session(cpo, list_of(EVI))
    first = post(cpo, emsp, "STOP_SESSION", stop(emsp), x_request_id="r1")
    keep_session(cpo, list_of(EVI), status="COMPLETED", last_updated="2026-11-24T09:00:00Z")

    again = post(cpo, emsp, "STOP_SESSION", stop(emsp), x_request_id="r1")

    assert codes(first) == codes(again) == (200, 1000, "ACCEPTED")


# -- reservations ------------------------------------------------------------------------------------


def test_an_unknown_reservation_is_reported_as_a_result(network: Network, cpo: Member, emsp: Member) -> None:
    """Source: CMD-16"""
    answer = post(cpo, emsp, "CANCEL_RESERVATION", cancel(emsp))
    network.run_due(seconds=2)

    assert codes(answer) == (200, 1000, "ACCEPTED")
    ((url, _, body),) = cpo.sent("/sender/commands/")
    assert (url, body) == (response_url(emsp, "CANCEL_RESERVATION"), {"result": "UNKNOWN_RESERVATION"})
    assert not cpo.csms.received


def test_two_emsps_may_choose_the_same_reservation_id(network: Network, cpo: Member, emsp: Member) -> None:
    """Source: CMD-14"""
    other = network["other"]
    post(cpo, emsp, "RESERVE_NOW", reserve(emsp))
    post(cpo, other, "RESERVE_NOW", reserve(other, token=token(party_id="XYZ")))
    post(cpo, other, "CANCEL_RESERVATION", cancel(other, "r1"))
    network.run_due()

    ids = {
        (each["command"], each["from"]["party_id"]): each["request"]["reservation_id"]
        for each in cpo.csms.received
    }
    assert ids["CANCEL_RESERVATION", "XYZ"] == ids["RESERVE_NOW", "XYZ"] != ids["RESERVE_NOW", "EVI"]


# -- to the CSMS -------------------------------------------------------------------------------------


def test_a_failed_delivery_is_tried_again_with_the_same_message_id(
    network: Network, cpo: Member, emsp: Member
) -> None:
    cpo.csms.failures = 2
    post(cpo, emsp, "START_SESSION", start(emsp))

    network.run_due(seconds=5)

    shown = show(cpo.the_command())
    assert (cpo.csms.ids, shown["delivered_to"]) == ([shown["id"]], ["csms"])


def test_delivery_stops_at_the_deadline(network: Network, cpo: Member, emsp: Member) -> None:
    cpo.csms.failures = 1000
    post(cpo, emsp, "START_SESSION", start(emsp))

    network.run_due(seconds=40)

    shown = show(cpo.the_command())
    assert (shown["state"], cpo.csms.received) == ("TIMED_OUT", [])
    assert "webhook csms answered HTTP 500" in shown["problem"]
    assert not cpo.queue.waiting


def test_delivery_is_tried_until_the_deadline(network: Network, cpo: Member, emsp: Member) -> None:
    """Each try is a new message: one message would be in the dead-letter queue before the deadline."""
    cpo.host.node = replace(
        cpo.node, settings=replace(cpo.node.settings, command_time=timedelta(seconds=180))
    )
    cpo.csms.failures = MOST_RECEIVES + 5
    post(cpo, emsp, "START_SESSION", start(emsp))

    network.run_due(seconds=120)

    assert (len(cpo.csms.received), cpo.queue.dead) == (1, [])


def test_all_webhooks_are_called_in_parallel(network: Network, cpo: Member, emsp: Member) -> None:
    add_webhook(cpo, "second")
    cpo.csms.meeting = threading.Barrier(2)
    post(cpo, emsp, "START_SESSION", start(emsp))

    network.run_due()

    assert show(cpo.the_command())["delivered_to"] == ["csms", "second"]


# -- what it costs -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "at_most"),
    [("START_SESSION", 3), ("UNLOCK_CONNECTOR", 3), ("STOP_SESSION", 2), ("RESERVE_NOW", 3)],
)
def test_a_command_costs_few_calls(cpo: Member, emsp: Member, name: str, at_most: int) -> None:
    keep_session(cpo, list_of(EVI))
    make = {"START_SESSION": start, "RESERVE_NOW": reserve, "UNLOCK_CONNECTOR": unlock, "STOP_SESSION": stop}
    document = make[name](emsp)  # type: ignore[operator]

    with measured(cpo.node.table) as spent:
        answer = post(cpo, emsp, name, document)

    assert codes(answer) == (200, 1000, "ACCEPTED")
    assert len(spent.calls) <= at_most, spent.calls
