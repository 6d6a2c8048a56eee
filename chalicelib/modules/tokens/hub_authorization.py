"""A hub asks the eMSP that a token is of, and hands its answer on.

Whose it is, the hub's copy tells; what it is worth, the eMSP alone. The question goes to the partner that
the token came from, which may be a hub again, in the name of the CPO that asks (FROM) and to the eMSP
(TO), under an id of its own and the same correlation id. The answer comes back as it was said, the
`authorization_reference` with it.

With the caller's token a request costs three reads: the owners, the token, the partner.

Source: OCPI 2.2.1 transport_and_format_message_routing_open_routing_request; RTE-07 … RTE-10, RTE-23,
RTE-28 … RTE-31
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.errors import ConnectionProblem, HubError
from chalicelib.modules.tokens.retrieval import MODULE
from chalicelib.modules.tokens.rules import emsp_named_by
from chalicelib.partners.answers import PartnerError
from chalicelib.partners.relaying import relayed_answer, relayed_error
from chalicelib.protocol.headers import write_routing
from chalicelib.protocol.message import Party, Reply, Request, Routing

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.storage.objects import Stored

FORWARD_S = 6.0
"""How long the eMSP may take: less than the CPO waits for us."""


def forward(node: Node, request: Request, token: Stored, asked: dict[str, Any] | None) -> Reply:
    """Ask the eMSP, and answer as it does.

    Raises: ConnectionProblem when it is not connected; ReceiverTimeout, ConnectionProblem or HubError for
    what cannot be relayed.
    """
    emsp = node.directory.get(token.source)
    name = f"{token.ref.country_code}/{token.ref.party_id}"
    if emsp is None or not emsp.is_registered or emsp.connection == "OFFLINE":
        raise ConnectionProblem(f"the eMSP {name} is not connected")
    owner = Party(token.ref.country_code, token.ref.party_id)
    try:
        answer = node.client.send(
            emsp,
            "POST",
            MODULE,
            "SENDER",
            (token.ref.id, "authorize"),
            query={"type": token.ref.variant},
            document=asked,
            correlation_id=request.correlation_id,
            routing=Routing(asking_party(request), owner, request.routing.relays + 1),
            total_s=FORWARD_S,
        )
    except PartnerError as error:
        reply = relayed_error(error)
    else:
        _check_token(answer.data, owner)
        reply = relayed_answer(answer)
    if request.routing.receiver is not None:
        return reply
    # Who was not addressed answers in the owner's name, so that the CPO learns whose the token is (RTE-23).
    headers = write_routing(Routing(sender=owner, receiver=request.routing.sender))
    return Reply(reply.data, reply.http_status, reply.status_code, reply.status_message, headers)


def _check_token(info: object, owner: Party) -> None:
    """See that an eMSP answers with a token of its own, and of no other party: that one would be billed.

    Raises: HubError.
    """
    named = emsp_named_by(info.get("token")) if isinstance(info, dict) else None
    if named is not None and not named.same_as(owner):
        raise HubError("the eMSP answered with a token of another party")


def asking_party(request: Request) -> Party:
    """The CPO that wants to know: FROM, or where that is left out (RTE-05) the caller's own."""
    return request.routing.sender or request.caller.parties("CPO", "HUB")[0]
