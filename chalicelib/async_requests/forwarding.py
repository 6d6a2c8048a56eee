"""Sending of a request to the partner that has to try it, and recording of its answer.

The partner gets a response_url of this node, because OCPI does not define response_url at a hub: the partner
has no token for the first sender. A hub stores the sender's URL and posts the result there (`results.py`).

X-Request-ID is the id of the stored request. When an answer got lost and the request is sent again, the
receiver recognises it and does not, for example, start a second session.

A hub waits for the result longer than the receiver's timeout, because the receiver may post its result at
the last moment. The timeout that the hub answers to its own sender is longer still, so that the hub's own
result arrives in time as well.

Source: OCPI 2.2.1 mod_commands, Receiver Interface; CMD-03, CMD-17, CMD-18, CMD-20, TRN-20, RTE-33
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from chalicelib.async_requests.intake import Decision, Incoming, reply_of
from chalicelib.async_requests.objects import ACCEPTED, AsyncKind, AsyncRequest, Direction, Response
from chalicelib.async_requests.rules import answered, unanswered
from chalicelib.calls.answers import Answer, PartnerError, PartnerFault
from chalicelib.calls.client import Exchange
from chalicelib.errors import ConnectionProblem, HubError, InvalidParameters
from chalicelib.findings.received import Source, read_received
from chalicelib.hub.relayed_answers import NOT_RECEIVED, message_with, relayed_error
from chalicelib.modules.registry import interface_path
from chalicelib.policy.contract_cards import note_cards
from chalicelib.protocol.json_text import write_json
from chalicelib.protocol.message import Reply, Routing
from chalicelib.versions.supported import CANONICAL

if TYPE_CHECKING:
    from chalicelib.async_requests.store import AsyncRequests
    from chalicelib.partners.directory import Directory, Partner
    from chalicelib.protocol.message import Request

UNANSWERED = timedelta(seconds=60)
"""Deadline of a request that gets no answer, for example because this node crashed while it was sending."""

_GRACE = {Direction.RELAYED: timedelta(seconds=5), Direction.SENT: timedelta(0)}
"""Time to wait for a result after the receiver's timeout."""

_RELAYED_LONGER_S = 10
"""Added to the receiver's timeout in the hub's own answer: 5 s of grace, and 5 s to post the result."""

_TOTAL_S = {Direction.RELAYED: 8.0, Direction.SENT: 10.0}
"""Seconds for the whole request."""


def relay(requests: AsyncRequests, incoming: Incoming, decide: Callable[[], Decision]) -> Reply:
    """Send a request on to its receiver and return the receiver's answer.

    decide: finds the receiver of a request that is not repeated; what it stores has a receiver.
    Raises: each error of `decide`; ConnectionProblem when the receiver is not registered or cannot be
    reached, ReceiverTimeout, HubError when its answer is invalid (CMD-20).
    """
    call, claims, receiver = incoming.call, incoming.claims, None
    request = requests.find_repeated(claims, call.caller.id, incoming.digest, call.snapshot)
    if request is None:
        decision = decide()
        if isinstance(decision, Reply):
            return decision
        receiver = decision.receiver
        request, _ = requests.create(decision.request, claims, decision.extra_items, call.snapshot)
    elif request.response is None:
        receiver = connected(call.node.directory, request.receiver_id)
    if request.response is not None:
        # The first request may have died between storing and queueing.
        requests.queue_results(request, delay_s=1)
        return reply_of(request.response)
    assert receiver is not None
    return _forward(requests, request, receiver, call.request)


def _forward(requests: AsyncRequests, request: AsyncRequest, receiver: Partner, wire: Request) -> Reply:
    try:
        request = forward(requests, request, receiver, wire.base_url, wire.routing.relays + 1)
    except PartnerError as error:
        return relayed_error(error)
    except InvalidParameters as error:
        name = requests.kind.response.__name__
        raise HubError(f"the receiver's answer is no {name}: {error}") from error
    assert request.response is not None
    return reply_of(request.response)


def connected(directory: Directory, partner_id: str) -> Partner:
    """The partner to send a request on to.

    Raises: ConnectionProblem when it is not registered.
    """
    partner = directory.get(partner_id)
    if partner is None or not partner.is_registered:
        raise ConnectionProblem
    return partner


