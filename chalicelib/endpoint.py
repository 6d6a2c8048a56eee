"""Connects Chalice to our handlers; the only place that turns errors into envelopes.

`serve` handles one OCPI request from start to end, without any web framework: find the caller, check its
rights, run the route (or, at a hub, relay the request to its receiver), and wrap the result in an envelope.
The caller's token and the items that the route needs are read in one call. Every path declares every method,
because API Gateway itself answers an undeclared method, with HTTP 403 and no envelope.

Source: OCPI 2.2.1 transport_and_format; TRN-06 … TRN-08, TRN-13 … TRN-21, STA-09, RTE-01 … RTE-06
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from chalice.app import Chalice, Response

from chalicelib import metrics
from chalicelib.application import UNTIDY
from chalicelib.errors import (
    AnswerTooLarge,
    ClientError,
    HubError,
    InvalidParameters,
    MethodNotAllowed,
    NotFound,
    OcpiError,
    ServerError,
    Unauthorized,
)
from chalicelib.findings.reporting import report
from chalicelib.hub import relay
from chalicelib.log import add_fields, log, log_fields
from chalicelib.modules.oversize import log_left_out, log_not_sent
from chalicelib.modules.registry import has_module, interface_path, is_offered
from chalicelib.node import Node
from chalicelib.operator_api import endpoint as operator_endpoint
from chalicelib.partners.directory import Caller, Partner, claim_key
from chalicelib.partners.roles import connection_role
from chalicelib.policy.contract_cards import note_cards
from chalicelib.policy.conversion_facts import facts_to_send
from chalicelib.policy.ownership import check_owner, may_act_for, owner_in_url
from chalicelib.policy.visibility import owner_role, owner_roles, sender_role
from chalicelib.protocol.auth import read_authorization
from chalicelib.protocol.envelope import error_reply, write_envelope
from chalicelib.protocol.headers import (
    CORRELATION_ID,
    MAX_RELAYS,
    REQUEST_ID,
    message_id,
    read_routing,
    write_routing,
)
from chalicelib.protocol.message import Party, Reply, Request, Routing
from chalicelib.protocol.sizes import MAX_BODY_BYTES, fits_answer
from chalicelib.reading.findings import Finding, refusals
from chalicelib.reading.requests import NO_RECEIVER, tidy_request, unknown_receiver
from chalicelib.routes import Call, Interface, OcpiRoute, OperatorRoute, gather_by_path
from chalicelib.settings import Settings
from chalicelib.storage.table import Conflict, Key
from chalicelib.versions.supported import from_canonical, is_supported, status_code_for, traits_of
from chalicelib.versions.version import NOTHING_KNOWN

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
Routes = Mapping[str, OcpiRoute]
Served = tuple[int, dict[str, str], str]
"""HTTP status, headers, body."""


def mount(app: Chalice, current_node: Callable[[], Node], interfaces: Iterable[Interface]) -> None:
    """Register a Chalice view for every path of the interfaces, with every method."""
    for interface in interfaces:
        for path, routes in gather_by_path(interface.routes):
            view = _view(app, current_node, interface, routes)
            app.route(
                absolute_path(interface, path), methods=METHODS, content_types=["*/*"], name=view.__name__
            )(view)


def absolute_path(interface: Interface, path: str) -> str:
    """The path of a route below the deployment's public URL."""
    if interface.role_mounted:
        return f"/ocpi/{{version}}{interface_path(interface.module, interface.role)}{path}"
    return f"/ocpi{path}"


def mount_operator(app: Chalice, current_node: Callable[[], Node], routes: Iterable[OperatorRoute]) -> None:
    """Register a Chalice view for every path of the operator API, with every method."""
    for path, by_method in gather_by_path(routes):

        def view(_routes: Mapping[str, OperatorRoute] = by_method, **path: str) -> Response:
            node = current_node()
            http_status, headers, body = operator_endpoint.serve(
                node, _routes, read_chalice_request(node, app.current_request, path)
            )
            return Response(body=body, status_code=http_status, headers=dict(headers))

        app.route(f"/operator{path}", methods=METHODS, content_types=["*/*"], name=f"operator {path}")(view)


