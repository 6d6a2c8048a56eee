"""The side that takes CDRs, which never change: POST keeps one, GET answers it, and there is no more.

The URL that POST answers names owner and id (CDR-03). A CDR that is there already is answered like a new one
when it is the same, since messages come twice, and refused when it differs: a credit CDR corrects (CDR-06,
CDR-07). A CDR whose id is that of one of ours, or of another partner's, is refused whatever it says. So is
one under the id of a credit CDR for one of ours.

*At a hub that makes the CDRs* (`cdr_makers.py`) what a CPO sends is answered with 1000 and kept aside, marked
as ignored: its operator sees it, and nobody else (MOBI.E's plan, 7.1). *At a CPO* the hub sends CDRs that
are the CPO's own, by its ids; that is the one case where a partner writes what is ours (CDR-22).

Source: OCPI 2.2.1 mod_cdrs, Receiver Interface; CDR-02 … CDR-12, CDR-22, TRP-30
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from chalicelib.errors import InvalidParameters, NotFound
from chalicelib.modules.cdrs.objects import Cdr
from chalicelib.modules.client_owned_objects import check_owner, id_in_url, owner_in_url
from chalicelib.modules.registry import VERSION, interface_path
from chalicelib.partners.cdr_makers import hub_makes_cdr
from chalicelib.partners.directory import claim_key
from chalicelib.partners.stamps import remark_on
from chalicelib.partners.token_owners import emsp_of
from chalicelib.partners.visibility import partition_for_received, partition_for_viewer
from chalicelib.protocol.json_text import JsonText, read_json, write_json
from chalicelib.protocol.message import Interface, Party, Reply, Request, Route
from chalicelib.protocol.types import fold, validate
from chalicelib.queues import CREDIT
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import Stored, Write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.node import Node
    from chalicelib.storage.table import Key

MODULE = "cdrs"
IGNORED = f"{partition_for_received(MODULE)}#ignored"
"""The list of CDRs that do not count, because the hub makes its own."""

MAX_BODY = 512 * 1024
"""Longer bodies are not parsed before the caller is known, and none can be stored."""

_LONGEST_NAME = 39

Document = dict[str, Any]


def get_cdr(node: Node, request: Request) -> Reply:
    """Answer a CDR to whom it came from (CDR-04)."""
    owner = owner_in_url(request)
    stored = node.objects.get(_ref_in_url(request), request.snapshot)
    if stored is None or not stored.source:
        raise NotFound("unknown CDR")
    if stored.source != request.caller.id and not request.caller.plays_as(owner, "CPO"):
        raise NotFound("unknown CDR")
    return Reply(stored.body)


def post_cdr(node: Node, request: Request) -> Reply:
    """Keep a new CDR (CDR-02)."""
    document = request.json_object()
    cdr = validate(Cdr, document)
    owner = Party(cdr.country_code, cdr.party_id)
    is_own = _check_sender(node, request, owner)
    partition = _list_of(node, request, document, is_own)
    ref = Ref(MODULE, *owner, cdr.id)
    _refuse_credit_of_ours(node, request, ref)

    def decide(current: Stored | None) -> Write | None:
        if current is None:
            return Write(JsonText(write_json(document)), cdr.last_updated)
        if current.source != request.caller.id:
            raise InvalidParameters("a CDR of this id is known, and is not from the caller", field="id")
        if read_json(str(current.body)) != document:
            text = "a CDR of this id is known and differs; CDRs never change, a credit CDR takes one back"
            raise InvalidParameters(text, field="id")
        return None

    change = node.objects.change(ref, decide, request.snapshot, partition=partition, source=request.caller.id)
    counts = change.created and partition != IGNORED
    remark = remark_on(node, request, ref, document)
    headers = {"Location": _url_of(request, ref)}
    return Reply(http_status=201 if counts else 200, status_message=remark, headers=headers)


def _check_sender(node: Node, request: Request, owner: Party) -> bool:
    """See that the caller may send CDRs of this owner; tells whether the owner is this node's own.

    Raises: NotFound, InvalidParameters.
    """
    is_own = any(own.role == "CPO" and own.party.same_as(owner) for own in node.settings.roles)
    if not (is_own and request.caller.is_hub):
        check_owner(node, request, owner, "CPO")
        return False
    if not hub_makes_cdr(request.caller):
        raise InvalidParameters("the CDRs of this party are made by this node", field="party_id")
    return True


def _refuse_credit_of_ours(node: Node, request: Request, ref: Ref) -> None:
    """Keep the id free that a credit CDR for one of this node's own CDRs has or is going to have.

    Raises: InvalidParameters.
    """
    credited = _credited_ref(ref)
    found = node.objects.get(credited, request.snapshot) if credited is not None else None
    if found is not None and not found.source:
        raise InvalidParameters("the CDR that this would credit was made by this node", field="id")


def _credited_ref(ref: Ref) -> Ref | None:
    """The CDR that a CDR is the credit CDR of, by its id; None when it is none."""
    return (
        ref._replace(id=ref.id[: -len(CREDIT)])
        if fold(ref.id).endswith(CREDIT) and ref.id != CREDIT
        else None
    )


def _list_of(node: Node, request: Request, document: Document, is_own: bool) -> str:
    if is_own:
        return partition_for_viewer(MODULE, None, None)
    if node.settings.plays("HUB") and hub_makes_cdr(request.caller):
        return IGNORED
    return partition_for_viewer(MODULE, None, emsp_of(document["cdr_token"]))


def _url_of(request: Request, ref: Ref) -> str:
    segments = (ref.country_code, ref.party_id, ref.id)
    path = "/".join(quote(segment, safe="") for segment in segments)
    return f"{request.base_url}/{VERSION}{interface_path(MODULE, 'RECEIVER')}/{path}"


def _ref_in_url(request: Request) -> Ref:
    return Ref(MODULE, *owner_in_url(request), id_in_url(request, "cdr_id"))


def _keys_of_get(node: Node, request: Request) -> Sequence[Key]:
    return node.objects.keys_for_get(_ref_in_url(request))


def _keys_of_post(node: Node, request: Request) -> Sequence[Key]:
    """Who the owner is, and whether the CDR is known, of a body that nobody has judged yet."""
    if len(request.body or "") > MAX_BODY:
        raise InvalidParameters("the body is longer than any CDR", field="body")
    document = read_json(request.body or "")
    told = document if isinstance(document, dict) else {}
    names = [str(told.get(name, "")) for name in ("country_code", "party_id", "id")]
    if not all(0 < len(name) <= _LONGEST_NAME for name in names):
        return []
    ref = Ref(MODULE, *names)
    credited = _credited_ref(ref)
    keys = [ref.key, claim_key(Party(ref.country_code, ref.party_id), "CPO")]
    return [*keys, credited.key] if credited is not None else keys


INTERFACE = Interface(
    MODULE,
    "RECEIVER",
    (
        Route("POST", "", post_cdr, _keys_of_post),
        Route("GET", "/{country_code}/{party_id}/{cdr_id}", get_cdr, _keys_of_get),
    ),
    hands_on=True,
)