def forward(
    requests: AsyncRequests, request: AsyncRequest, partner: Partner, base_url: str, relays: int = 0
) -> AsyncRequest:
    """Send a request with a response_url of this node, and record the answer.

    The request must be stored. It may be sent again: the receiver recognises it.
    relays: number of hubs that have relayed it, this one included.
    Returns the request with the answer.
    Raises: PartnerError when the partner refused it or did not answer, InvalidParameters when the answer is
    invalid. Both are recorded in the request before.
    """
    url = own_response_url(requests.kind, base_url, partner.version or CANONICAL, request)
    try:
        answer = _send(requests, request, partner, url, relays)
        response = _read_answer(requests, Source(partner, requests.kind.module), request, answer)
    except (PartnerError, InvalidParameters) as error:
        _record_failure(requests, request, error)
        raise
    return _record_answer(requests, request, response)


def own_response_url(kind: AsyncKind, base_url: str, version: str, request: AsyncRequest) -> str:
    """The response_url of this node for a request. Its random id cannot be guessed (RTE-33)."""
    return f"{base_url}/{version}{interface_path(kind.module, 'SENDER')}/{request.name}/{request.id}"


def _send(requests: AsyncRequests, request: AsyncRequest, partner: Partner, url: str, relays: int) -> Answer:
    outgoing = requests.kind.outgoing(request, url)
    exchange = Exchange(
        outgoing.method,
        outgoing.document,
        routing=Routing(request.sender, request.addressee, relays),
        request_id=request.id,
        correlation_id=request.correlation_id,
        total_s=_TOTAL_S[request.direction],
        takes=outgoing.takes,
        gives=requests.kind.response_kind,
    )
    note_cards(requests.node, partner.version, outgoing.takes, outgoing.document)
    return requests.node.client.send(
        partner, requests.kind.module, "RECEIVER", outgoing.path, exchange, outgoing.query
    )


def _read_answer(requests: AsyncRequests, source: Source, request: AsyncRequest, answer: Answer) -> Response:
    """Read the receiver's answer. Raises: InvalidParameters."""
    data = read_received(requests.node, source, requests.kind.response, answer.data, at="data").document
    result, timeout = data["result"], data["timeout"]
    if request.direction == Direction.RELAYED and result == ACCEPTED:
        data = {**data, "timeout": timeout + _RELAYED_LONGER_S}
    return Response(
        result=result,
        timeout=timeout,
        body=write_json(data),
        status_message=message_with(answer.status_message, NOT_RECEIVED, answer.losses),
    )


def _record_answer(requests: AsyncRequests, request: AsyncRequest, response: Response) -> AsyncRequest:
    now, grace = requests.node.clock(), _GRACE[request.direction]
    changed = requests.change(request.id, lambda current: answered(current, response, now, grace))
    if changed.deadline != request.deadline:
        requests.watch_deadline(changed)
    # A result may have arrived before this answer. The delay lets the answer reach the sender first.
    requests.queue_results(changed, delay_s=1)
    return changed


def _record_failure(
    requests: AsyncRequests, request: AsyncRequest, error: PartnerError | InvalidParameters
) -> None:
    """Record a failed request.

    An error answer may carry an answer object, which is then recorded (CMD-07).
    """
    refusal = _refusal_of(error)
    if refusal is not None:
        _record_answer(requests, request, refusal)
        return
    # After a timeout the receiver may have the request, and may still post a result.
    is_over = request.direction == Direction.RELAYED or not (
        isinstance(error, PartnerFault) and error.timed_out
    )
    now = requests.node.clock()
    requests.change(request.id, lambda current: unanswered(current, str(error), now, is_over))


def _refusal_of(error: PartnerError | InvalidParameters) -> Response | None:
    if not isinstance(error, PartnerError) or error.status_code is None or not isinstance(error.data, dict):
        return None
    data: dict[str, Any] = error.data
    if not isinstance(data.get("result"), str) or data["result"] == ACCEPTED:
        return None
    return Response(
        result=data["result"],
        body=write_json(data),
        status_code=error.status_code,
        status_message=error.status_message,
        http_status=error.http_status or 200,
    )