def _view(app: Chalice, current_node: Callable[[], Node], interface: Interface, routes: Routes) -> Any:
    def view(**path: str) -> Response:
        node = current_node()
        request = read_chalice_request(node, app.current_request, path)
        http_status, headers, body = serve(node, interface, routes, request)
        return Response(body=body, status_code=http_status, headers=dict(headers))

    view.__name__ = f"{interface.module.replace('-', '_')}_{interface.role.lower()}"
    return view


def read_chalice_request(node: Node, incoming: Any, path: Mapping[str, str]) -> Request:
    """Convert Chalice's request to ours; path parameters arrive percent-encoded and are decoded here."""
    headers = {name.lower(): value for name, value in incoming.headers.items()}
    prefix, own_path = _split_path(incoming.context)
    public_url = node.settings.public_url or f"https://{incoming.context['domainName']}{prefix}"
    parameters = {name: unquote(value) for name, value in path.items()}
    return Request(
        method=incoming.method,
        url=public_url + own_path,
        base_url=f"{public_url}/ocpi",
        version=parameters.pop("version", ""),
        path=parameters,
        query=dict((incoming.query_params or {}).items()),
        headers=headers,
        body=_text(incoming.raw_body),
        request_id=message_id(headers, REQUEST_ID, node.new_id),
        correlation_id=message_id(headers, CORRELATION_ID, node.new_id),
        untidy_path=UNTIDY in incoming.context,
    )


def _split_path(context: Mapping[str, Any]) -> tuple[str, str]:
    """Split the path into its prefix (stage, or base path of a domain) and the resource's own path."""
    segments = context["path"].rstrip("/").split("/")
    own = len(context["resourcePath"].rstrip("/").split("/")) - 1
    return "/".join(segments[:-own]), "/" + "/".join(segments[-own:])


def _text(body: bytes | str | None) -> str | None:
    # Bytes that are no UTF-8 become surrogates, so that the JSON parser refuses the body (STA-01).
    return body.decode("utf-8", "surrogateescape") if isinstance(body, bytes) else body


def serve(node: Node, interface: Interface, routes: Routes, request: Request) -> Served:
    """Answer one OCPI request: always an envelope, always both message ids (TRN-18, TRN-19)."""
    with log_fields(**_request_fields(interface, request)):
        return _serve(node, interface, routes, request)


def _serve(node: Node, interface: Interface, routes: Routes, request: Request) -> Served:
    started = time.perf_counter()
    sent = request.with_(routing=_claimed_routing(interface, request))
    request, findings = _tidy(node.settings, interface, sent)
    try:
        call, route = _admit(node, interface, routes, request, sent)
        add_fields(partner=call.caller.id)
        if findings and not call.caller.strict:
            report(node, call.caller, interface.module, findings)
        reply = _answer_reporting(interface, route, call)
    except OcpiError as error:
        reply = error_reply(error)
    except Exception:
        log.exception("unforeseen failure")
        reply = error_reply(ServerError())
    log_left_out(node, reply.too_large)
    if (code := status_code_for(request.version, reply.status_code)) != reply.status_code:
        reply = replace(reply, status_code=code)
    reply, body = _sendable(node, interface, request, reply)
    headers = {
        "Content-Type": "application/json",
        REQUEST_ID: request.request_id,
        CORRELATION_ID: request.correlation_id,
        **(_answer_routing(node.settings, interface, request) if interface.routed else {}),
        **reply.headers,
    }
    log.info(
        f"{request.method} {interface.module} {interface.role}",
        status_code=reply.status_code,
        http_status=reply.http_status,
        elapsed_ms=round((time.perf_counter() - started) * 1000, 1),
        **metrics.request_answered(node.settings.table, reply.status_code),
    )
    return reply.http_status, headers, body


