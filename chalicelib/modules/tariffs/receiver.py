"""Receiver interface of tariffs: stores the tariffs that their owners push.

Source: OCPI 2.2.1 mod_tariffs, Receiver Interface; TAR-02 … TAR-06, V211-60
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.errors import NotFound
from chalicelib.findings.received import Source, join_remarks
from chalicelib.modules.received_objects import change_received, check_sender, read_sent_patch
from chalicelib.modules.tariffs.decisions import patched_by, remove
from chalicelib.modules.tariffs.keeping import MODULE, PARTITION, keep
from chalicelib.modules.tariffs.objects import Tariff
from chalicelib.policy.ownership import id_in_url, is_callers, owner_in_url
from chalicelib.policy.time_remarks import remark_on
from chalicelib.protocol.kinds import Kind
from chalicelib.protocol.message import Reply, Request
from chalicelib.routes import Call, Interface, Route
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import overtaken_by

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.node import Node
    from chalicelib.storage.table import Key

OWNER = "CPO"


def get_tariff(call: Call) -> Reply:
    """Answer the stored copy to its owner."""
    ref = _checked_ref(call)
    stored = call.node.objects.get(ref, call.snapshot)
    if stored is None or not is_callers(call.caller, ref.owner, OWNER, stored.source):
        raise NotFound("unknown tariff")
    return Reply(stored.body)


def put_tariff(call: Call) -> Reply:
    """Create or replace a tariff, unless the stored one is newer."""
    ref = _checked_ref(call)
    kept = keep(call.node, call.caller, call.json_object(), call.snapshot, ref)
    return Reply(http_status=201 if kept.created else 200, status_message=kept.remark)


def patch_tariff(call: Call) -> Reply:
    """Change some fields of a tariff; only OCPI 2.1.1 has this."""
    ref = _checked_ref(call)
    source = Source(call.caller, MODULE, ref)
    received = read_sent_patch(call.node, source, Tariff, call.json_object(), ref)
    decide = patched_by(received.document)
    change = change_received(call.node, call.caller, ref, decide, call.snapshot, partition=PARTITION)
    overtaken = overtaken_by(change.before, received.document["last_updated"])
    about_times = remark_on(call.node, call.caller, ref, received.document, overtaken)
    return Reply(status_message=join_remarks(about_times, received.remark))


def delete_tariff(call: Call) -> Reply:
    """Delete a tariff."""
    ref = _checked_ref(call)
    change_received(call.node, call.caller, ref, remove, call.snapshot, partition=PARTITION)
    return Reply()


def _checked_ref(call: Call) -> Ref:
    """Return the key of the tariff in the URL, after checking that the caller may access it."""
    ref = _ref(call.request)
    check_sender(call.node, call.caller, ref, call.snapshot)
    return ref


def _ref(request: Request) -> Ref:
    return Ref(MODULE, *owner_in_url(request), id_in_url(request, "tariff_id"))


def _keys_of_get(node: Node, request: Request) -> Sequence[Key]:
    return node.objects.keys_for_get(_ref(request))


def _keys_of_change(node: Node, request: Request) -> Sequence[Key]:
    return node.objects.keys_for_change(_ref(request), PARTITION)


_PATH = "/{country_code}/{party_id}/{tariff_id}"

INTERFACE = Interface(
    MODULE,
    "RECEIVER",
    (
        Route("GET", _PATH, get_tariff, _keys_of_get, gives=Kind.TARIFF),
        Route("PUT", _PATH, put_tariff, _keys_of_change, takes=Kind.TARIFF),
        Route("PATCH", _PATH, patch_tariff, _keys_of_change, takes=Kind.TARIFF, only_with="patches_tariffs"),
        Route("DELETE", _PATH, delete_tariff, _keys_of_change),
    ),
)
