"""Commands from an eMSP through a hub to a CPO, and their results on the way back.

Source: OCPI 2.2.1 mod_commands_flow; RTE-33, CMD-05, CMD-06, CMD-15 … CMD-20, TRP-22, TRP-43
"""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.calls.answers import PartnerFault, RawAnswer
from chalicelib.errors import ClientError
from chalicelib.modules.commands.operator_commands import send_command, take_result
from chalicelib.modules.commands.view import show
from chalicelib.protocol.json_text import Document, write_json
from chalicelib.protocol.message import Request
from tests.modules.commands.conftest import Networks
from tests.modules.commands.network import (
    Member,
    Network,
    add_webhook,
    keep_location,
    response_url,
    start,
    token,
)


@pytest.fixture
def network(networks: Networks) -> Network:
    """An eMSP, a hub and a CPO; all three have the CPO's location."""
    network = networks("cpo", "hub", "emsp")
    keep_location(network["cpo"])
    keep_location(network["hub"], source="cpo")
    keep_location(network["emsp"], source="hub")
    add_webhook(network["cpo"])
    return network


@pytest.fixture
def cpo(network: Network) -> Member:
    return network["cpo"]


@pytest.fixture
def hub(network: Network) -> Member:
    return network["hub"]


@pytest.fixture
def emsp(network: Network) -> Member:
    return network["emsp"]


def send(member: Member, name: str, request_id: str = "r1", **document: Any) -> Document:
    public = member.node.settings.public_url
    request = Request(
        method="POST",
        url=f"{public}/operator/commands/{name}",
        base_url=f"{public}/ocpi",
        path={},
        query={},
        headers={},
        body=None,
        request_id=request_id,
        correlation_id="the-correlation",
    )
    return show(send_command(member.node, request, name, document, None))


def send_start(member: Member, request_id: str = "r1", **fields: Any) -> Document:
    document = {"token": token(), "location_id": "L1", "evse_uid": "E1", **fields}
    return send(member, "START_SESSION", request_id, **document)


def results_at(member: Member) -> list[str]:
    return [show(command)["result"]["result"] for command in member.commands() if command.result]


def test_a_command_goes_through_the_hub_and_its_result_comes_back(
    network: Network, cpo: Member, hub: Member, emsp: Member
) -> None:
    sent = send_start(emsp, authorization_reference="auth-1")
    network.run_due()

    take_result(cpo.node, cpo.csms.received[0]["id"], {"result": "ACCEPTED", "message": "go"})
    network.run_due()

    assert (sent["state"], sent["response"]["result"]) == ("PENDING", "ACCEPTED")
    assert cpo.csms.received[0]["request"]["authorization_reference"] == "auth-1"
    arrived = show(emsp.the_command())
    assert (arrived["id"], arrived["state"]) == (sent["id"], "COMPLETED")
    assert arrived["result"]["message"] == [{"language": "en", "text": "go"}]
    assert [show(one.the_command())["result"]["posted"] for one in (cpo, hub)] == ["SENT", "SENT"]


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

    assert show(emsp.command(first["id"]))["result"]["result"] == "ACCEPTED"
    assert show(emsp.command(second["id"]))["result"]["result"] == "EVSE_OCCUPIED"


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
    assert show(emsp.the_command())["state"] == "COMPLETED"
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


# -- faults ------------------------------------------------------------------------------------------


def test_a_silent_csms_gives_the_emsp_a_timeout_in_time(network: Network, cpo: Member, emsp: Member) -> None:
    """Source: CMD-16, CMD-17"""
    send_start(emsp)

    network.run_due(seconds=32)

    arrived = show(emsp.the_command())
    assert (arrived["state"], arrived["result"]["result"]) == ("COMPLETED", "TIMEOUT")
    assert show(cpo.the_command())["state"] == "TIMED_OUT"


def test_a_late_result_is_recorded_and_not_posted_twice(
    network: Network, cpo: Member, hub: Member, emsp: Member
) -> None:
    send_start(emsp)
    network.run_due(seconds=40)

    take_result(cpo.node, cpo.the_command().id, {"result": "ACCEPTED"})
    network.run_due(seconds=5)

    shown = show(cpo.the_command())
    assert (shown["result"]["result"], shown["late_result"]["result"]) == ("TIMEOUT", "ACCEPTED")
    assert results_at(emsp) == ["TIMEOUT"]
    assert len(cpo.sent("/sender/commands/")) == len(hub.sent("/sender/commands/")) == 1