def _sendable(node: Node, interface: Interface, request: Request, reply: Reply) -> tuple[Reply, str]:
    """Return the reply and its body; an error instead if the body is too large for Lambda."""
    now = node.clock()
    if not traits_of(request.version).has_fractions:
        now = now.replace(microsecond=0)
    body = write_envelope(reply, now)
    if fits_answer(body):
        return reply, body
    log_not_sent(node, interface.module, len(body))
    error: OcpiError = AnswerTooLarge()
    if _is_relayed(node.settings, interface, request.routing):
        error = HubError("the receiver's answer is too large to hand on: ask for less, with a smaller limit")
    reply = error_reply(error)
    return reply, write_envelope(reply, now)


def _tidy(settings: Settings, interface: Interface, request: Request) -> tuple[Request, tuple[Finding, ...]]:
    """Return the request as it is meant, and what was odd about it.

    A GET for a party that is unknown at a node that is no hub is answered as if it were for this node.
    """
    request, findings = tidy_request(request)
    if not interface.routed or request.method != "GET" or not traits_of(request.version).is_routed:
        return request, findings
    receiver, is_hub = request.routing.receiver, settings.plays("HUB")
    if receiver is None and is_hub and interface.role == "SENDER" and not request.path:
        return request, (*findings, NO_RECEIVER)
    if receiver is not None and not is_hub and not settings.owns(receiver):
        request = request.with_(routing=request.routing._replace(receiver=None))
        return request, (*findings, unknown_receiver(receiver))
    return request, findings


def _admit(
    node: Node, interface: Interface, routes: Routes, request: Request, sent: Request
) -> tuple[Call, OcpiRoute]:
    """Check the caller, the route and the routing headers, and return the call and its route.

    sent: the request before it was tidied, which counts for a strict partner.
    Raises: OcpiError for the first check that fails.
    """
    candidates = read_authorization(request.headers.get("authorization"))
    route = routes.get(request.method)
    wanted, problem = _keys(node, interface, route, request)
    caller, snapshot = node.directory.find_caller(candidates, wanted)
    request = sent if caller.partner.strict else request
    _check_token(interface, request, caller)
    caller = _note_token(node, caller)
    if request.untidy_path and caller.partner.strict:
        raise NotFound("no such path or method")
    _check_offered(node.settings, interface, request, caller.partner)
    if route is None or not route.is_in(traits_of(request.version)):
        raise MethodNotAllowed(f"{request.method} is not offered here")
    module = interface.module
    call = Call(node, request, caller.partner, caller.token, snapshot, route.takes, caller.reading, module)
    if interface.role_mounted:
        _check_plays_a_role(caller.partner)
    if interface.routed:
        _check_routing(interface, call, read_routing(request.headers))
    if request.body and len(request.body) > MAX_BODY_BYTES:
        raise InvalidParameters(f"the body is longer than {MAX_BODY_BYTES} bytes", field="body")
    if problem is not None:
        raise problem
    return call, route


def _check_token(interface: Interface, request: Request, caller: Caller) -> None:
    """Refuse token A outside versions and credentials (TRN-08), and a replaced token except for its PUT."""
    if caller.kind == "A" and not interface.allows_token_a:
        raise Unauthorized("this token is good for versions and credentials only")
    if caller.kind == "RETRY" and not (interface.module == "credentials" and request.method == "PUT"):
        raise Unauthorized


