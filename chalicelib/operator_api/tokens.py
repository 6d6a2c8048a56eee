"""Tokens in the operator API: an eMSP writes its own, a CPO has one authorized, every node shows them.

A token's key includes its type: `?type=` of the query; else, for a PUT or PATCH, the type in the body; else
RFID.

A CSMS asks to authorize a token when a driver holds a card to a charge point. The answer comes from the
eMSP, or from this node's copy of the token where its whitelist allows that, or from an earlier command with
the token.

Source: OCPI 2.2.1 mod_tokens; TOK-02, TOK-09, OWN-05, CMD-11
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chalicelib.calls.answers import PartnerRefusal
from chalicelib.errors import InvalidParameters, NotEnoughInformation
from chalicelib.modules.tokens import own_tokens, rules
from chalicelib.modules.tokens.cpo_authorization import Question, authorize
from chalicelib.modules.tokens.objects import RFID, LocationReferences
from chalicelib.modules.tokens.sender import has_references
from chalicelib.node import Node
from chalicelib.operator_api.object_lookup import (
    keys_of_public_page,
    keys_to_find,
    object_reply,
    own_parties,
    owner_to_write,
    party_in_query,
    public_page,
)
from chalicelib.operator_api.problems import Problem, bad_query, not_offered
from chalicelib.policy.ownership import id_in_url
from chalicelib.policy.received_parties import known_owners, owners_key
from chalicelib.policy.remote_starts import Authorized, authorized_key, find_authorized
from chalicelib.policy.token_lookup import MODULE, find_token, refs_of
from chalicelib.protocol.message import Party, Reply, Request
from chalicelib.protocol.types import validate
from chalicelib.routes import OperatorCall, OperatorRoute
from chalicelib.settings import Settings
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import Stored
from chalicelib.storage.table import Key

_LIST = "/tokens"
_TOKEN = f"{_LIST}/{{token_uid}}"


def list_tokens(call: OperatorCall) -> Reply:
    """A page of this node's tokens: own and received ones."""
    return public_page(call, MODULE)


def get_token(call: OperatorCall) -> Reply:
    """One token."""
    return object_reply(call, MODULE, _type(call.request))


def put_token(call: OperatorCall) -> Reply:
    """Create or replace an own token."""
    document = call.request.json_object()
    own = _own(call.node.settings, call.request, document)
    written = own_tokens.put_own_token(call.node, own, document, known=call.snapshot)
    return Reply(data=written.document, http_status=201 if written.created else 200)


def patch_token(call: OperatorCall) -> Reply:
    """Change the sent fields of an own token; `null` removes a field."""
    document = call.request.json_object()
    own = _own(call.node.settings, call.request, document)
    return Reply(data=own_tokens.patch_own_token(call.node, own, document, known=call.snapshot).document)


def post_authorize(call: OperatorCall) -> Reply:
    """Authorize a token at a CPO: find out if its driver may charge. body: LocationReferences, or empty.

    Raises: UnknownToken; Problem (422) when the eMSP needs a location to decide; the errors of the call to
    the partner.
    """
    if not call.node.settings.plays("CPO"):
        raise not_offered("this node is no CPO: it authorizes no tokens", [])
    asked = call.request.json_object() if has_references(call.request) else None
    if asked is not None:
        validate(LocationReferences, asked)
    token = _find_copy(call)
    question = Question(
        cpo=owner_to_write(call.node.settings, call.request),
        uid=id_in_url(call.request, "token_uid"),
        token_type=_type(call.request),
        token=token,
        asked=asked,
        correlation_id=call.request.correlation_id,
        authorized=_find_authorized(call, token),
    )
    try:
        return Reply(data=authorize(call.node, question))
    except (PartnerRefusal, NotEnoughInformation) as refusal:
        if refusal.status_code == NotEnoughInformation.status_code and asked is None:
            text = "the eMSP cannot decide without a location"
            raise Problem(422, text, errors=[("location_id", text)]) from refusal
        raise


def _own(settings: Settings, request: Request, document: dict[str, Any]) -> own_tokens.OwnKey:
    """The own token that a request means."""
    _type(request)
    party = owner_to_write(settings, request, document, MODULE)
    return own_tokens.OwnKey(party, id_in_url(request, "token_uid"), rules.type_of(request.query, document))


def _type(request: Request) -> str:
    """The token type in the query, RFID when there is none.

    Raises: Problem (400) for an unknown type.
    """
    try:
        return rules.type_in_query(request.query) or RFID
    except InvalidParameters as error:
        raise bad_query("type", error.detail) from error


def _find_copy(call: OperatorCall) -> Stored | None:
    """This node's copy of the token to authorize; None when there is none.

    Raises: Problem (400) when several eMSPs have a valid token of this uid and `?emsp=` is missing.
    """
    try:
        refs = _refs(call.node.settings, call.request, known_owners(call.snapshot, MODULE))
        return find_token(call.node, refs, call.snapshot)
    except InvalidParameters as error:
        if error.field == "OCPI-to-party-id":
            raise bad_query("emsp", f"required here, because {error.detail}") from error
        raise


def _find_authorized(call: OperatorCall, token: Stored | None) -> Authorized | None:
    """The latest command with this token, which authorizes it for a while (CMD-11)."""
    owner = party_in_query(call.request, "emsp")
    if token is not None:
        owner = Party(token.ref.country_code, token.ref.party_id)
    uid = id_in_url(call.request, "token_uid")
    return find_authorized(call.node.table, uid, _type(call.request), owner, call.snapshot)


def _refs(settings: Settings, request: Request, received_from: Sequence[Party]) -> list[Ref]:
    named = party_in_query(request, "emsp")
    owners = [named] if named is not None else [*own_parties(settings, MODULE), *received_from]
    return refs_of(owners, id_in_url(request, "token_uid"), _type(request))


def _keys_of_list(node: Node, request: Request) -> Sequence[Key]:
    return keys_of_public_page(node, request, MODULE)


def _keys_of_get(node: Node, request: Request) -> Sequence[Key]:
    return keys_to_find(node, request, MODULE, _type(request))


def _keys_of_change(node: Node, request: Request) -> Sequence[Key]:
    named = id_in_url(request, "token_uid"), _type(request)
    own = [own_tokens.OwnKey(party, *named) for party in own_parties(node.settings, MODULE)]
    return [key for each in own for key in own_tokens.keys_to_change(node, each)]


def _keys_of_authorize(node: Node, request: Request) -> Sequence[Key]:
    command = authorized_key(id_in_url(request, "token_uid"), _type(request))
    return [owners_key(MODULE), command, *(ref.key for ref in _refs(node.settings, request, ()))]


ROUTES = (
    OperatorRoute("GET", _LIST, list_tokens, _keys_of_list),
    OperatorRoute("GET", _TOKEN, get_token, _keys_of_get),
    OperatorRoute("PUT", _TOKEN, put_token, _keys_of_change),
    OperatorRoute("PATCH", _TOKEN, patch_token, _keys_of_change),
    OperatorRoute("POST", f"{_TOKEN}/authorize", post_authorize, _keys_of_authorize),
)
