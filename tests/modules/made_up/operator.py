"""Permits at the operator API."""

from __future__ import annotations

from chalicelib.operator_api.object_lookup import find_ref, listed_partitions
from chalicelib.protocol.message import Reply
from chalicelib.protocol.pagination import PageQuery, page_reply
from chalicelib.routes import OperatorCall, OperatorRoute


def list_permits(call: OperatorCall) -> Reply:
    """A page of permits."""
    query = PageQuery.read(call.request)
    partitions = listed_partitions(call.node, call.request, "permits")
    return page_reply(call.request, query, call.node.objects.page(partitions, query, call.snapshot))


def get_permit(call: OperatorCall) -> Reply:
    """One permit."""
    ref, items = find_ref(call, "permits")
    found = call.node.objects.get(ref, items)
    assert found is not None
    return Reply(data=found.body)


ROUTES = (
    OperatorRoute("GET", "/permits", list_permits),
    OperatorRoute("GET", "/permits/{permit_id}", get_permit),
)
