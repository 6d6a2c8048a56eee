"""Receiver interface of locations: stores the locations, EVSEs and connectors that their owners push.

PUT creates or replaces a location, an EVSE or a connector; PATCH changes an existing one. A PUT or PATCH
below an unknown location or EVSE is answered 404, so that the owner pushes the whole location (LOC-13).
There is no DELETE (LOC-10).

Source: OCPI 2.2.1 mod_locations, Receiver Interface; LOC-04 … LOC-14
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.findings.received import Received, Source, join_remarks, read_patch, read_received
from chalicelib.modules.locations import rules
from chalicelib.modules.locations.decisions import (
    Rule,
    changed_by,
    overtaken_location,
    patched_by,
)
from chalicelib.modules.locations.keeping import MODULE, change_location, keep, partition_of
from chalicelib.modules.locations.objects import Connector, Evse, Location, find_connector
from chalicelib.modules.locations.reservation import reservation_key
from chalicelib.modules.locations.retrieval import find
from chalicelib.modules.locations.unread import with_unread
from chalicelib.modules.received_objects import check_origin, read_sent_patch
from chalicelib.policy.ownership import check_identity, check_owner, id_in_url, owner_in_url
from chalicelib.policy.time_remarks import remark_on
from chalicelib.protocol.json_text import Document, read_json
from chalicelib.protocol.kinds import Kind
from chalicelib.protocol.message import Reply, Request
from chalicelib.protocol.overtaking import Overtaken, Times
from chalicelib.protocol.patch import check_time
from chalicelib.protocol.types import OcpiObject
from chalicelib.routes import Call, Interface, Route
from chalicelib.storage.keys import Ref

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.node import Node
    from chalicelib.storage.locations import EvseChange, EvseDecision, StoredEvse, StoredLocation
    from chalicelib.storage.table import Key

OWNER = "CPO"


def get_object(call: Call) -> Reply:
    """Answer the stored copy of a location, EVSE or connector to its owner."""
    # Spec: GET shall not be combined with broadcast (RTE-19), yet the owner may check what a receiver
    # stored (LOC-12). So a GET with OCPI-to = hub is answered from the hub's own copy, and is not relayed.
    ref = _ref(call)
    children = [
        id_in_url(call.request, name) for name in ("evse_uid", "connector_id") if name in call.request.path
    ]
    return Reply(find(call.node, ref, *children, known=call.snapshot))


def put_location(call: Call) -> Reply:
    """Store a location with all its EVSEs, unless the stored one is newer."""
    ref = _ref(call)
    kept = keep(call.node, call.caller, call.json_object(), call.snapshot, ref)
    return Reply(http_status=201 if kept.created else 200, status_message=kept.remark)


def patch_location(call: Call) -> Reply:
    """Change some fields of a location."""
    ref = _ref(call)
    source = Source(call.caller, MODULE, ref)
    received = read_sent_patch(call.node, source, Location, call.json_object(), ref)
    patch = received.document
    children: list[Overtaken] = []
    decide = patched_by(patch, partition_of, call.node.clock(), children)
    change = change_location(call.node, call.caller, ref, decide, call.snapshot)
    overtaken = overtaken_location(change.before, patch) or children
    about_times = remark_on(call.node, call.caller, ref, patch, overtaken)
    return Reply(status_message=join_remarks(about_times, received.remark))


def put_evse(call: Call) -> Reply:
    """Add or replace an EVSE."""
    ref, evse_uid = _ref(call), id_in_url(call.request, "evse_uid")
    sent = call.json_object()
    received = _read_child(call, ref, Evse, sent, uid=evse_uid)
    document = received.document

    def put(stored: Document | None, times: Times) -> Document | None:
        whole = with_unread("connectors", document, sent, stored) if received.aside else document
        return rules.put_evse(stored, whole, times)

    change = _change_evse(call, ref, evse_uid, put, received.aside)
    remark = _remark_on_evse(call, ref, change, document, also=received.remark)
    return Reply(http_status=201 if change.created else 200, status_message=remark)


def patch_evse(call: Call) -> Reply:
    """Change some fields of an EVSE, such as its status."""
    ref, evse_uid = _ref(call), id_in_url(call.request, "evse_uid")
    received = _read_patch_of_child(call, ref, Evse, uid=evse_uid)
    patch = received.document
    change = _change_evse(call, ref, evse_uid, lambda stored, times: rules.patch_evse(stored, patch, times))
    return Reply(status_message=_remark_on_evse(call, ref, change, patch, also=received.remark))


def put_connector(call: Call) -> Reply:
    """Add or replace a connector of an EVSE."""
    ref, evse_uid = _ref(call), id_in_url(call.request, "evse_uid")
    connector_id = id_in_url(call.request, "connector_id")
    received = _read_child(call, ref, Connector, call.json_object(), id=connector_id)
    document = received.document
    change = _change_evse(
        call, ref, evse_uid, lambda stored, times: rules.put_connector(stored, document, times)
    )
    before = read_json(str(change.before.body)) if change.before else None
    is_new = not (before and find_connector(before, connector_id))
    remark = _remark_on_evse(call, ref, change, document, connector_id, also=received.remark)
    return Reply(http_status=201 if is_new else 200, status_message=remark)


def patch_connector(call: Call) -> Reply:
    """Change some fields of a connector, such as its tariffs."""
    ref, evse_uid = _ref(call), id_in_url(call.request, "evse_uid")
    connector_id = id_in_url(call.request, "connector_id")
    received = _read_patch_of_child(call, ref, Connector, id=connector_id)
    patch = received.document
    change = _change_evse(
        call,
        ref,
        evse_uid,
        lambda stored, times: rules.patch_connector(stored, connector_id, patch, times),
    )
    remark = _remark_on_evse(call, ref, change, patch, connector_id, also=received.remark)
    return Reply(status_message=remark)


def _read_child(call: Call, ref: Ref, model: type[OcpiObject], sent: Document, **id_in_url: str) -> Received:
    """Read the EVSE or connector of a PUT, and check that its id is the one in the URL.

    Raises: InvalidParameters when it cannot be read, or its id differs.
    """
    source = Source(call.caller, MODULE, ref)
    received = read_received(call.node, source, model, sent, id_in_url)
    check_identity(received.document, **id_in_url)
    return received


def _read_patch_of_child(call: Call, ref: Ref, model: type[OcpiObject], **id_in_url: str) -> Received:
    """Read the PATCH of an EVSE or connector, and check its id and its time.

    Raises: InvalidParameters when it cannot be read, its id differs, or it has no `last_updated`.
    """
    received = read_patch(call.node, Source(call.caller, MODULE, ref), model, call.json_object())
    check_identity(received.document, **id_in_url)
    check_time(received.document)
    return received


def _change_evse(call: Call, ref: Ref, evse_uid: str, rule: Rule, aside: str | None = None) -> EvseChange:
    decide = changed_by(rule, call.node.clock())

    def decide_for_caller(stored: StoredEvse | None, location: StoredLocation) -> EvseDecision:
        check_origin(call.node, call.caller, ref, location)
        return decide(stored, location)

    return call.node.locations.change_evse(
        ref,
        evse_uid,
        decide_for_caller,
        call.snapshot,
        source=call.caller.id,
        aside=aside,
        skip_same=True,
    )


def _remark_on_evse(
    call: Call,
    ref: Ref,
    change: EvseChange,
    document: Document,
    connector_id: str | None = None,
    *,
    also: str | None = None,
) -> str | None:
    """Return the remark about timestamps for the answer to a PUT or PATCH of an EVSE or connector.

    also: another remark for the same answer.
    """
    overtaken: list[Overtaken] = []
    if change.before is not None:
        stored: Document | None = read_json(str(change.before.body))
        if stored is not None and connector_id is not None:
            stored = find_connector(stored, connector_id)
        if stored is not None:
            times = Times(call.node.clock(), change.before.arrived)
            overtaken = rules.overtaken_by(stored, document, times)
            if call.request.method == "PATCH" and not overtaken:
                overtaken = rules.overtaken_children(stored, document, times)
    return join_remarks(remark_on(call.node, call.caller, ref, document, overtaken), also)


def _ref(call: Call) -> Ref:
    """Return the key of the location in the URL, after checking that the caller may access it."""
    node, owner = call.node, owner_in_url(call.request)
    check_owner(node.settings, node.table, call.caller, owner, OWNER, call.snapshot)
    return _named(call.request)


def _named(request: Request) -> Ref:
    return Ref(MODULE, *owner_in_url(request), id_in_url(request, "location_id"))


def _keys_of_get(node: Node, request: Request) -> Sequence[Key]:
    return node.locations.keys_for_get(_named(request)) if "evse_uid" in request.path else ()


def _keys_of_change(node: Node, request: Request) -> Sequence[Key]:
    ref = _named(request)
    partitions = [partition_of(hidden) for hidden in (False, True)]
    return [key for partition in partitions for key in node.locations.keys_for_change(ref, partition)]


def _keys_of_put(node: Node, request: Request) -> Sequence[Key]:
    return [*_keys_of_change(node, request), reservation_key(id_in_url(request, "location_id"))]


def _keys_of_evse_change(node: Node, request: Request) -> Sequence[Key]:
    return node.locations.keys_for_evse_change(_named(request))


_LOCATION = "/{country_code}/{party_id}/{location_id}"
_EVSE = _LOCATION + "/{evse_uid}"
_CONNECTOR = _EVSE + "/{connector_id}"

INTERFACE = Interface(
    MODULE,
    "RECEIVER",
    (
        Route("GET", _LOCATION, get_object, _keys_of_get, gives=Kind.LOCATION),
        Route("PUT", _LOCATION, put_location, _keys_of_put, takes=Kind.LOCATION),
        Route("PATCH", _LOCATION, patch_location, _keys_of_change, takes=Kind.LOCATION),
        Route("GET", _EVSE, get_object, _keys_of_get, gives=Kind.EVSE),
        Route("PUT", _EVSE, put_evse, _keys_of_evse_change, takes=Kind.EVSE),
        Route("PATCH", _EVSE, patch_evse, _keys_of_evse_change, takes=Kind.EVSE),
        Route("GET", _CONNECTOR, get_object, _keys_of_get, gives=Kind.CONNECTOR),
        Route("PUT", _CONNECTOR, put_connector, _keys_of_evse_change, takes=Kind.CONNECTOR),
        Route("PATCH", _CONNECTOR, patch_connector, _keys_of_evse_change, takes=Kind.CONNECTOR),
    ),
)