def _note_token(node: Node, caller: Caller) -> Caller:
    """Record in the partner's record what the use of its token shows; a write only when it is news."""
    if caller.kind == "C" and caller.partner.awaits_proof(caller.fingerprint):
        caller = caller._replace(partner=node.directory.end_retry(caller))
    partner = caller.partner
    is_news = caller.reading == "raw" and partner.token_encoding == "base64" and not partner.sends_raw_tokens
    if caller.kind != "C" or not is_news or traits_of(partner.version).sends_raw_tokens:
        return caller
    log.warning("a partner sends raw tokens, and Base64 is expected", partner=partner.id)
    try:
        return caller._replace(partner=node.directory.note_raw_tokens(caller))
    except (Conflict, ServerError):
        return caller  # The next request records it.


def _check_offered(settings: Settings, interface: Interface, request: Request, partner: Partner) -> None:
    """Refuse an interface that the node's roles do not offer, and an OCPI version that it does not speak."""
    own_roles = (own.role for own in settings.roles)
    if interface.role_mounted and not is_offered(interface.module, interface.role, own_roles):
        raise NotFound("this node does not offer this interface")
    if request.version and not is_supported(request.version, settings.ocpi_versions):
        raise NotFound(f"this node does not speak OCPI {request.version[:20]}")
    _check_agreed(interface, request, partner)
    if not has_module(request.version, interface.module):
        raise NotFound(f"OCPI {request.version} has no module {interface.module}")
    has_roles = traits_of(request.version).has_roles
    if not has_roles and connection_role(partner, (own.role for own in settings.roles)) is None:
        raise NotFound(
            f"OCPI {request.version} needs a partner with one role, CPO or EMSP: "
            "the operator of this node names it in the invitation (role)"
        )


def _check_agreed(interface: Interface, request: Request, partner: Partner) -> None:
    """Refuse another version than the one that the operator asks for, and the one that is still in use.

    Credentials have an answer of their own (3002), and the list of versions has no version.
    """
    wanted = partner.only_version
    if not wanted or interface.module == "credentials":
        return
    if request.version not in ("", wanted, partner.version):
        raise NotFound(f"the operator of this node asks for OCPI {wanted} with you")


def _check_plays_a_role(partner: Partner) -> None:
    """Refuse a partner without an approved role: it may see and send nothing (`partners/roles.py`)."""
    if not partner.roles:
        raise ClientError("your roles wait for approval by the operator of this node")


def _keys(
    node: Node, interface: Interface, route: OcpiRoute | None, request: Request
) -> tuple[list[Key], OcpiError | None]:
    """Return the keys that the route needs; its error is raised later, when the caller is known."""
    if route is None:
        return [], None
    claims = _owner_claim(interface, request) + relay.keys_to_find(node.settings, interface, request.routing)
    if route.keys is None or _is_relayed(node.settings, interface, request.routing):
        return claims, None
    try:
        return [*route.keys(node, request), *claims], None
    except OcpiError as error:
        return claims, error


def _owner_claim(interface: Interface, request: Request) -> list[Key]:
    """Return the key of the claim that names the partner of a pushed object's owner, for `check_owner`."""
    if interface.role != "RECEIVER" or request.method == "GET" or "party_id" not in request.path:
        return []
    with suppress(OcpiError):
        return [claim_key(owner_in_url(request), role) for role in owner_roles(interface.module)]
    return []


def _check_sender(interface: Interface, call: Call, sender: Party) -> None:
    """Refuse a sender that the caller may not act for (RTE-32).

    A partner acts for its own parties. A hub also acts for parties that no other partner plays.
    One more call if the claim was not read together with the caller's token.
    """
    node, role = call.node, sender_role(interface)
    if call.caller.plays_as(sender) or may_act_for(
        node.settings, node.table, call.caller, sender, role, call.snapshot
    ):
        return
    name = f"{sender.country_code}/{sender.party_id}"
    raise InvalidParameters(f"{name} is not a party of this partner", field="OCPI-from-party-id")


