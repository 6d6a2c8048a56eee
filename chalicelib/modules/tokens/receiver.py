"""Receiver interface of tokens: stores the tokens that their eMSPs push.

The key of a token is its owner, its uid and its type; the type is in the query string (OWN-05). An
authorization request has only uid and type, so it needs the list of all owners. The first token of an owner
adds the owner to that list before the token is stored (`policy/received_parties.py`; for other modules the
table's stream does so). All reads are by key, so a request costs the same with ten tokens or a million.

Source: OCPI 2.2.1 mod_tokens, Receiver Interface; TOK-01 … TOK-06
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.errors import NotFound
from chalicelib.log import log
from chalicelib.modules.tokens.decisions import patched_by, replace_by
from chalicelib.modules.tokens.objects import RFID, Token
from chalicelib.modules.tokens.rules import type_in_query, type_of
from chalicelib.policy.ownership import (
    check_identity,
    check_owner,
    check_source,
    id_in_url,
    is_callers,
    owner_in_url,
)
from chalicelib.policy.received_parties import known_owners, owners_key, remember_owners
from chalicelib.policy.time_remarks import remark_on
from chalicelib.policy.visibility import partition_for_received
from chalicelib.protocol.kinds import Kind
from chalicelib.protocol.message import Party, Reply, Request
from chalicelib.protocol.patch import check_time
from chalicelib.protocol.types import validate
from chalicelib.routes import Call, Interface, Route
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import overtaken_by

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.node import Node
    from chalicelib.storage.objects import Changed, Decide, Remove, Stored, Write
    from chalicelib.storage.table import Key

MODULE = "tokens"
OWNER = "EMSP"


def get_token(call: Call) -> Reply:
    """Answer the stored copy to its owner."""
    owner = _check_owner(call)
    stored = call.node.objects.get(
        _ref(call.request, type_in_query(call.request.query) or RFID), call.snapshot
    )
    if stored is None or not is_callers(call, owner, OWNER, stored.source):
        raise NotFound("unknown token")
    return Reply(stored.body)


def put_token(call: Call) -> Reply:
    """Create or replace a token, unless the stored one is newer."""
    document = _document(call)
    validate(Token, document)
    _remember_owner(call)
    change, remark = _change(call, document, replace_by(document))
    return Reply(http_status=201 if change.created else 200, status_message=remark)


def patch_token(call: Call) -> Reply:
    """Change some fields of a token, such as `valid`."""
    patch = _document(call)
    check_time(patch)
    _, remark = _change(call, patch, patched_by(patch))
    return Reply(status_message=remark)


def _document(call: Call) -> dict[str, Any]:
    """Return the body, after checking that the caller may send it and that its ids are those of the URL."""
    owner = _check_owner(call)
    document = call.json_object()
    check_identity(
        document,
        country_code=owner.country_code,
        party_id=owner.party_id,
        uid=id_in_url(call.request, "token_uid"),
    )
    return document


def _remember_owner(call: Call) -> None:
    owner = owner_in_url(call.request)
    if not any(owner.same_as(known) for known in known_owners(call.snapshot, MODULE)):
        remember_owners(call.node.table, [_ref(call.request, RFID)])


def _change(call: Call, document: dict[str, Any], decide: Decide) -> tuple[Changed, str | None]:
    """Return the change, and the warning about timestamps for the answer."""
    ref = _ref(call.request, type_of(call.request.query, document))
    if ref.variant != (type_in_query(call.request.query) or RFID):
        log.warning(
            "push of a token without ?type= whose body has a type other than RFID: the body counts",
            partner=call.caller.id,
            type=ref.variant,
        )

    def decide_for_caller(stored: Stored | None) -> Write | Remove | None:
        check_source(call, owner_in_url(call.request), OWNER, stored)
        return decide(stored)

    change = call.node.objects.change(
        ref,
        decide_for_caller,
        call.snapshot,
        partition=partition_for_received(MODULE),
        source=call.caller.id,
    )
    overtaken = overtaken_by(change.before, document["last_updated"])
    return change, remark_on(call, ref, document, overtaken)


def _check_owner(call: Call) -> Party:
    owner = owner_in_url(call.request)
    check_owner(call, owner, OWNER)
    return owner


def _ref(request: Request, token_type: str) -> Ref:
    return Ref(MODULE, *owner_in_url(request), id_in_url(request, "token_uid"), token_type)


def _keys_of_get(node: Node, request: Request) -> Sequence[Key]:
    return node.objects.keys_for_get(_ref(request, type_in_query(request.query) or RFID))


def _keys_of_change(node: Node, request: Request) -> Sequence[Key]:
    ref = _ref(request, type_in_query(request.query) or RFID)
    return [*node.objects.keys_for_change(ref, partition_for_received(MODULE)), owners_key(MODULE)]


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
