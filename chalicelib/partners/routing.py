"""A hub's direct relay: what OCPI-to names another party for goes to that party, as it came.

The request keeps its method, path, query, body and both parties; it gets an X-Request-ID of its own and
keeps the X-Correlation-ID. The answer's HTTP status, status_code, message and data come back unchanged,
and of its headers only those of the page: the counts, and Link and Location as `relayed_links.py` makes
them. What the receiver did not say, or said about *us*, is the hub's own trouble (`relaying.py`).

Relayed are locations, tariffs and tokens, both interfaces of each. Sessions, commands and whatever else a
hub has to keep something of are handed on by their own modules (`Interface.hands_on`), and nothing that is
for one partner only is ever relayed: the receiver sees the hub ask, and so would show all that the hub's
clients may see together.

For the same reason the caller of a SENDER interface must be one whom the hub itself would show all of it:
a partner that only displays is not shown what is not published, so it asks the hub. On a RECEIVER interface
the endpoint has seen that the caller may speak for the owner in the URL, which a receiver cannot tell, since
it has to take every owner's objects from a hub (RTE-15).

Whose a party is, the claims tell, read together with the caller's token: a relay costs two reads.

Where OCPI-to is absent (open routing) the hub answers single objects from its copy, which names the owner;
who has to decide is found by `modules/commands` and `modules/tokens`, by content.

Source: OCPI 2.2.1 transport_and_format_message_routing; RTE-07 … RTE-11, RTE-15, RTE-22 … RTE-31, TRP-18,
TRP-19
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.errors import BadJson, ConnectionProblem, HubError, NotFound, UnknownReceiver
from chalicelib.partners.answers import Answer, PartnerError
from chalicelib.partners.client import join_url
from chalicelib.partners.directory import claim_key
from chalicelib.partners.relayed_links import LINK, Way, open_link, rewrite_links
from chalicelib.partners.relaying import relayed_answer, relayed_error
from chalicelib.partners.visibility import MODULES, may_see, owner_role
from chalicelib.protocol.message import Party, Reply, Routing

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner
    from chalicelib.protocol.message import Interface, Request
    from chalicelib.settings import Settings
    from chalicelib.storage.table import Key

RELAY_S = 8.0
"""How long the receiver may take: less than the requester waits for us."""

_ROLES = ("CPO", "EMSP", "HUB", "NSP", "NAP", "SCSP", "OTHER")
_OPPOSITE = {"CPO": "EMSP", "EMSP": "CPO"}
_COUNTS = {"x-total-count": "X-Total-Count", "x-limit": "X-Limit"}
_LEAST_SHOWN = {"publish": False}


def names_another(settings: Settings, routing: Routing) -> bool:
    """Tell whether a request at this hub is meant for a party that is none of its own."""
    return settings.plays("HUB") and routing.receiver is not None and not settings.owns(routing.receiver)


def keys_to_find(node: Node, interface: Interface, request: Request) -> list[Key]:
    """What `check_receiver` and `relay` look at; to be read together with the caller's token."""
    receiver = request.routing.receiver
    if receiver is None or not names_another(node.settings, request.routing):
        return []
    return [claim_key(receiver, role) for role in _roles_for(interface)]


def check_receiver(node: Node, interface: Interface, request: Request) -> None:
    """See that the party that OCPI-to names is somebody here.

    Raises: UnknownReceiver (RTE-27).
    """
    if _holder_of(node, interface, request) is None:
        raise UnknownReceiver(f"{_name(request.routing.receiver)} is not connected to this hub")


def relay(node: Node, interface: Interface, path: str, request: Request) -> Reply:
    """Send a request on to the party that OCPI-to names, and answer what it answers.

    path: the route's, relative to the interface.
    Raises: NotFound for what is none of the caller's business; UnknownReceiver, ReceiverTimeout,
    ConnectionProblem, HubError.
    """
    _check_business(interface, request)
    receiver = _find_receiver(node, interface, request)
    endpoint = receiver.endpoint(interface.module, interface.role)
    if endpoint is None:
        raise HubError(f"the receiver offers no {interface.role} interface of {interface.module}")
    segments = [request.path[part[1:-1]] if part.startswith("{") else part for part in path.split("/")[1:]]
    try:
        their_url = join_url(endpoint, segments)
        way = Way(request.caller, receiver, interface.module, interface.role, request.url, their_url)
        answer, asked_url = _send(node, way, segments, request)
    except PartnerError as error:
        return relayed_error(error)
    headers = {ours: answer.headers[name] for name, ours in _COUNTS.items() if name in answer.headers}
    headers |= rewrite_links(node.directory, way, asked_url, answer.headers)
    return relayed_answer(answer, headers, needs_data=request.method in ("GET", "POST"))


def _check_business(interface: Interface, request: Request) -> None:
    """See that the caller may be shown what the receiver would show this hub."""
    if interface.module not in MODULES:
        raise HubError(f"{interface.module} are not relayed by this hub")
    if interface.role == "SENDER" and not may_see(request.caller, interface.module, _LEAST_SHOWN):
        raise NotFound(f"{interface.module} are shown to the caller by this hub alone, and not all of them")


def _find_receiver(node: Node, interface: Interface, request: Request) -> Partner:
    holder, name = _holder_of(node, interface, request), _name(request.routing.receiver)
    partner = node.directory.get(holder) if holder else None
    if partner is None:
        raise UnknownReceiver(f"{name} is not connected to this hub")
    if partner.id == request.caller.id and partner.is_hub:
        # Two hubs that take each other for the way to a party would send it to and fro for ever.
        raise UnknownReceiver(f"{name} is reached by the caller itself")
    if not partner.is_registered or partner.connection == "OFFLINE":
        raise ConnectionProblem(f"{name} is not connected")
    return partner


def _send(node: Node, way: Way, segments: list[str], request: Request) -> tuple[Answer, str]:
    """The answer, and the URL it is the answer of."""
    sender = request.routing.sender or request.caller.roles[0].party
    routing = Routing(sender, request.routing.receiver, request.routing.relays + 1)
    if request.method == "GET" and LINK in request.query:
        url = open_link(node.directory, way, request.query[LINK])
        answer = node.client.follow(
            way.receiver, way.module, way.role, url,
            correlation_id=request.correlation_id, routing=routing, total_s=RELAY_S,
        )  # fmt: skip
        return answer, url
    answer = node.client.send(
        way.receiver, request.method, way.module, way.role, segments,
        query=request.query, document=_body(request),
        correlation_id=request.correlation_id, routing=routing, total_s=RELAY_S,
    )  # fmt: skip
    return answer, way.their_url


def _body(request: Request) -> str | None:
    """The body's text, unread.

    Raises: BadJson for what is no text.
    """
    try:
        (request.body or "").encode()
    except UnicodeError as error:
        raise BadJson from error
    return request.body or None


def _holder_of(node: Node, interface: Interface, request: Request) -> str | None:
    """The partner that plays the receiver, in the role that the interface is for if there are several."""
    for key in keys_to_find(node, interface, request):
        if key in request.snapshot:
            return str(request.snapshot[key]["partner_id"])
    return None


def _roles_for(interface: Interface) -> list[str]:
    owner = owner_role(interface.module)
    likely = owner if interface.role == "SENDER" else _OPPOSITE[owner]
    return sorted(_ROLES, key=lambda role: role != likely)


def _name(party: Party | None) -> str:
    return f"{party.country_code}/{party.party_id}" if party else ""
