"""Sender interface of tokens, for an eMSP or a hub: the list in pages, and authorization.

An eMSP decides about its own tokens; a hub asks the eMSP. A node that is both does both. The URL has a uid
without an owner. If OCPI-to names an eMSP of this node, only its tokens are searched, else the tokens of all
owners that this node may answer for (RTE-06). A hub relays requests to other eMSPs before they come here.

Source: OCPI 2.2.1 mod_tokens, Sender Interface; TOK-08, TOK-11 … TOK-15, RTE-22, RTE-23, RTE-25
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.errors import UnknownToken
from chalicelib.findings.received import Source, read_received
from chalicelib.modules.sender_list import answer_list, keys_of_list
from chalicelib.modules.tokens.emsp_authorization import decide
from chalicelib.modules.tokens.hub_authorization import asking_party, forward
from chalicelib.modules.tokens.objects import RFID, LocationReferences
from chalicelib.modules.tokens.rules import type_in_query
from chalicelib.policy.ownership import id_in_url
from chalicelib.policy.received_parties import known_owners, owners_key
from chalicelib.policy.token_lookup import MODULE, find_token, refs_of
from chalicelib.policy.visibility import may_see
from chalicelib.protocol.kinds import Kind
from chalicelib.protocol.message import Reply, Request
from chalicelib.routes import Call, Interface, Route

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.node import Node
    from chalicelib.protocol.json_text import Document
    from chalicelib.protocol.message import Party
    from chalicelib.settings import Settings
    from chalicelib.storage.table import Key


def get_tokens(call: Call) -> Reply:
    """Answer a page of the tokens that the caller may see."""
    return answer_list(call, MODULE, call.node.objects)


def post_authorize(call: Call) -> Reply:
    """Answer an authorization request for a token.

    Raises: UnknownToken, also for a caller that may not see tokens.
    """
    uid, token_type = _named(call.request)
    asked = _read_references(call)
    owners = _own(call.node.settings, call.request)
    if _asks_hub(call.node.settings, call.request):
        owners = [*owners, *known_owners(call.snapshot, MODULE)]
    token = find_token(call.node, refs_of(owners, uid, token_type), call.snapshot)
    if token is None or not may_see(call.caller, MODULE, {}):
        raise UnknownToken
    if token.source:
        return forward(call, token, asked)
    return Reply(decide(call.node, token, asked, asking_party(call)))


def has_references(request: Request) -> bool:
    """Return whether a body has LocationReferences; it may be empty (TOK-11)."""
    return bool((request.body or "").strip()) and request.json() is not None


def _read_references(call: Call) -> Document | None:
    """Return the LocationReferences in a partner's body; None for an empty body (TOK-11).

    Raises: InvalidParameters when the body cannot be read as LocationReferences.
    """
    if not has_references(call.request):
        return None
    return read_received(
        call.node, Source(call.caller, MODULE), LocationReferences, call.json_object()
    ).document


def _named(request: Request) -> tuple[str, str]:
    return id_in_url(request, "token_uid"), type_in_query(request.query) or RFID


def _own(settings: Settings, request: Request) -> list[Party]:
    """Return the eMSPs whose tokens the request may mean: this node's, or the one that OCPI-to names.

    At a hub, that one may be a partner whose OCPI version has no message routing (`hub/relay.py`).
    """
    own, receiver = settings.parties("EMSP"), request.routing.receiver
    if _asks_hub(settings, request) or receiver is None:
        return own
    if settings.plays("HUB") and not settings.owns(receiver):
        return [receiver]
    return [party for party in own if party.same_as(receiver)]


def _asks_hub(settings: Settings, request: Request) -> bool:
    """Return True when the request leaves it to this hub to find the token's owner."""
    hub, receiver = settings.party_of("HUB"), request.routing.receiver
    return hub is not None and (receiver is None or receiver.same_as(hub))


def _keys_of_page(node: Node, request: Request) -> Sequence[Key]:
    return keys_of_list(node, request, MODULE, node.objects)


def _keys_of_authorize(node: Node, request: Request) -> Sequence[Key]:
    keys = [ref.key for ref in refs_of(_own(node.settings, request), *_named(request))]
    return [*keys, owners_key(MODULE)] if _asks_hub(node.settings, request) else keys


INTERFACE = Interface(
    MODULE,
    "SENDER",
    (
        Route("GET", "", get_tokens, _keys_of_page, gives=Kind.TOKEN),
        Route(
            "POST",
            "/{token_uid}/authorize",
            post_authorize,
            _keys_of_authorize,
            takes=Kind.LOCATION_REFERENCES,
            gives=Kind.AUTHORIZATION_INFO,
        ),
    ),
)
