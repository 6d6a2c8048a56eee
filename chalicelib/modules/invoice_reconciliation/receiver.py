"""Receiver interface of invoice records: their owners create, change and delete them.

# Spec: a record is created by POST to the endpoint, although its owner is in the URL of every other method. A
# PUT creates one as well; a POST of a record that is known and differs is refused.

Source: OCPI 2.3.0 mod_invoice_reconciliation, Receiver Interface; IR-04
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.errors import NotFound
from chalicelib.modules.invoice_reconciliation.decisions import remove
from chalicelib.modules.invoice_reconciliation.keeping import MODULE, RECEIVED, keep
from chalicelib.modules.received_objects import change_received, check_sender
from chalicelib.policy.ownership import id_in_url, owner_in_url
from chalicelib.protocol.message import Reply, Request
from chalicelib.routes import Call, Interface, Route
from chalicelib.storage.keys import Ref

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.node import Node
    from chalicelib.storage.table import Key


def get_record(call: Call) -> Reply:
    """Return the stored record to its owner."""
    stored = call.node.objects.get(_checked_ref(call), call.snapshot)
    if stored is None or not stored.source:
        raise NotFound("unknown invoice reconciliation record")
    return Reply(stored.body)


def post_record(call: Call) -> Reply:
    """Store a new record; one that is known is accepted again if it is equal."""
    kept = keep(call.node, call.caller, call.json_object(), call.snapshot, must_be_new=True)
    return Reply(http_status=201 if kept.created else 200, status_message=kept.remark)


def put_record(call: Call) -> Reply:
    """Create or replace a record, unless the stored one is newer."""
    kept = keep(call.node, call.caller, call.json_object(), call.snapshot, _checked_ref(call))
    return Reply(http_status=201 if kept.created else 200, status_message=kept.remark)


def delete_record(call: Call) -> Reply:
    """Delete a record, which was an error itself (IR-06)."""
    ref = _checked_ref(call)
    change_received(call.node, call.caller, ref, remove, call.snapshot, partition=RECEIVED)
    return Reply()


def _checked_ref(call: Call) -> Ref:
    """Return the key of the record in the URL, after checking that the caller may access it."""
    ref = _ref(call.request)
    check_sender(call.node, call.caller, ref, call.snapshot)
    return ref


def _ref(request: Request) -> Ref:
    return Ref(MODULE, *owner_in_url(request), id_in_url(request, "record_id"))


def _keys_of_get(node: Node, request: Request) -> Sequence[Key]:
    return node.objects.keys_for_get(_ref(request))


def _keys_of_change(node: Node, request: Request) -> Sequence[Key]:
    return node.objects.keys_for_change(_ref(request), RECEIVED)


_PATH = "/{country_code}/{party_id}/{record_id}"

INTERFACE = Interface(
    MODULE,
    "RECEIVER",
    (
        Route("POST", "", post_record),
        Route("GET", _PATH, get_record, _keys_of_get),
        Route("PUT", _PATH, put_record, _keys_of_change),
        Route("DELETE", _PATH, delete_record, _keys_of_change),
    ),
)
