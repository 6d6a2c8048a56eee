"""Receiver interface of sessions: stores the sessions that CPOs push.

A hub passes a session on to the eMSP of its token only. A session is private, so a hub that pushes for other
owners can read only sessions that it pushed itself, and none that a directly connected CPO pushed.

Source: OCPI 2.2.1 mod_sessions, Receiver Interface; SES-04 … SES-09, SES-11, OWN-01, TRN-28
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from chalicelib.errors import NotFound, OcpiError
from chalicelib.findings.received import Source, join_remarks
from chalicelib.modules.received_objects import change_received, check_sender, read_sent_patch
from chalicelib.modules.sessions.decisions import patched_by
from chalicelib.modules.sessions.keeping import MODULE, keep, partition_of
from chalicelib.modules.sessions.objects import Session
from chalicelib.modules.sessions.rules import tolerated
from chalicelib.modules.sessions.sizes import note_size, refuse_periods
from chalicelib.policy.ownership import id_in_url, is_callers, owner_in_url
from chalicelib.policy.time_remarks import remark_on
from chalicelib.protocol.json_text import read_json
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

_READ_AHEAD = 64 * 1024
"""Bytes; a longer body is parsed only after the caller is known."""

_LONGEST_LIST = 64


def get_session(call: Call) -> Reply:
    """Answer the stored copy to its owner (SES-09)."""
    ref = _checked_ref(call)
    stored = call.node.objects.get(ref, call.snapshot)
    if stored is None or not is_callers(call.caller, ref.owner, OWNER, stored.source):
        raise NotFound("unknown session")
    return Reply(stored.body)


def put_session(call: Call) -> Reply:
    """Create or replace a session, unless the stored one is newer or final."""
    ref = _checked_ref(call)
    addressee = call.request.routing.receiver
    kept = keep(call.node, call.caller, call.json_object(), call.snapshot, ref, addressee)
    return Reply(http_status=201 if kept.created else 200, status_message=kept.remark)


def patch_session(call: Call) -> Reply:
    """Change some fields of a session, and add charging periods.

    Raises: InvalidParameters when the periods do not fit. In that case the other fields are stored.
    """
    ref = _checked_ref(call)
    source = Source(call.caller, MODULE, ref)
    came = call.json_object()
    came = came if call.caller.strict else tolerated(came)
    received = read_sent_patch(call.node, source, Session, came, ref)
    patch = received.document
    decide = patched_by(patch, partition_of)
    change = change_received(call.node, call.caller, ref, decide, call.snapshot, partition="")
    note_size(call.node.settings.table, change, decide.left_out)
    overtaken = overtaken_by(change.before, patch["last_updated"])
    if change.written:
        overtaken = [replace(each, part="all but new charging periods") for each in overtaken]
    remark = remark_on(call.node, call.caller, ref, patch, overtaken)
    if decide.left_out:
        raise refuse_periods()
    return Reply(status_message=join_remarks(remark, received.remark))


def _checked_ref(call: Call) -> Ref:
    """Return the key of the session in the URL, after checking that the caller may act for its owner."""
    ref = _ref(call.request)
    check_sender(call.node, call.caller, ref, call.snapshot)
    return ref


def _ref(request: Request) -> Ref:
    return Ref(MODULE, *owner_in_url(request), id_in_url(request, "session_id"))


def _keys_of_stored(node: Node, request: Request) -> Sequence[Key]:
    return node.objects.keys_for_get(_ref(request))


def _keys_of_put(node: Node, request: Request) -> Sequence[Key]:
    partition, ref = _list_in_body(request.body or ""), _ref(request)
    return node.objects.keys_for_change(ref, partition) if partition else node.objects.keys_for_get(ref)


def _list_in_body(body: str) -> str | None:
    """Return the partition of a session in a body that is not validated yet, None when it has none.

    With it the keys of a new session are read together with the caller's item.
    """
    if len(body) > _READ_AHEAD:
        return None
    try:
        partition = partition_of(read_json(body))
    except (OcpiError, LookupError, TypeError, AttributeError):
        return None
    return partition if len(partition) <= _LONGEST_LIST else None


_PATH = "/{country_code}/{party_id}/{session_id}"

INTERFACE = Interface(
    MODULE,
    "RECEIVER",
    (
        Route("GET", _PATH, get_session, _keys_of_stored, gives=Kind.SESSION),
        Route("PUT", _PATH, put_session, _keys_of_put, takes=Kind.SESSION),
        Route("PATCH", _PATH, patch_session, _keys_of_stored, takes=Kind.SESSION),
    ),
    relay=False,
)
