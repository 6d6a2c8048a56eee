"""Tests of commands from an eMSP through a hub to a CPO, and of their results on the way back.

Source: OCPI 2.2.1 mod_commands_flow; RTE-33, CMD-05, CMD-06, CMD-15, CMD-18, TRP-22, TRP-43
"""

from __future__ import annotations

from typing import Any

from chalicelib.async_requests.view import show
from chalicelib.calls.answers import PartnerFault, RawAnswer
from chalicelib.modules.commands.kind import COMMAND
from chalicelib.modules.commands.operator_commands import take_result
from chalicelib.protocol.json_text import Document, write_json
from tests.modules.commands.network import Member, Network, response_url, token
from tests.modules.commands.round_trip import network as network
from tests.modules.commands.round_trip import results_at, send, send_start


def test_a_command_goes_through_the_hub_and_its_result_comes_back(
    network: Network, cpo: Member, hub: Member, emsp: Member
) -> None:
    sent = send_start(emsp, authorization_reference="auth-1")
    network.run_due()

    take_result(cpo.node, cpo.csms.received[0]["id"], {"result": "ACCEPTED", "message": "go"})
    network.run_due()

    assert (sent["state"], sent["response"]["result"]) == ("PENDING", "ACCEPTED")
    assert cpo.csms.received[0]["request"]["authorization_reference"] == "auth-1"
    arrived = show(COMMAND, emsp.the_command())
    assert (arrived["id"], arrived["state"]) == (sent["id"], "COMPLETED")
    assert arrived["result"]["message"] == [{"language": "en", "text": "go"}]
    assert [show(COMMAND, one.the_command())["result"]["posted"] for one in (cpo, hub)] == ["SENT", "SENT"]


def test_the_hub_sends_a_response_url_of_its_own(
    network: Network, cpo: Member, hub: Member, emsp: Member
) -> None:
    """Source: RTE-33"""
    sent = send_start(emsp)

    ours, theirs = emsp.the_command(), hub.the_command()
    assert hub.the_command().response_url == response_url(emsp, "START_SESSION", ours.id)
    assert cpo.the_command().response_url == response_url(hub, "START_SESSION", theirs.id)
    assert sent["to"] == {"country_code": "PT", "party_id": "ABC", "partner": "hub"}


def test_a_result_is_a_bare_object_with_the_command_s_correlation(
    network: Network, cpo: Member, hub: Member, emsp: Member
) -> None:
    """Source: CMD-06, CMD-18, TRP-43"""
    send_start(emsp)
    take_result(cpo.node, cpo.the_command().id, {"result": "FAILED"})
    network.run_due()

    ((_, at_hub, body),) = cpo.sent("/sender/commands/")
    ((_, at_emsp, relayed),) = hub.sent("/sender/commands/")
    assert body == relayed == {"result": "FAILED"}
    for headers in (at_hub, at_emsp):
        assert headers["x-correlation-id"] == "the-correlation"
        assert (headers["ocpi-from-party-id"], headers["ocpi-to-party-id"]) == ("ABC", "EVI")
    assert at_hub["x-request-id"] != at_emsp["x-request-id"]


def test_two_starts_on_one_evse_each_get_their_own_result(
    network: Network, cpo: Member, emsp: Member
) -> None:
    first = send_start(emsp, "r1", token=token(uid="APP-1"))
    second = send_start(emsp, "r2", token=token(uid="APP-2"))
    network.run_due()

    for received in cpo.csms.received:
        result = "ACCEPTED" if received["request"]["token"]["uid"] == "APP-1" else "EVSE_OCCUPIED"
        take_result(cpo.node, received["id"], {"result": result})
    network.run_due()

    assert show(COMMAND, emsp.command(first["id"]))["result"]["result"] == "ACCEPTED"
    assert show(COMMAND, emsp.command(second["id"]))["result"]["result"] == "EVSE_OCCUPIED"


def test_a_command_sent_twice_is_one_command(
    network: Network, cpo: Member, hub: Member, emsp: Member
) -> None:
    first = send_start(emsp, "r1")

    assert send_start(emsp, "r1")["id"] == first["id"]
    network.run_due()
    assert len(cpo.csms.received) == len(cpo.commands()) == len(hub.commands()) == 1


def test_a_command_whose_answer_was_lost_can_be_sent_again(
    network: Network, cpo: Member, emsp: Member
) -> None:
    """The eMSP did not get the hub's answer. Sent again, it is the same command at the hub."""
    emsp.client.faults.append(lambda method, url: _lost_answer(emsp, url))
    first = send_start(emsp, "r1")
    emsp.client.faults.clear()

    second = send_start(emsp, "r1")

    assert (first["id"], first["state"]) == (second["id"], "PENDING")
    assert "did not answer in time" in first["problem"]
    assert second["response"]["result"] == "ACCEPTED"
    assert len(cpo.commands()) == 1


def _lost_answer(member: Member, url: str) -> Exception:
    """Deliver the last request and return the error for its lost answer."""
    _, _, headers, body = member.client.requests[-1]
    public, path = url[: url.index("/", 8)], url[url.index("/", 8) :]
    member.client._hosts[public].receive("POST", path, headers, write_json(body))
    return PartnerFault("did not answer in time", timed_out=True)


