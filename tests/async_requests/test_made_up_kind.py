"""A module with asynchronous requests needs an `AsyncKind` and a decision; the rest is as for commands.

The made-up kind asks a charge point for a profile. Its result has another text for a missed deadline, its
request is a PUT with an id in the path, and its response_url is a query parameter, as in charging profiles.

Source: docs/design.md, A command; RTE-33
"""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.async_requests.forwarding import UNANSWERED, relay
from chalicelib.async_requests.intake import Decision, Incoming, NewRequest, refused
from chalicelib.async_requests.objects import AsyncKind, AsyncRequest, Direction, Outgoing, RequestState
from chalicelib.async_requests.results import receive_result, report_result
from chalicelib.async_requests.store import AsyncRequests
from chalicelib.async_requests.view import show
from chalicelib.async_requests.worker import handle_messages
from chalicelib.calls.answers import RawAnswer
from chalicelib.modules.registry import async_kinds
from chalicelib.partners.directory import Endpoint
from chalicelib.protocol.json_text import write_json
from chalicelib.protocol.message import Reply, Request
from chalicelib.protocol.types import Int, OcpiObject
from chalicelib.routes import Call
from tests.modules.commands.conftest import Networks
from tests.modules.commands.network import EVI, Member, Network, add_webhook

DONE = b'{"status_code": 1000, "timestamp": "2026-03-01T12:00:00Z"}'
TAKEN = (
    b'{"data": {"result": "ACCEPTED", "timeout": 30}, "status_code": 1000, "timestamp": "2026-03-01T12:00Z"}'
)


class ProfileResponse(OcpiObject):
    """Immediate answer."""

    result: str
    timeout: Int


class ProfileResult(OcpiObject):
    """Result, posted later."""

    result: str
    profile: dict[str, Any] | None = None


PROFILE = AsyncKind(
    module="profiles",
    label="profile",
    event="command",
    outgoing=lambda request, url: Outgoing("GET", ["S1"], query={"response_url": url}),
    response=ProfileResponse,
    result=ProfileResult,
    timeout_result="UNKNOWN",
)


def call_of(member: Member, caller: Member, url: str, request_id: str = "r1", body: object = None) -> Call:
    request = Request(
        method="GET",
        url="",
        base_url=f"{member.node.settings.public_url}/ocpi",
        path={},
        query={"response_url": url},
        headers={},
        body=write_json(body),
        request_id=request_id,
        correlation_id="c1",
    )
    partner = member.node.directory.get(caller.name)
    assert partner is not None
    return Call(member.node, request, partner, "", {})


def incoming_of(call: Call) -> Incoming:
    document = {"session_id": "S1"}
    return Incoming.of(
        PROFILE, call, "ACTIVE_PROFILE", {**document, "response_url": call.request.query["response_url"]}, EVI
    )


def decide(incoming: Incoming) -> Decision:
    """Accept every request for the session S1."""
    if incoming.document["session_id"] != "S1":
        return refused("REJECTED")
    return NewRequest(incoming.to_try())


def run_due(member: Member, seconds: int = 0) -> None:
    kinds = {**async_kinds(), PROFILE.module: PROFILE}
    for _ in range(seconds + 1):
        while records := member.queue.receive():
            for record in records:
                if not handle_messages(member.node, kinds, [record])["batchItemFailures"]:
                    del member.queue.waiting[record["messageId"]]
        member.clock.forward(seconds=1 if seconds else 0)


@pytest.fixture
def network(networks: Networks) -> Network:
    network = networks("emsp", "cpo")
    add_webhook(network["cpo"])
    network["cpo"].client.faults.append(
        lambda *_: RawAnswer(200, {}, DONE, network["cpo"].node.settings.freshness)
    )
    return network


@pytest.fixture
def cpo(network: Network) -> Member:
    return network["cpo"]


@pytest.fixture
def profiles(cpo: Member) -> AsyncRequests:
    return AsyncRequests(cpo.node, PROFILE)


@pytest.fixture
def url(network: Network) -> str:
    return f"{network['emsp'].node.settings.public_url}/profiles/7"