def test_a_result_is_posted_again_after_an_error_and_then_arrives_once(
    network: Network, cpo: Member, hub: Member, emsp: Member
) -> None:
    failures = iter([500, 500])

    def fail(method: str, url: str) -> RawAnswer | None:
        status = next(failures, None) if "/sender/" in url else None
        return RawAnswer(status, {}, b"", emsp.node.settings.freshness) if status else None

    hub.client.faults.append(fail)
    send_start(emsp)
    take_result(cpo.node, cpo.the_command().id, {"result": "ACCEPTED"})
    network.run_due(seconds=10)

    posted = show(hub.the_command())["result"]
    assert (posted["posted"], posted["tries"]) == ("SENT", 3)
    assert results_at(emsp) == ["ACCEPTED"]


@pytest.mark.parametrize("http_status", [400, 401, 403, 404, 405, 413])
def test_a_result_is_posted_again_after_an_error_page_of_a_gateway(
    network: Network, cpo: Member, hub: Member, emsp: Member, http_status: int
) -> None:
    pages = iter([http_status])

    def fail(method: str, url: str) -> RawAnswer | None:
        status = next(pages, None) if "/sender/" in url else None
        return RawAnswer(status, {}, b"<html>", emsp.node.settings.freshness) if status else None

    hub.client.faults.append(fail)
    send_start(emsp)
    take_result(cpo.node, cpo.the_command().id, {"result": "ACCEPTED"})
    network.run_due(seconds=10)

    posted = show(hub.the_command())["result"]
    assert (posted["posted"], posted["tries"]) == ("SENT", 2)
    assert results_at(emsp) == ["ACCEPTED"]


@pytest.mark.parametrize(("http_status", "body"), [(204, b""), (200, b"OK"), (200, b"{}")])
def test_a_2xx_answer_without_an_envelope_counts_as_delivery_of_a_result(
    network: Network, cpo: Member, hub: Member, emsp: Member, http_status: int, body: bytes
) -> None:
    send_start(emsp)
    answered = RawAnswer(http_status, {}, body, emsp.node.settings.freshness)
    hub.client.faults.append(lambda method, url: answered if "/sender/" in url else None)
    take_result(cpo.node, cpo.the_command().id, {"result": "ACCEPTED"})
    network.run_due(seconds=10)

    posted = show(hub.the_command())["result"]
    assert (posted["posted"], posted["tries"]) == ("SENT", 1)


@pytest.mark.parametrize(("http_status", "body"), [(204, b""), (200, b"OK"), (404, b"<html>")])
def test_an_answer_without_a_commandresponse_does_not_accept_a_command(
    network: Network, hub: Member, emsp: Member, http_status: int, body: bytes
) -> None:
    """Acceptance needs a CommandResponse; a gateway's 404 page is none."""
    answered = RawAnswer(http_status, {}, body, emsp.node.settings.freshness)
    hub.client.faults.append(lambda method, url: answered if "/receiver/commands" in url else None)

    send_start(emsp)
    network.run_due(seconds=100)

    shown = show(emsp.the_command())
    assert shown["state"] != "ACCEPTED" and results_at(emsp) == []


def test_a_result_that_cannot_be_posted_is_given_up_with_a_reason(
    network: Network, cpo: Member, hub: Member, emsp: Member
) -> None:
    send_start(emsp)
    hub.client.faults.append(lambda *_: PartnerFault("does not accept connections", never_sent=True))
    take_result(cpo.node, cpo.the_command().id, {"result": "ACCEPTED"})

    network.run_due(seconds=400)

    posted = show(hub.the_command())["result"]
    assert (posted["posted"], posted["tries"]) == ("GIVEN_UP", 10)
    assert "does not accept connections" in posted["reason"]
    assert show(emsp.the_command())["state"] == "TIMED_OUT"
    assert not hub.queue.waiting


def test_a_result_that_is_refused_is_given_up_at_once(
    network: Network, cpo: Member, hub: Member, emsp: Member
) -> None:
    send_start(emsp)
    envelope = b'{"status_code": 2001, "timestamp": "2026-03-01T12:00:00Z"}'
    hub.client.faults.append(lambda *_: RawAnswer(404, {}, envelope, emsp.node.settings.freshness))
    take_result(cpo.node, cpo.the_command().id, {"result": "ACCEPTED"})

    network.run_due()

    assert show(hub.the_command())["result"]["posted"] == "GIVEN_UP"


