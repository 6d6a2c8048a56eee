"""Authorization of a token through a hub: the hub forwards the request to the eMSP and relays the answer.

The hub's copy of the token names the eMSP; only the eMSP decides. The request goes to the partner that pushed
the token, which may be another hub. It names the asking CPO in OCPI-from and the eMSP in OCPI-to, and has a
new request id and the same correlation id. The answer is relayed unchanged, with its
`authorization_reference`.

Besides the caller's credentials, a request reads three items: the owners, the token, the partner.

Source: OCPI 2.2.1 transport_and_format_message_routing_open_routing_request; RTE-07 … RTE-10, RTE-23,
RTE-28 … RTE-31
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.calls.answers import PartnerError
from chalicelib.calls.client import Exchange
from chalicelib.errors import ConnectionProblem, HubError
from chalicelib.hub.relayed_answers import relayed_answer, relayed_error
from chalicelib.modules.tokens.rules import emsp_named_by
from chalicelib.policy.conversion_facts import facts_of_token
from chalicelib.policy.token_lookup import MODULE, type_in
from chalicelib.protocol.headers import write_routing
from chalicelib.protocol.kinds import Kind
from chalicelib.protocol.message import Party, Reply, Routing
from chalicelib.routes import Call
from chalicelib.versions.supported import traits_of

if TYPE_CHECKING:
    from chalicelib.storage.objects import Stored

FORWARD_S = 6.0
"""Seconds that the eMSP has to answer: less than the CPO waits for us."""


def forward(call: Call, token: Stored, asked: dict[str, Any] | None) -> Reply:
    """Forward an authorization request to the eMSP and relay its answer.

    Raises: ConnectionProblem when the eMSP is not connected; ReceiverTimeout, ConnectionProblem or HubError
    when there is no answer that can be relayed.
    """
    emsp = call.node.directory.get(token.source)
    name = f"{token.ref.country_code}/{token.ref.party_id}"
    if emsp is None or not emsp.is_registered or emsp.connection == "OFFLINE":
        raise ConnectionProblem(f"the eMSP {name} is not connected")
    owner = Party(token.ref.country_code, token.ref.party_id)
    exchange = Exchange(
        "POST",
        asked,
        routing=Routing(asking_party(call), owner, call.request.routing.relays + 1),
        correlation_id=call.request.correlation_id,
        total_s=FORWARD_S,
        takes=Kind.LOCATION_REFERENCES,
        gives=Kind.AUTHORIZATION_INFO,
        known=facts_of_token(emsp.version, token.body),
    )
    path, query = (token.ref.id, "authorize"), {"type": type_in(emsp.version, token.ref.variant)}
    try:
        answer = call.node.client.send(emsp, MODULE, "SENDER", path, exchange, query)
    except PartnerError as error:
        reply = relayed_error(error)
    else:
        _check_token(answer.data, owner)
        reply = relayed_answer(answer)
    if call.request.routing.receiver is not None or not traits_of(call.request.version).is_routed:
        return reply
    # The request had no OCPI-to, so OCPI-from of the answer names the eMSP that owns the token (RTE-23).
    headers = write_routing(Routing(sender=owner, receiver=call.request.routing.sender))
    return Reply(reply.data, reply.http_status, reply.status_code, reply.status_message, headers)


def _check_token(info: object, owner: Party) -> None:
    """Check that the token in an eMSP's answer is its own; otherwise another party would be billed.

    Raises: HubError when the token belongs to another party.
    """
    named = emsp_named_by(info.get("token")) if isinstance(info, dict) else None
    if named is not None and not named.same_as(owner):
        raise HubError("the eMSP answered with a token of another party")


def asking_party(call: Call) -> Party:
    """Return the asking CPO: OCPI-from, or without it (RTE-05) the caller's own party."""
    return call.request.routing.sender or call.caller.parties("CPO", "HUB")[0]
