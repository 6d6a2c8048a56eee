"""Tests of commands that a CPO accepts, delivers and recognises when they are repeated.

Source: OCPI 2.2.1 mod_commands, Receiver Interface; CMD-01 … CMD-16, TRP-12, TRP-38
"""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.async_requests.view import show
from chalicelib.calls.answers import RawAnswer
from chalicelib.modules.commands.kind import COMMAND
from chalicelib.modules.commands.operator_commands import take_result
from chalicelib.policy.remote_starts import find_authorized, find_start
from chalicelib.protocol.json_text import read_json
from tests.modules.commands.network import (
    EVI,
    MOST_RECEIVES,
    XYZ,
    Member,
    Network,
    add_webhook,
    keep_session,
    response_url,
    start,
    token,
)
from tests.modules.commands.receiving import cancel, codes, post, reserve, stop, unlock
from tests.modules.commands.receiving import network as network
from tests.storage.capacity import measured

DONE = b'{"status_code": 1000, "timestamp": "2026-03-01T12:00:00Z"}'


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

    assert show(COMMAND, cpo.the_command())["state"] == "TIMED_OUT"


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


def test_a_failed_delivery_is_tried_again_with_the_same_message_id(
    network: Network, cpo: Member, emsp: Member
) -> None:
    cpo.csms.failures = 2
    post(cpo, emsp, "START_SESSION", start(emsp))

    network.run_due(seconds=5)

    shown = show(COMMAND, cpo.the_command())
    assert (cpo.csms.ids, shown["delivered_to"]) == ([shown["id"]], ["csms"])


def test_delivery_stops_at_the_deadline(network: Network, cpo: Member, emsp: Member) -> None:
    cpo.csms.failures = 1000
    post(cpo, emsp, "START_SESSION", start(emsp))

    network.run_due(seconds=40)

    shown = show(COMMAND, cpo.the_command())
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

    assert show(COMMAND, cpo.the_command())["delivered_to"] == ["csms", "second"]


@pytest.mark.usefixtures("in_moto")
@pytest.mark.parametrize(
    ("name", "at_most"),
    [("START_SESSION", 3), ("UNLOCK_CONNECTOR", 3), ("STOP_SESSION", 2), ("RESERVE_NOW", 3)],
)
def test_a_command_costs_few_calls(cpo: Member, emsp: Member, name: str, at_most: int, in_moto: None) -> None:
    keep_session(cpo, list_of(EVI))
    make = {"START_SESSION": start, "RESERVE_NOW": reserve, "UNLOCK_CONNECTOR": unlock, "STOP_SESSION": stop}
    document = make[name](emsp)  # type: ignore[operator]

    with measured(cpo.node.table) as spent:
        answer = post(cpo, emsp, name, document)

    assert codes(answer) == (200, 1000, "ACCEPTED")
    assert len(spent.calls) <= at_most, spent.calls