def test_a_result_delivered_twice_is_one_result(
    network: Network, cpo: Member, hub: Member, emsp: Member
) -> None:
    send_start(emsp)
    take_result(cpo.node, cpo.the_command().id, {"result": "ACCEPTED"})
    take_result(cpo.node, cpo.the_command().id, {"result": "ACCEPTED"})
    for member in (cpo, hub):
        for name, message in list(member.queue.waiting.items()):
            member.queue.waiting[f"again-{name}"] = dict(message)

    network.run_due(seconds=20)

    assert results_at(emsp) == ["ACCEPTED"]
    assert len(hub.sent("/sender/commands/")) == 1


def test_a_hub_posts_timeout_when_the_cpo_has_died(network: Network, hub: Member, emsp: Member) -> None:
    """A sender that was answered ACCEPTED gets a result. Source: CMD-05"""
    send_start(emsp)
    network["cpo"].queue.waiting.clear()

    network.run_due(seconds=50)

    assert show(hub.the_command())["state"] == "TIMED_OUT"
    assert [body for _, _, body in hub.sent("/sender/commands/")] == [{"result": "TIMEOUT"}]
    arrived = show(emsp.the_command())
    assert (arrived["state"], arrived["result"]["result"]) == ("COMPLETED", "TIMEOUT")


def test_a_cpo_that_does_not_answer_is_4002_at_the_hub(network: Network, hub: Member, emsp: Member) -> None:
    """Source: CMD-20, RTE-28"""
    hub.client.faults.append(lambda *_: PartnerFault("did not answer in time", timed_out=True))

    answer = hub.call(emsp, "POST", "/receiver/commands/START_SESSION", start(emsp))

    assert (answer.status, answer.json["status_code"], "data" in answer.json) == (200, 4002, False)
    assert show(hub.the_command())["state"] == "REFUSED"


def test_a_cpo_that_cannot_be_reached_is_4003_and_the_emsp_sees_why(
    network: Network, hub: Member, emsp: Member
) -> None:
    """Source: CMD-20, RTE-29"""
    hub.client.faults.append(lambda *_: PartnerFault("does not accept connections", never_sent=True))

    sent = send_start(emsp)

    assert (sent["state"], "4003" in sent["problem"]) == ("REFUSED", True)


def test_the_cpos_answer_about_an_unknown_location_is_relayed_unchanged(
    network: Network, hub: Member, emsp: Member
) -> None:
    """Source: CMD-07, RTE-30, TRP-12"""
    keep_location(hub, "L9", "cpo")

    answer = hub.call(emsp, "POST", "/receiver/commands/START_SESSION", start(emsp, location_id="L9"))

    assert (answer.status, answer.json["status_code"]) == (200, 2003)
    assert answer.json["data"]["result"] == "REJECTED"


def test_a_party_that_is_not_connected_is_4001(network: Network, hub: Member, emsp: Member) -> None:
    """Source: RTE-27"""
    to = {"ocpi_to_country_code": "NL", "ocpi_to_party_id": "TNM"}

    answer = hub.call(emsp, "POST", "/receiver/commands/START_SESSION", start(emsp), **to)

    assert answer.json["status_code"] == 4001


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


# -- unregistered partners ---------------------------------------------------------------------------


def leave(member: Member, partner_id: str) -> None:
    partner = member.node.directory.get(partner_id)
    assert partner is not None
    member.node.directory.save(partner.model_copy(update={"status": "UNREGISTERED"}), partner)


def test_a_command_for_an_unregistered_partner_is_not_stored(
    network: Network, hub: Member, emsp: Member
) -> None:
    """A stored command must end, and without a partner or a deadline task this one would not."""
    leave(hub, "cpo")
    answer = hub.call(emsp, "POST", "/receiver/commands/START_SESSION", start(emsp))
    leave(emsp, "hub")
    with pytest.raises(ClientError):
        send_start(emsp)

    assert answer.json["status_code"] == 4003
    assert not hub.commands() and not emsp.commands()


def test_a_command_is_not_stored_when_its_deadline_cannot_be_queued(hub: Member, emsp: Member) -> None:
    """A stored command must end, and without a partner or a deadline task this one would not."""
    hub.queue.is_broken = emsp.queue.is_broken = True

    answer = hub.call(emsp, "POST", "/receiver/commands/START_SESSION", start(emsp))
    with pytest.raises(RuntimeError):
        send_start(emsp)

    assert answer.json["status_code"] == 3000
    assert not hub.commands() and not emsp.commands()


# -- reservations ------------------------------------------------------------------------------------


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
    shown = show(emsp.the_command())
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
    assert "cancellation" in show(emsp.the_command())


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
