"""Permits at the operator API."""

from __future__ import annotations

from chalicelib.operator_api.object_lookup import find_object, public_page
from chalicelib.protocol.message import Reply
from chalicelib.routes import OperatorCall, OperatorRoute


def list_permits(call: OperatorCall) -> Reply:
    """A page of permits."""
    return public_page(call, "permits")


def get_permit(call: OperatorCall) -> Reply:
    """One permit."""
    return Reply(data=find_object(call, "permits").body)


ROUTES = (
    OperatorRoute("GET", "/permits", list_permits),
    OperatorRoute("GET", "/permits/{permit_id}", get_permit),
)
