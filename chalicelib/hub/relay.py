"""Relays a request at a hub to the party that its OCPI-to headers name.

The request keeps its method, path, query, body, both parties and X-Correlation-ID; it gets a new
X-Request-ID. The answer's HTTP status, status_code, message and data come back unchanged. Of its headers
only those of the page are relayed: the counts, and Link and Location as `relayed_links.py` rewrites them.
`relayed_answers.py` replaces an error that concerns the hub's own call.

Between parties of different OCPI versions, the body is converted to the receiver's version and the answer to
the caller's; `status_message` names what was lost (X-02). A PATCH is relayed only if it means the same in
both (X-06). Nothing is relayed to or from a party whose version has no message routing; only an authorization
is asked for in the hub's own name (X-08).

The hub relays both interfaces of locations, tariffs and tokens. For sessions, commands and other modules of
which the hub keeps data, the module's own handlers send the request on (`Interface.relay` is false). Private
objects are never relayed: the receiver sees the hub as the caller, so it would show the objects of all the
hub's clients.

For the same reason the caller of a SENDER interface must be a partner that may see all objects of the
module. NSP, NAP and OTHER may not see unpublished locations, so they can only read the hub's own copies. On a
RECEIVER interface the endpoint has checked that the caller may speak for the owner in the URL. The receiver
cannot check this, because it has to accept every owner's objects from a hub (RTE-15).

The claims name the partner that plays a party. They are read together with the caller's token, so a relay
costs two reads.

Without OCPI-to (open routing) the hub answers single objects from its copy, which names the owner.
`modules/commands` and `modules/tokens` find the receiver by the content of the request.

Source: OCPI 2.2.1 transport_and_format_message_routing; RTE-07 … RTE-11, RTE-15, RTE-22 … RTE-31, TRP-18,
TRP-19
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from chalicelib.calls.answers import Answer, PartnerError
from chalicelib.calls.client import Exchange, join_url
from chalicelib.errors import BadJson, ConnectionProblem, HubError, NotFound, UnknownReceiver
from chalicelib.hub.relayed_answers import NOT_ANSWERED, message_with, relayed_answer, relayed_error
from chalicelib.hub.relayed_links import LINK, Way, open_link, rewrite_links
from chalicelib.modules.registry import is_private
from chalicelib.partners.directory import claim_key
from chalicelib.policy.visibility import may_see, owner_role
from chalicelib.protocol.json_text import JsonText
from chalicelib.protocol.kinds import Kind
from chalicelib.protocol.message import Party, Reply, Routing
from chalicelib.routes import Call, Interface
from chalicelib.versions.supported import CANONICAL, express, to_canonical, traits_of
from chalicelib.versions.version import Known

if TYPE_CHECKING:
    from chalicelib.partners.directory import Partner
    from chalicelib.protocol.message import Request
    from chalicelib.routes import OcpiRoute
    from chalicelib.settings import Settings
    from chalicelib.storage.table import Key

RELAY_S = 8.0
"""Time limit of the receiver in seconds: less than the requester waits for us."""

_ROLES = ("CPO", "EMSP", "HUB", "NSP", "NAP", "SCSP", "OTHER")
_OPPOSITE = {"CPO": "EMSP", "EMSP": "CPO"}
_COUNTS = {"x-total-count": "X-Total-Count", "x-limit": "X-Limit"}
_LEAST_SHOWN = {"publish": False}


def names_another(settings: Settings, routing: Routing) -> bool:
    """Return whether a request at this hub is for a party that is not the hub's own."""
    return settings.plays("HUB") and routing.receiver is not None and not settings.owns(routing.receiver)


def keys_to_find(settings: Settings, interface: Interface, routing: Routing) -> list[Key]:
    """Return the keys that `check_receiver` and `relay` need, to be read together with the caller's token."""
    receiver = routing.receiver
    if receiver is None or not names_another(settings, routing):
        return []
    return [claim_key(receiver, role) for role in _roles_for(interface)]


def check_receiver(interface: Interface, call: Call) -> None:
    """Check that a partner plays the party that OCPI-to names.

    Raises: UnknownReceiver (RTE-27).
    """
    if _holder_of(interface, call) is None:
        raise UnknownReceiver(f"{_name(call.request.routing.receiver)} is not connected to this hub")


def relay(interface: Interface, route: OcpiRoute, call: Call) -> Reply:
    """Send a request to the party that OCPI-to names, and return its answer in the caller's version.

    Raises: NotFound for objects that the caller may not see; Inexpressible for what the other version cannot
    express; UnknownReceiver, ReceiverTimeout, ConnectionProblem, HubError.
    """
    _check_visibility(interface, call)
    receiver = _find_receiver(interface, call)
    if route.gives is Kind.AUTHORIZATION_INFO and not traits_of(receiver.version).is_routed:
        # The hub asks in its own name: a driver waits.
        reply = route.handler(call)
        return replace(reply, data=express(call.request.version, route.gives, reply.data).data)
    _check_routed(call, receiver)
    endpoint = receiver.endpoint(interface.module, interface.role)
    if endpoint is None:
        raise HubError(f"the receiver offers no {interface.role} interface of {interface.module}")
    segments = [
        call.request.path[part[1:-1]] if part.startswith("{") else part for part in route.path.split("/")[1:]
    ]
    try:
        their_url = join_url(endpoint, segments)
        way = Way(call.caller, receiver, interface.module, interface.role, call.request.url, their_url)
        answer, asked_url = _send(way, route, segments, call)
    except PartnerError as error:
        return _for_caller(receiver, route, call, relayed_error(error))
    headers = {ours: answer.headers[name] for name, ours in _COUNTS.items() if name in answer.headers}
    headers |= rewrite_links(call.node.directory, way, asked_url, answer.headers)
    reply = relayed_answer(answer, headers, needs_data=call.request.method in ("GET", "POST"))
    return _for_caller(receiver, route, call, reply)


