"""Receiver interface of tokens: stores the tokens that their eMSPs push.

The key of a token is its owner, its uid and its type; the type is in the query string (OWN-05). All reads
are by key, so a request costs the same with ten tokens or a million.

Source: OCPI 2.2.1 mod_tokens, Receiver Interface; TOK-01 … TOK-06
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.errors import NotFound
from chalicelib.findings.received import Source, join_remarks
from chalicelib.log import log
from chalicelib.modules.received_objects import change_received, check_sender, read_sent_patch
from chalicelib.modules.tokens.decisions import patched_by
from chalicelib.modules.tokens.keeping import MODULE, PARTITION, keep
from chalicelib.modules.tokens.objects import OTHER, RFID, Token
from chalicelib.modules.tokens.rules import type_in_query, type_of
from chalicelib.policy.ownership import id_in_url, is_callers, owner_in_url
from chalicelib.policy.received_parties import owners_key
from chalicelib.policy.time_remarks import remark_on
from chalicelib.protocol.kinds import Kind
from chalicelib.protocol.message import Reply, Request
from chalicelib.routes import Call, Interface, Route
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import overtaken_by
from chalicelib.versions.supported import traits_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.node import Node
    from chalicelib.storage.table import Key

OWNER = "EMSP"


def get_token(call: Call) -> Reply:
    """Answer the stored copy to its owner."""
    ref = _checked_ref(call)
    stored = call.node.objects.get(_meant_ref(call, ref), call.snapshot)
    if stored is None or not is_callers(call.caller, ref.owner, OWNER, stored.source):
        raise NotFound("unknown token")
    return Reply(stored.body)


def put_token(call: Call) -> Reply:
    """Create or replace a token, unless the stored one is newer."""
    ref = _checked_ref(call)
    kept = keep(call.node, call.caller, call.json_object(), call.snapshot, ref)
    _log_unnamed_type(call, ref, kept.ref.variant)
    return Reply(http_status=201 if kept.created else 200, status_message=kept.remark)


def patch_token(call: Call) -> Reply:
    """Change some fields of a token, such as `valid`."""
    ref = _checked_ref(call)
    source = Source(call.caller, MODULE, ref)
    received = read_sent_patch(call.node, source, Token, call.json_object(), ref, "uid")
    patch = received.document
    if "type" in patch or ref.variant:
        token_type = type_of(call.request.query, patch)
        _log_unnamed_type(call, ref, token_type)
        ref = ref._replace(variant=token_type)
    else:
        ref = _meant_ref(call, ref)
    change = change_received(
        call.node, call.caller, ref, patched_by(patch), call.snapshot, partition=PARTITION
    )
    overtaken = overtaken_by(change.before, patch["last_updated"])
    about_times = remark_on(call.node, call.caller, ref, patch, overtaken)
    return Reply(status_message=join_remarks(about_times, received.remark))


def _log_unnamed_type(call: Call, ref: Ref, token_type: str) -> None:
    """Log a push whose URL names no type, and whose token is not the RFID that this means (TOK-02)."""
    if token_type != (ref.variant or RFID):
        log.warning(
            "push of a token without ?type= whose body has a type other than RFID: the body counts",
            partner=call.caller.id,
            type=token_type,
        )


def _checked_ref(call: Call) -> Ref:
    """Return the key of the token in the URL, after checking that the caller may access it."""
    ref = _ref(call.request)
    check_sender(call.node, call.caller, ref, call.snapshot)
    return ref


def _ref(request: Request) -> Ref:
    """Return the key of the token in the URL. `variant`: its type, "" if the URL has none."""
    token_type = type_in_query(request.query) or ""
    return Ref(MODULE, *owner_in_url(request), id_in_url(request, "token_uid"), token_type)


def _likely_ref(request: Request) -> Ref:
    """Return the key of the token in the URL, whose type is RFID if the URL has none."""
    ref = _ref(request)
    return ref._replace(variant=ref.variant or RFID)


def _meant_ref(call: Call, ref: Ref) -> Ref:
    """Return the key of the token that a URL means: RFID if it has no type.

    URLs of OCPI 2.1.1 never have one: the token of type OTHER is meant where there is no RFID (V211-73).
    """
    likely = ref._replace(variant=ref.variant or RFID)
    if ref.variant or traits_of(call.request.version).has_token_types:
        return likely
    is_known = call.node.objects.get(likely, call.snapshot) is not None
    return likely if is_known else ref._replace(variant=OTHER)


def _keys_of_get(node: Node, request: Request) -> Sequence[Key]:
    return node.objects.keys_for_get(_likely_ref(request))


def _keys_of_change(node: Node, request: Request) -> Sequence[Key]:
    return [*node.objects.keys_for_change(_likely_ref(request), PARTITION), owners_key(MODULE)]


_PATH = "/{country_code}/{party_id}/{token_uid}"

INTERFACE = Interface(
    MODULE,
    "RECEIVER",
    (
        Route("GET", _PATH, get_token, _keys_of_get, gives=Kind.TOKEN),
        Route("PUT", _PATH, put_token, _keys_of_change, takes=Kind.TOKEN),
        Route("PATCH", _PATH, patch_token, _keys_of_change, takes=Kind.TOKEN),
    ),
)