def ask(network: Network, profiles: AsyncRequests, url: str, request_id: str = "r1") -> Reply:
    incoming = incoming_of(call_of(network["cpo"], network["emsp"], url, request_id))
    return profiles.accept(incoming, lambda: decide(incoming))


def the_request(cpo: Member, profiles: AsyncRequests) -> AsyncRequest:
    request = profiles.find(cpo.csms.ids[0])
    assert request is not None
    return request


def test_it_is_accepted_and_delivered_to_the_webhook(
    network: Network, cpo: Member, profiles: AsyncRequests, url: str
) -> None:
    reply = ask(network, profiles, url)
    run_due(cpo)

    assert reply.data == '{"result":"ACCEPTED","timeout":35}'
    (received,) = cpo.csms.received
    assert (received["profile"], received["request"]) == ("ACTIVE_PROFILE", {"session_id": "S1"})
    assert (received["state"], received["from"]["partner"]) == ("PENDING", "emsp")


def test_its_result_is_posted_to_its_response_url(
    network: Network, cpo: Member, profiles: AsyncRequests, url: str
) -> None:
    ask(network, profiles, url)
    run_due(cpo)

    body = write_json({"result": "ACCEPTED", "profile": {"limit": 16}})
    report_result(profiles, cpo.csms.ids[0], "ACCEPTED", body)
    run_due(cpo)

    ((posted, _, document),) = cpo.sent("/profiles/")
    assert (posted, document) == (url, {"result": "ACCEPTED", "profile": {"limit": 16}})
    assert show(PROFILE, the_request(cpo, profiles))["result"]["posted"] == "SENT"


def test_it_ends_at_its_deadline_with_the_result_of_its_kind(
    network: Network, cpo: Member, profiles: AsyncRequests, url: str
) -> None:
    ask(network, profiles, url)
    run_due(cpo, seconds=32)

    assert the_request(cpo, profiles).state == RequestState.TIMED_OUT
    ((posted, _, document),) = cpo.sent("/profiles/")
    assert (posted, document) == (url, {"result": "UNKNOWN"})


@pytest.mark.parametrize("request_id", ["r1", "r2"])
def test_a_repeated_one_is_found_by_its_request_id_or_its_response_url(
    network: Network, cpo: Member, profiles: AsyncRequests, url: str, request_id: str
) -> None:
    replies = [ask(network, profiles, url), ask(network, profiles, url, request_id)]
    run_due(cpo, seconds=5)

    assert replies[0] == replies[1]
    assert len(cpo.csms.received) == 1


def test_a_hub_sends_it_on_with_a_response_url_of_its_own_and_takes_its_result(networks: Networks) -> None:
    network = networks("emsp", "hub", "cpo")
    emsp, hub = network["emsp"], network["hub"]
    url = f"{emsp.node.settings.public_url}/profiles/7"
    known = hub.node.directory.get("cpo")
    assert known is not None
    endpoint = Endpoint(identifier="profiles", role="RECEIVER", url=f"{known.versions_url}/profiles")
    receiver = known.model_copy(update={"endpoints": (*known.endpoints, endpoint)})
    hub.client.faults.append(lambda *_: RawAnswer(200, {}, TAKEN, hub.node.settings.freshness))
    profiles = AsyncRequests(hub.node, PROFILE)
    incoming = incoming_of(call_of(hub, emsp, url))

    def send_on() -> NewRequest:
        deadline = hub.node.clock() + UNANSWERED
        return NewRequest(
            incoming.new_request(Direction.RELAYED, deadline, receiver_id="cpo"), receiver=receiver
        )

    reply = relay(profiles, incoming, send_on)

    assert reply.data == '{"result":"ACCEPTED","timeout":40}'
    ((sent, headers, _),) = hub.sent("/versions/profiles/S1?response_url=")
    request_id = headers["x-request-id"]
    assert sent.endswith(f"%2Fsender%2Fprofiles%2FACTIVE_PROFILE%2F{request_id}")
    call = call_of(hub, network["cpo"], "", "r2", {"result": "ACCEPTED"})
    receive_result(profiles, call, "ACTIVE_PROFILE", request_id)
    run_due(hub)
    assert [(one[0], one[2]) for one in hub.sent("/profiles/7")] == [(url, {"result": "ACCEPTED"})]
