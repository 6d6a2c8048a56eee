"""Tests of commands through a hub when a part of the way fails.

Source: OCPI 2.2.1 mod_commands_flow; CMD-05, CMD-16 … CMD-20, RTE-27 … RTE-30
"""

from __future__ import annotations

import pytest

from chalicelib.async_requests.objects import RequestState
from chalicelib.async_requests.rules import expired
from chalicelib.async_requests.store import AsyncRequests
from chalicelib.async_requests.view import show
from chalicelib.calls.answers import PartnerFault, RawAnswer
from chalicelib.errors import ClientError
from chalicelib.modules.commands.kind import COMMAND
from chalicelib.modules.commands.operator_commands import take_result
from tests.modules.commands.network import Member, Network, keep_location, start
from tests.modules.commands.round_trip import network as network
from tests.modules.commands.round_trip import results_at, send_start


def test_a_silent_csms_gives_the_emsp_a_timeout_in_time(network: Network, cpo: Member, emsp: Member) -> None:
    """Source: CMD-16, CMD-17"""
    send_start(emsp)

    network.run_due(seconds=32)

    arrived = show(COMMAND, emsp.the_command())
    assert (arrived["state"], arrived["result"]["result"]) == ("COMPLETED", "TIMEOUT")
    assert show(COMMAND, cpo.the_command())["state"] == "TIMED_OUT"


def test_a_late_result_is_recorded_and_not_posted_twice(
    network: Network, cpo: Member, hub: Member, emsp: Member
) -> None:
    send_start(emsp)
    network.run_due(seconds=40)

    take_result(cpo.node, cpo.the_command().id, {"result": "ACCEPTED"})
    network.run_due(seconds=5)

    shown = show(COMMAND, cpo.the_command())
    assert (shown["result"]["result"], shown["late_result"]["result"]) == ("TIMEOUT", "ACCEPTED")
    assert results_at(emsp) == ["TIMEOUT"]
    assert len(cpo.sent("/sender/commands/")) == len(hub.sent("/sender/commands/")) == 1


def test_a_late_result_of_the_cpo_turns_the_state_at_the_emsp(
    network: Network, cpo: Member, hub: Member, emsp: Member
) -> None:
    send_start(emsp)
    command = emsp.the_command()
    network.run_due(seconds=1)
    emsp.clock.forward(120)
    expired_at_emsp = AsyncRequests(emsp.node, COMMAND).change(
        command.id, lambda current: expired(COMMAND, current, emsp.clock())
    )
    assert expired_at_emsp.state == RequestState.TIMED_OUT

    take_result(cpo.node, cpo.the_command().id, {"result": "ACCEPTED"})
    network.run_due(seconds=5)

    shown = show(COMMAND, emsp.the_command())
    assert (shown["state"], shown["result"]["result"]) == ("COMPLETED", "ACCEPTED")
    assert shown["late_result"]["result"] == "ACCEPTED"


def test_an_answer_without_a_timeout_gets_half_a_minute(
    network: Network, cpo: Member, hub: Member, emsp: Member
) -> None:
    """Source: CMD-03; several programs leave it out"""
    body = b'{"data": {"result": "ACCEPTED"}, "status_code": 1000, "timestamp": "2026-03-01T12:00:00Z"}'

    def answer(method: str, url: str) -> RawAnswer | None:
        return RawAnswer(200, {}, body, emsp.node.settings.freshness) if "/receiver/" in url else None

    hub.client.faults.append(answer)
    send_start(emsp)

    command = emsp.the_command()
    assert (command.state, command.response.result if command.response else "") == ("PENDING", "ACCEPTED")
    assert command.response is not None and command.response.timeout == 40


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

    posted = show(COMMAND, hub.the_command())["result"]
    assert (posted["posted"], posted["tries"]) == ("SENT", 3)
    assert results_at(emsp) == ["ACCEPTED"]


def test_a_result_waits_as_long_as_the_partner_asks(
    network: Network, cpo: Member, hub: Member, emsp: Member
) -> None:
    answers = iter([{"retry-after": "40"}])

    def fail(method: str, url: str) -> RawAnswer | None:
        headers = next(answers, None) if "/sender/" in url else None
        return RawAnswer(503, headers, b"", emsp.node.settings.freshness) if headers else None

    hub.client.faults.append(fail)
    send_start(emsp)
    take_result(cpo.node, cpo.the_command().id, {"result": "ACCEPTED"})

    network.run_due(seconds=25)
    assert len(hub.sent("/sender/commands/")) == 1

    network.run_due(seconds=20)
    assert len(hub.sent("/sender/commands/")) == 2
    assert show(COMMAND, hub.the_command())["result"]["posted"] == "SENT"


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

    posted = show(COMMAND, hub.the_command())["result"]
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

    posted = show(COMMAND, hub.the_command())["result"]
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

    shown = show(COMMAND, emsp.the_command())
    assert shown["state"] != "ACCEPTED" and results_at(emsp) == []


def test_a_result_that_cannot_be_posted_is_given_up_with_a_reason(
    network: Network, cpo: Member, hub: Member, emsp: Member
) -> None:
    send_start(emsp)
    hub.client.faults.append(lambda *_: PartnerFault("does not accept connections", never_sent=True))
    take_result(cpo.node, cpo.the_command().id, {"result": "ACCEPTED"})

    network.run_due(seconds=400)

    posted = show(COMMAND, hub.the_command())["result"]
    assert (posted["posted"], posted["tries"]) == ("GIVEN_UP", 10)
    assert "does not accept connections" in posted["reason"]
    assert show(COMMAND, emsp.the_command())["state"] == "TIMED_OUT"
    assert not hub.queue.waiting


def test_a_result_that_is_refused_is_given_up_at_once(
    network: Network, cpo: Member, hub: Member, emsp: Member
) -> None:
    send_start(emsp)
    envelope = b'{"status_code": 2001, "timestamp": "2026-03-01T12:00:00Z"}'
    hub.client.faults.append(lambda *_: RawAnswer(404, {}, envelope, emsp.node.settings.freshness))
    take_result(cpo.node, cpo.the_command().id, {"result": "ACCEPTED"})

    network.run_due()

    assert show(COMMAND, hub.the_command())["result"]["posted"] == "GIVEN_UP"


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

    assert show(COMMAND, hub.the_command())["state"] == "TIMED_OUT"
    assert [body for _, _, body in hub.sent("/sender/commands/")] == [{"result": "TIMEOUT"}]
    arrived = show(COMMAND, emsp.the_command())
    assert (arrived["state"], arrived["result"]["result"]) == ("COMPLETED", "TIMEOUT")


def test_a_cpo_that_does_not_answer_is_4002_at_the_hub(network: Network, hub: Member, emsp: Member) -> None:
    """Source: CMD-20, RTE-28"""
    hub.client.faults.append(lambda *_: PartnerFault("did not answer in time", timed_out=True))

    answer = hub.call(emsp, "POST", "/receiver/commands/START_SESSION", start(emsp))

    assert (answer.status, answer.json["status_code"], "data" in answer.json) == (200, 4002, False)
    assert show(COMMAND, hub.the_command())["state"] == "REFUSED"


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