def _check_visibility(interface: Interface, call: Call) -> None:
    """Check that the caller may see all objects that the receiver would show to this hub."""
    if is_private(interface.module):
        raise HubError(f"{interface.module} are not relayed by this hub")
    if interface.role == "SENDER" and not may_see(call.caller, interface.module, _LEAST_SHOWN):
        raise NotFound(f"the caller may not see all {interface.module}: address this hub's own party")


def _find_receiver(interface: Interface, call: Call) -> Partner:
    holder, name = _holder_of(interface, call), _name(call.request.routing.receiver)
    partner = call.node.directory.get(holder) if holder else None
    if partner is None:
        raise UnknownReceiver(f"{name} is not connected to this hub")
    if partner.id == call.caller.id and partner.is_hub:
        # Two hubs that each route the party to the other would relay the request for ever.
        raise UnknownReceiver(f"{name} is a party of the caller itself")
    if not partner.is_registered or partner.connection == "OFFLINE":
        raise ConnectionProblem(f"{name} is not connected")
    return partner


def _check_routed(call: Call, receiver: Partner) -> None:
    """Check that the versions of caller and receiver have message routing (X-08).

    The caller's is the one of its registration too: a partner of 2.1.1 at a path of 2.2.1 stays one of 2.1.1.

    Raises: HubError when one has none: nobody could say whom the request and its answer are for.
    """
    for version in (call.request.version, call.caller.version, receiver.version):
        if version and not traits_of(version).is_routed:
            raise HubError(
                f"OCPI {version} has no message routing: an object reaches the receiver when it is sent "
                "without OCPI-to, a request for it cannot be relayed"
            )


def _send(way: Way, route: OcpiRoute, segments: list[str], call: Call) -> tuple[Answer, str]:
    """Send the request, and return the answer and the URL that gave it."""
    sender = call.request.routing.sender or call.caller.roles[0].party
    routing = Routing(sender, call.request.routing.receiver, call.request.routing.relays + 1)
    exchange = Exchange(
        call.request.method, routing=routing, correlation_id=call.request.correlation_id, total_s=RELAY_S,
        takes=route.takes, gives=route.gives, known=Known(is_patch=call.request.method == "PATCH"),
        as_is=_is_as_is(way.receiver, call),
    )  # fmt: skip
    client = call.node.client
    if exchange.method == "GET" and LINK in call.request.query:
        url = open_link(call.node.directory, way, call.request.query[LINK])
        return client.follow(way.receiver, way.module, way.role, url, exchange), url
    exchange = replace(exchange, document=_body(call.request, None if exchange.as_is else route.takes))
    answer = client.send(way.receiver, way.module, way.role, segments, exchange, call.request.query)
    return answer, way.their_url


def _is_as_is(receiver: Partner, call: Call) -> bool:
    """Tell whether both parties speak the same version, so that bodies are relayed as they came."""
    return (receiver.version or CANONICAL) == call.request.version


def _for_caller(receiver: Partner, route: OcpiRoute, call: Call, reply: Reply) -> Reply:
    """Return a reply whose data is in the caller's version."""
    if _is_as_is(receiver, call):
        return reply
    data, losses = express(call.request.version, route.gives, reply.data)
    return replace(reply, data=data, status_message=message_with(reply.status_message, NOT_ANSWERED, losses))


def _body(request: Request, takes: Kind | None) -> JsonText | None:
    """Return the body as canonical text; it is not parsed without `takes`, or when it is canonical.

    Raises: BadJson for a body that is not UTF-8 text; InvalidParameters when it cannot be converted.
    """
    try:
        (request.body or "").encode()
    except UnicodeError as error:
        raise BadJson from error
    return to_canonical(request.version, takes, JsonText(request.body)) if request.body else None


def _holder_of(interface: Interface, call: Call) -> str | None:
    """Return the id of the partner that plays the receiver; the interface's role is preferred."""
    for key in keys_to_find(call.node.settings, interface, call.request.routing):
        if key in call.snapshot:
            return str(call.snapshot[key]["partner_id"])
    return None


def _roles_for(interface: Interface) -> list[str]:
    owner = owner_role(interface.module)
    likely = owner if interface.role == "SENDER" else _OPPOSITE[owner]
    return sorted(_ROLES, key=lambda role: role != likely)


def _name(party: Party | None) -> str:
    return f"{party.country_code}/{party.party_id}" if party else ""
