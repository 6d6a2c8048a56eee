"""Results of requests: from the partner that a request was sent on to, and from this node's CSMS.

This node made the URL for a partner's result (`forwarding.py`). Only the partner that got the request may use
it. The result is a bare object; one in an OCPI envelope is accepted as well (TRP-22).

Results are accepted at any time. A late result is stored and not posted, because the sender already has the
result of a request that timed out.

Source: OCPI 2.2.1 mod_commands, Sender Interface; CMD-06, CMD-15 … CMD-18, RTE-33
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.async_requests.objects import AsyncRequest, Direction, RequestState
from chalicelib.async_requests.rules import with_result
from chalicelib.errors import ClientError, NotFound
from chalicelib.findings.received import Source, read_received
from chalicelib.protocol.json_text import write_json
from chalicelib.protocol.message import Reply
from chalicelib.storage import counters

if TYPE_CHECKING:
    from chalicelib.async_requests.store import AsyncRequests
    from chalicelib.routes import Call
    from chalicelib.storage.table import Key


_AROUND = frozenset(("data", "commandresult", "command_result"))


def receive_result(requests: AsyncRequests, call: Call, name: str, request_id: str) -> Reply:
    """Record a partner's result. A hub queues it for posting to the sender.

    Raises: NotFound when the caller did not get this request; AlreadyEnded when it contradicts an earlier
    result.
    """
    label = requests.kind.label
    request = requests.find(request_id, call.snapshot)
    if request is None or request.receiver_id != call.caller.id:
        raise NotFound(f"no {label} of this id was sent to the caller")
    if request.name != name:
        raise NotFound(f"the {label} of this id is another one")
    document = _without_envelope(call.json_object())
    source = Source(call.caller, requests.kind.module)
    document = read_received(call.node, source, requests.kind.result, document).document
    result: str = document["result"]
    now, body = call.node.clock(), write_json(document)
    request = requests.change(
        request_id,
        lambda current: with_result(requests.kind, current, result, body, now),
        call.snapshot,
    )
    requests.queue_results(request)
    return Reply()


def keys_to_receive(requests: AsyncRequests, request_id: str) -> list[Key]:
    """Keys of the items that `receive_result` needs. They are read together with the caller's token."""
    lists = [requests.partition_of(state) for state in (RequestState.PENDING, RequestState.COMPLETED)]
    request = [requests.key_of(request_id)] if len(request_id) <= 100 else []
    return [*request, *(counters.root_key(name) for name in lists)]


def report_result(requests: AsyncRequests, request_id: str, result: str, body: str) -> AsyncRequest:
    """Record the result that the CSMS reports, and queue its posting to the sender. body: its JSON text.

    Raises: NotFound; AlreadyEnded when it contradicts an earlier result; ClientError for a request that this
    node sent or relayed.
    """
    now = requests.node.clock()

    def take(current: AsyncRequest) -> AsyncRequest | None:
        if current.direction != Direction.RECEIVED:
            raise ClientError(f"this {requests.kind.label} is not for this node's own charge points")
        return with_result(requests.kind, current, result, body, now)

    request = requests.change(request_id, take)
    requests.queue_results(request)
    return request


def _without_envelope(document: dict[str, Any]) -> object:
    """Take a result out of an OCPI envelope, or out of a field with the name of its class (TRP-22)."""
    if "result" in document:
        return document
    inside = [
        each for name, each in document.items() if name.lower() in _AROUND and isinstance(each, dict | list)
    ]
    return inside[0] if len(inside) == 1 else document
