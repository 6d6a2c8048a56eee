"""Receiver interface of sessions: stores the sessions that CPOs push.

A hub passes a session on to the eMSP of its token only. A session is private, so a hub that pushes for other
owners can read only sessions that it pushed itself, and none that a directly connected CPO pushed.

Source: OCPI 2.2.1 mod_sessions, Receiver Interface; SES-04 … SES-09, SES-11, OWN-01, TRN-28
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from chalicelib.errors import NotFound, OcpiError
from chalicelib.modules.sessions.decisions import patched_by, replace_by
from chalicelib.modules.sessions.objects import Session
from chalicelib.modules.sessions.rules import tolerated
from chalicelib.modules.sessions.sizes import note_size, refuse_periods
from chalicelib.policy.ownership import (
    check_identity,
    check_owner,
    check_source,
    id_in_url,
    is_callers,
    owner_in_url,
)
from chalicelib.policy.session_viewers import emsp_of
from chalicelib.policy.time_remarks import remark_on
from chalicelib.policy.visibility import partition_for_viewer
from chalicelib.protocol.json_text import Document, read_json
from chalicelib.protocol.kinds import Kind
from chalicelib.protocol.message import Reply, Request
from chalicelib.protocol.patch import check_time
from chalicelib.protocol.types import validate
from chalicelib.routes import Call, Interface, Route
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import overtaken_by

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.node import Node
    from chalicelib.protocol.message import Party
    from chalicelib.storage.objects import Changed, Decide, Remove, Stored, Write
    from chalicelib.storage.table import Key

MODULE = "sessions"
OWNER = "CPO"

_READ_AHEAD = 64 * 1024
"""Bytes; a longer body is parsed only after the caller is known."""

_LONGEST_LIST = 64


def get_session(call: Call) -> Reply:
    """Answer the stored copy to its owner (SES-09)."""
    owner = _owner(call)
    stored = call.node.objects.get(_ref(call.request), call.snapshot)
    if stored is None or not is_callers(call, owner, OWNER, stored.source):
        raise NotFound("unknown session")
    return Reply(stored.body)


def put_session(call: Call) -> Reply:
    """Create or replace a session, unless the stored one is newer or final."""
    owner, ref = _owner(call), _ref(call.request)
    document = tolerated(call.json_object())
    check_identity(document, country_code=owner.country_code, party_id=owner.party_id, id=ref.id)
    validate(Session, document)
    change = _change(call, replace_by(document, _list_of), _list_of(document))
    note_size(call.node, change)
    remark = remark_on(call, ref, document, overtaken_by(change.before, document["last_updated"]))
    return Reply(http_status=201 if change.created else 200, status_message=remark)


def patch_session(call: Call) -> Reply:
    """Change some fields of a session, and add charging periods.

    Raises: InvalidParameters when the periods do not fit. In that case the other fields are stored.
    """
    owner, ref = _owner(call), _ref(call.request)
    patch = tolerated(call.json_object())
    check_identity(patch, country_code=owner.country_code, party_id=owner.party_id, id=ref.id)
    check_time(patch)
    decide = patched_by(patch, _list_of)
    change = _change(call, decide, "")
    note_size(call.node, change, decide.left_out)
    overtaken = overtaken_by(change.before, patch["last_updated"])
    if change.written:
        overtaken = [replace(each, part="all but new charging periods") for each in overtaken]
    remark = remark_on(call, ref, patch, overtaken)
    if decide.left_out:
        raise refuse_periods()
    return Reply(status_message=remark)


def _change(call: Call, decide: Decide, partition: str) -> Changed:
    owner = owner_in_url(call.request)

    def decide_for_caller(stored: Stored | None) -> Write | Remove | None:
        check_source(call, owner, OWNER, stored)
        return decide(stored)

    return call.node.objects.change(
        _ref(call.request), decide_for_caller, call.snapshot, partition=partition, source=call.caller.id
    )


def _list_of(session: Document) -> str:
    return partition_for_viewer(MODULE, None, emsp_of(session["cdr_token"]))


def _owner(call: Call) -> Party:
    """Return the party in the URL, after checking that the caller may act for it."""
    owner = owner_in_url(call.request)
    check_owner(call, owner, OWNER)
    return owner


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
        partition = _list_of(read_json(body))
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