def test_a_result_that_arrives_before_the_hub_accepts_is_posted_after_that(
    network: Network, cpo: Member, hub: Member, emsp: Member
) -> None:
    """The CPO's answer got lost. It gets the command twice and takes both as one. Source: CMD-05, TRN-20"""
    hub.client.faults.append(lambda method, url: _lost_answer(hub, url))
    slow = send_start(emsp)
    hub.client.faults.clear()
    take_result(cpo.node, cpo.the_command().id, {"result": "ACCEPTED"})
    network.run_due()

    again = send_start(emsp)
    network.run_due(seconds=60)

    assert (slow["state"], again["response"]["result"]) == ("REFUSED", "ACCEPTED")
    assert [body for _, _, body in hub.sent("/sender/commands/")] == [{"result": "ACCEPTED"}]
    assert show(COMMAND, emsp.the_command())["state"] == "COMPLETED"
    assert len(cpo.sent("/sender/commands/")) == 1


def test_a_command_that_the_hub_sends_again_keeps_its_request_id(
    network: Network, cpo: Member, hub: Member, emsp: Member
) -> None:
    """The CPO starts one session only, however late the second request is. Source: TRN-20"""
    hub.client.faults.append(lambda method, url: _lost_answer(hub, url))
    send_start(emsp)
    hub.client.faults.clear()
    for member in network.members.values():
        member.clock.forward(minutes=6)

    send_start(emsp)
    network.run_due()

    ids = [headers["x-request-id"] for _, headers, _ in hub.sent("/receiver/commands/")]
    assert ids == [hub.the_command().id] * 2
    assert len(cpo.commands()) == 1


def test_only_the_partner_that_got_the_command_may_post_its_result(
    network: Network, cpo: Member, hub: Member, emsp: Member
) -> None:
    send_start(emsp)
    path = f"/sender/commands/START_SESSION/{hub.the_command().id}"

    answer = hub.call(emsp, "POST", path, {"result": "ACCEPTED"})

    assert (answer.status, answer.json["status_code"]) == (404, 2001)
    assert hub.the_command().result is None


def test_a_result_in_an_envelope_is_taken_and_answered_without_data(
    network: Network, cpo: Member, hub: Member, emsp: Member
) -> None:
    """Source: CMD-06, TRP-22"""
    send_start(emsp)
    path = f"/sender/commands/START_SESSION/{hub.the_command().id}"

    answer = hub.call(cpo, "POST", path, {"data": {"result": "FAILED"}, "status_code": 1000})

    assert (answer.status, answer.json["status_code"], "data" in answer.json) == (200, 1000, False)
    network.run_due()
    assert results_at(emsp) == ["FAILED"]


def reserve(member: Member, request_id: str = "r1", **fields: Any) -> Document:
    document = {"token": token(), "location_id": "L1", "expiry_date": "2026-03-01T13:00:00Z", **fields}
    return send(member, "RESERVE_NOW", request_id, reservation_id="R1", **document)


def test_a_cancellation_by_the_cpo_is_posted_to_the_same_response_url(
    network: Network, cpo: Member, hub: Member, emsp: Member
) -> None:
    """Source: CMD-15"""
    reserve(emsp)
    command_id = cpo.the_command().id
    take_result(cpo.node, command_id, {"result": "ACCEPTED"})
    network.run_due()

    take_result(cpo.node, command_id, {"result": "CANCELED_RESERVATION"})
    network.run_due()

    urls = [url for url, _, _ in hub.sent("/sender/commands/")]
    assert len(urls) == 2 and len(set(urls)) == 1
    shown = show(COMMAND, emsp.the_command())
    assert (shown["result"]["result"], shown["cancellation"]["result"]) == (
        "ACCEPTED",
        "CANCELED_RESERVATION",
    )


def test_a_cancellation_does_not_overtake_the_result(
    network: Network, cpo: Member, hub: Member, emsp: Member
) -> None:
    """Source: CMD-15"""
    failures = iter([500, 500])

    def fail(method: str, url: str) -> RawAnswer | None:
        status = next(failures, None)
        return RawAnswer(status, {}, b"", emsp.node.settings.freshness) if status else None

    reserve(emsp)
    cpo.client.faults.append(fail)
    command_id = cpo.the_command().id
    take_result(cpo.node, command_id, {"result": "ACCEPTED"})
    take_result(cpo.node, command_id, {"result": "CANCELED_RESERVATION"})

    network.run_due(seconds=10)

    results = [body["result"] for _, _, body in cpo.sent("/sender/commands/")]
    assert results == ["ACCEPTED"] * 3 + ["CANCELED_RESERVATION"]
    assert "cancellation" in show(COMMAND, emsp.the_command())


def test_a_reservation_is_cancelled_by_the_id_that_its_sender_chose(
    network: Network, cpo: Member, emsp: Member
) -> None:
    """The CSMS gets another id. Source: CMD-14"""
    reserve(emsp)
    send(emsp, "CANCEL_RESERVATION", "r2", reservation_id="R1")
    network.run_due()

    made, cancelled = (one["request"]["reservation_id"] for one in cpo.csms.received)
    assert made == cancelled != "R1"


def test_the_same_reservation_again_replaces_it(network: Network, cpo: Member, emsp: Member) -> None:
    """Source: CMD-13"""
    reserve(emsp, "r1")
    reserve(emsp, "r2", expiry_date="2026-03-01T14:00:00Z")
    network.run_due()

    first, second = (one["request"]["reservation_id"] for one in cpo.csms.received)
    assert first == second
