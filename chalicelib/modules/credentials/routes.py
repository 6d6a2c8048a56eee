"""HTTP methods of the credentials module: the state in which each is allowed, and its answer.

Source: OCPI 2.2.1 credentials, Interfaces and endpoints; CRD-08 … CRD-16, TRP-13
"""

from __future__ import annotations

from typing import Any

from chalicelib.errors import MethodNotAllowed
from chalicelib.modules.credentials.called_side import accept, forget
from chalicelib.modules.credentials.handshake import credentials_document, role_toward, with_clients
from chalicelib.modules.registry import missing_of
from chalicelib.partners.directory import Partner
from chalicelib.protocol.kinds import Kind
from chalicelib.protocol.message import Reply
from chalicelib.routes import Call, Interface, Route


def get_credentials(call: Call) -> Reply:
    """Our credentials for the caller, with the token that it used (CRD-15).

    # Spec: GET with token A is not defined. It gets the same answer, which gives the caller nothing new
    # (CRD-28).
    """
    return Reply(data=_ours(call, call.caller, call.token))


def _ours(call: Call, partner: Partner, token: str) -> dict[str, Any]:
    version = call.request.version
    role = role_toward(call.node, partner, version)
    document = credentials_document(call.node, token, call.request.base_url, role)
    return with_clients(call.node, partner, version, document)


def post_credentials(call: Call) -> Reply:
    """Register the caller (CRD-08).

    Raises: MethodNotAllowed when it is registered already and has to use PUT.
    """
    if _is_registered(call):
        raise MethodNotAllowed("already registered, use PUT to update")
    return _accepted(call)


def put_credentials(call: Call) -> Reply:
    """Update a registered caller's credentials and endpoints (CRD-09, CRD-11 … CRD-13)."""
    if not _is_registered(call):
        raise MethodNotAllowed("not registered, use POST to register")
    return _accepted(call)


def delete_credentials(call: Call) -> Reply:
    """Unregister the caller (CRD-10, CRD-14)."""
    if not _is_registered(call):
        raise MethodNotAllowed("not registered")
    forget(call.node, call.caller)
    return Reply()


def _is_registered(call: Call) -> bool:
    """Tell whether the caller is registered with the token that it used.

    A registered partner that is invited again has a token A as well, with which it registers anew.
    """
    fingerprint = call.node.directory.fingerprint(call.token)
    return call.caller.is_registered and not call.caller.holds(fingerprint, "A")


def _accepted(call: Call) -> Reply:
    request = call.request
    partner, token = accept(
        call.node,
        call.caller,
        call.token,
        call.json_object(),
        request.base_url,
        request.version,
        "raw" if call.reading == "raw" else "base64",
    )
    document = _ours(call, partner, token)
    remarks = [_note_on_roles(partner), _note_on_endpoints(call, partner)]
    text = "; ".join(filter(None, remarks))
    return Reply(data=document, status_message=text[:_LONGEST_MESSAGE] or None)


def _note_on_roles(partner: Partner) -> str | None:
    """status_message with the roles that have no effect until this node's operator approves them."""
    if not partner.pending_roles:
        return None
    names = ", ".join(f"{role.role} {role.party.key()}" for role in partner.pending_roles)
    return f"these roles wait for approval by the operator of this node: {names}"


def _note_on_endpoints(call: Call, partner: Partner) -> str | None:
    """status_message with the endpoints of the caller's version details that are left out or missing."""
    left_out = [
        f"{each.identifier} {each.role} {each.note}" for each in partner.endpoint_notes if not each.is_used
    ]
    has = ((endpoint.identifier, endpoint.role) for endpoint in partner.endpoints)
    theirs, ours = (role.role for role in partner.roles), (own.role for own in call.node.settings.roles)
    missing = [" ".join(each) for each in missing_of(has, theirs, ours, partner.version)]
    texts = [
        f"{what}: {', '.join(names[:_NAMED])}"
        for what, names in (("endpoints left out", left_out), ("endpoints missing", missing))
        if names
    ]
    return "; ".join(texts) or None


_NAMED = 5
_LONGEST_MESSAGE = 255
_PATH = "/{version}/credentials"

INTERFACE = Interface(
    "credentials",
    "SENDER",
    (
        Route("GET", _PATH, get_credentials, gives=Kind.CREDENTIALS),
        Route("POST", _PATH, post_credentials, takes=Kind.CREDENTIALS, gives=Kind.CREDENTIALS),
        Route("PUT", _PATH, put_credentials, takes=Kind.CREDENTIALS, gives=Kind.CREDENTIALS),
        Route("DELETE", _PATH, delete_credentials),
    ),
    role_mounted=False,
    allows_token_a=True,
)
