"""Receiver interface of CDRs: POST stores one, GET returns it. A CDR never changes.

The URL in the answer to POST contains owner and id (CDR-03). A CDR that exists is answered like a new one if
it is equal, because messages may arrive twice. If it differs, it is refused: the sender has to correct it
with a credit CDR (CDR-06, CDR-07). A CDR is always refused if its id belongs to a CDR of this node or of
another partner, or is reserved for the credit CDR of a CDR of this node.

*At a hub that makes the CDRs* (`cdr_makers.py`), a CDR of a CPO is answered with 1000 and stored as ignored:
only the operator of the hub sees it (MOBI.E's plan, 7.1). *At a CPO*, the hub sends CDRs whose owner is that
CPO. This is the only case in which a partner writes objects that this node owns (CDR-22).

Source: OCPI 2.2.1 mod_cdrs, Receiver Interface; CDR-02 … CDR-12, CDR-22, TRP-30
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from chalicelib.errors import InvalidParameters, NotFound
from chalicelib.modules.cdrs.objects import Cdr
from chalicelib.modules.registry import interface_path
from chalicelib.partners.directory import claim_key
from chalicelib.policy.cdr_makers import hub_makes_cdr
from chalicelib.policy.ownership import check_owner, id_in_url, owner_in_url
from chalicelib.policy.session_viewers import emsp_of
from chalicelib.policy.time_remarks import remark_on
from chalicelib.policy.visibility import partition_for_received, partition_for_viewer
from chalicelib.protocol.json_text import Document, JsonText, read_json, write_json
from chalicelib.protocol.kinds import Kind
from chalicelib.protocol.message import Party, Reply, Request
from chalicelib.protocol.types import fold, validate
from chalicelib.queues import CREDIT
from chalicelib.routes import Call, Interface, Route
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import Stored, Write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.node import Node
    from chalicelib.storage.table import Key

MODULE = "cdrs"
IGNORED = f"{partition_for_received(MODULE)}#ignored"
"""Partition of the CDRs of CPOs that are ignored, because the hub makes its own."""

MAX_BODY = 512 * 1024
"""Longest body in characters; longer ones are refused before they are parsed, and could not be stored."""

_LONGEST_NAME = 39


def get_cdr(call: Call) -> Reply:
    """Return a CDR to the partner that sent it, or to its owner (CDR-04)."""
    owner = owner_in_url(call.request)
    stored = call.node.objects.get(_ref_in_url(call.request), call.snapshot)
    if stored is None or not stored.source:
        raise NotFound("unknown CDR")
    if stored.source != call.caller.id and not call.caller.plays_as(owner, "CPO"):
        raise NotFound("unknown CDR")
    return Reply(stored.body)


def post_cdr(call: Call) -> Reply:
    """Store a new CDR (CDR-02)."""
    document = call.json_object()
    cdr = validate(Cdr, document)
    owner = Party(cdr.country_code, cdr.party_id)
    is_own = _check_sender(call, owner)
    partition = _list_of(call, document, is_own)
    ref = Ref(MODULE, *owner, cdr.id)
    _refuse_credit_of_ours(call, ref)

    def decide(current: Stored | None) -> Write | None:
        if current is None:
            return Write(JsonText(write_json(document)), cdr.last_updated)
        if current.source != call.caller.id:
            raise InvalidParameters("a CDR of this id is known, and is not from the caller", field="id")
        if read_json(str(current.body)) != document:
            text = "a CDR of this id is known and differs; CDRs never change, a credit CDR takes one back"
            raise InvalidParameters(text, field="id")
        return None

    change = call.node.objects.change(ref, decide, call.snapshot, partition=partition, source=call.caller.id)
    counts = change.created and partition != IGNORED
    remark = remark_on(call, ref, document)
    headers = {"Location": _url_of(call.request, ref)}
    return Reply(http_status=201 if counts else 200, status_message=remark, headers=headers)


def _check_sender(call: Call, owner: Party) -> bool:
    """Check that the caller may send CDRs of this owner. Returns whether the owner is a party of this node.

    Raises: NotFound when the owner is no CPO of the caller; InvalidParameters when this node makes the
    owner's CDRs itself.
    """
    is_own = call.node.settings.owns(owner, "CPO")
    if not (is_own and call.caller.is_hub):
        check_owner(call, owner, "CPO")
        return False
    if not hub_makes_cdr(call.caller):
        raise InvalidParameters("the CDRs of this party are made by this node", field="party_id")
    return True


def _refuse_credit_of_ours(call: Call, ref: Ref) -> None:
    """Refuse a CDR whose id is reserved for the credit CDR of a CDR of this node.

    Raises: InvalidParameters when it is.
    """
    credited = _credited_ref(ref)
    found = call.node.objects.get(credited, call.snapshot) if credited is not None else None
    if found is not None and not found.source:
        raise InvalidParameters("the CDR that this would credit was made by this node", field="id")


def _credited_ref(ref: Ref) -> Ref | None:
    """Ref of the CDR that a credit CDR credits, by the suffix of its id; None when it has no such suffix."""
    return (
        ref._replace(id=ref.id[: -len(CREDIT)])
        if fold(ref.id).endswith(CREDIT) and ref.id != CREDIT
        else None
    )


def _list_of(call: Call, document: Document, is_own: bool) -> str:
    if is_own:
        return partition_for_viewer(MODULE, None, None)
    if call.node.settings.plays("HUB") and hub_makes_cdr(call.caller):
        return IGNORED
    return partition_for_viewer(MODULE, None, emsp_of(document["cdr_token"]))


def _url_of(request: Request, ref: Ref) -> str:
    segments = (ref.country_code, ref.party_id, ref.id)
    path = "/".join(quote(segment, safe="") for segment in segments)
    return f"{request.base_url}/{request.version}{interface_path(MODULE, 'RECEIVER')}/{path}"


def _ref_in_url(request: Request) -> Ref:
    return Ref(MODULE, *owner_in_url(request), id_in_url(request, "cdr_id"))


def _keys_of_get(node: Node, request: Request) -> Sequence[Key]:
    return node.objects.keys_for_get(_ref_in_url(request))


def _keys_of_post(node: Node, request: Request) -> Sequence[Key]:
    """Keys of the owner and of the CDR, from a body that is not validated yet."""
    if len(request.body or "") > MAX_BODY:
        raise InvalidParameters("the body is longer than any CDR", field="body")
    document = read_json(request.body or "")
    fields = document if isinstance(document, dict) else {}
    names = [str(fields.get(name, "")) for name in ("country_code", "party_id", "id")]
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
        Route("POST", "", post_cdr, _keys_of_post, takes=Kind.CDR),
        Route("GET", "/{country_code}/{party_id}/{cdr_id}", get_cdr, _keys_of_get, gives=Kind.CDR),
    ),
    relay=False,
)
