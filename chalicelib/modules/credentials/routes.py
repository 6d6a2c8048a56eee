"""HTTP methods of the credentials module: the state in which each is allowed, and its answer.

Source: OCPI 2.2.1 credentials, Interfaces and endpoints; CRD-08 … CRD-16, TRP-13
"""

from __future__ import annotations

from chalicelib.errors import MethodNotAllowed
from chalicelib.modules.credentials.handshake import accept, credentials_document, forget
from chalicelib.modules.registry import VERSION
from chalicelib.node import Node
from chalicelib.partners.directory import Partner
from chalicelib.protocol.message import Interface, Reply, Request, Route


def get_credentials(node: Node, request: Request) -> Reply:
    """Our credentials for the caller, with the token that it used (CRD-15).

    # Spec: GET with token A is not defined. It gets the same answer, which gives the caller nothing new
    # (CRD-28).
    """
    return Reply(data=credentials_document(node, request.used_token, request.base_url))


def post_credentials(node: Node, request: Request) -> Reply:
    """Register the caller (CRD-08).

    Raises: MethodNotAllowed when it is registered already and has to use PUT.
    """
    if request.caller.is_registered:
        raise MethodNotAllowed("already registered, use PUT to update")
    return _accepted(node, request)


def put_credentials(node: Node, request: Request) -> Reply:
    """Update a registered caller's credentials and endpoints (CRD-09, CRD-11 … CRD-13)."""
    if not request.caller.is_registered:
        raise MethodNotAllowed("not registered, use POST to register")
    return _accepted(node, request)


def delete_credentials(node: Node, request: Request) -> Reply:
    """Unregister the caller (CRD-10, CRD-14)."""
    if not request.caller.is_registered:
        raise MethodNotAllowed("not registered")
    forget(node, request.caller)
    return Reply()


def _accepted(node: Node, request: Request) -> Reply:
    partner, token = accept(node, request.caller, request.used_token, request.json_object(), request.base_url)
    document = credentials_document(node, token, request.base_url)
    return Reply(data=document, status_message=_note_on_roles(partner))


def _note_on_roles(partner: Partner) -> str | None:
    """status_message with the roles that have no effect until this node's operator approves them."""
    if not partner.pending_roles:
        return None
    names = ", ".join(f"{role.role} {role.party.key()}" for role in partner.pending_roles)
    return f"these roles wait for approval by the operator of this node: {names}"


INTERFACE = Interface(
    "credentials",
    "SENDER",
    (
        Route("GET", f"/{VERSION}/credentials", get_credentials),
        Route("POST", f"/{VERSION}/credentials", post_credentials),
        Route("PUT", f"/{VERSION}/credentials", put_credentials),
        Route("DELETE", f"/{VERSION}/credentials", delete_credentials),
    ),
    functional=False,
)
