"""Receiver interface of permits."""

from __future__ import annotations

from chalicelib.policy.ownership import id_in_url, owner_in_url
from chalicelib.policy.visibility import partition_for_received
from chalicelib.protocol.json_text import JsonText, write_json
from chalicelib.protocol.message import Reply
from chalicelib.routes import Call, Interface, Route
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import Write


def put_permit(call: Call) -> Reply:
    """Store a permit."""
    document = call.json_object()
    ref = Ref("permits", *owner_in_url(call.request), id_in_url(call.request, "permit_id"))
    write = Write(JsonText(write_json(document)), document["last_updated"])
    call.node.objects.change(
        ref,
        lambda _: write,
        call.snapshot,
        partition=partition_for_received("permits"),
        source=call.caller.id,
    )
    return Reply()


_PATH = "/{country_code}/{party_id}/{permit_id}"

INTERFACE = Interface("permits", "RECEIVER", (Route("PUT", _PATH, put_permit),))