def _check_routing(interface: Interface, call: Call, claimed: Routing) -> None:
    """Refuse a sender that is not the caller's (RTE-32) and a receiver that is unknown here (RTE-27).

    A request that hubs relay in a circle is refused as well. A GET for a receiver that is unknown at a node
    that is no hub is answered, unless the partner is strict.
    """
    sender, receiver, relays = claimed
    settings = call.node.settings
    if relays >= MAX_RELAYS:
        raise HubError(f"relayed {relays} times without reaching the receiver: hubs send it in a circle")
    if sender is not None:
        _check_sender(interface, call, sender)
    if receiver is None or settings.owns(receiver):
        return
    if not settings.plays("HUB"):
        if call.request.method == "GET" and not call.caller.strict:
            return
        name = f"{receiver.country_code}/{receiver.party_id}"
        raise InvalidParameters(f"{name} is not a party of this node", field="OCPI-to-party-id")
    # A SENDER that passes requests on, such as a command's result, finds the receiver by itself.
    if interface.relay or interface.role != "SENDER":
        relay.check_receiver(interface, call)


def _is_relayed(settings: Settings, interface: Interface, routing: Routing) -> bool:
    """Return whether a request is for another party and its module does not pass it on itself."""
    return interface.relay and relay.names_another(settings, routing)


def _answer_reporting(interface: Interface, route: OcpiRoute, call: Call) -> Reply:
    """Answer a call; a body that is refused for another reason than its form is a finding as well."""
    try:
        return _answer(interface, route, call)
    except ClientError as error:
        if call.request.body and not error.is_reported:
            errors = error.errors or (("body", error.detail),)
            findings = refusals(f"STATUS_{error.status_code}", errors)
            report(call.node, call.caller, interface.module, findings)
        raise


def _answer(interface: Interface, route: OcpiRoute, call: Call) -> Reply:
    if not _is_relayed(call.node.settings, interface, call.request.routing):
        reply = route.handler(call)
        version, facts = call.request.version, NOTHING_KNOWN
        if traits_of(version).needs_facts:
            note_cards(call.node, version, route.gives, reply.data)
            facts = facts_to_send(
                call.node, call.caller, version, route.gives, reply.data, _owner_asked(call)
            )
        return replace(reply, data=from_canonical(version, route.gives, reply.data, facts))
    if interface.role == "RECEIVER" and "party_id" in call.request.path:
        # The receiver cannot check this: it has to accept every owner from a hub (RTE-15).
        node, owner = call.node, owner_in_url(call.request)
        check_owner(
            node.settings, node.table, call.caller, owner, owner_role(interface.module), call.snapshot
        )
    return relay.relay(interface, route, call)


def _owner_asked(call: Call) -> Party | None:
    """The owner of an EVSE or connector that is answered: the one in the URL, or our only one."""
    if "party_id" in call.request.path:
        return owner_in_url(call.request)
    own = call.node.settings.parties("CPO")
    return own[0] if len(own) == 1 else None


def _claimed_routing(interface: Interface, request: Request) -> Routing:
    """Read the routing headers before they are checked; an empty Routing if they are malformed."""
    try:
        return read_routing(request.headers) if interface.routed else Routing()
    except InvalidParameters:
        return Routing()


def _answer_routing(settings: Settings, interface: Interface, request: Request) -> dict[str, str]:
    """The swapped headers; without a receiver in the request, from our own party (RTE-02, RTE-23).

    A version without routing headers gets none (V211-06).
    """
    if not traits_of(request.version).is_routed:
        return {}
    claimed = request.routing
    own_role = {"SENDER": ("CPO", "HUB", "EMSP"), "RECEIVER": ("HUB", "EMSP", "CPO")}[interface.role]
    addressed = claimed.receiver or settings.party_of(*own_role) or settings.roles[0].party
    return write_routing(Routing(sender=addressed, receiver=claimed.sender))


def _request_fields(interface: Interface, request: Request) -> dict[str, Any]:
    """The fields of every log line about a request."""
    return {
        "ocpi_module": interface.module,
        "request_id": request.request_id,
        "correlation_id": request.correlation_id,
    }
