"""Receiver interface of CDRs: POST stores one, GET returns it. A CDR never changes.

The URL in the answer to POST contains owner and id (CDR-03). `keeping.py` decides whether a CDR is stored.
One that is equal to the stored one, and one that the hub ignores, are answered with 1000 as well.

Source: OCPI 2.2.1 mod_cdrs, Receiver Interface; CDR-02 … CDR-12
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from chalicelib.errors import InvalidParameters, NotFound
from chalicelib.modules.cdrs.keeping import MODULE, credited_ref, is_ignored, keep
from chalicelib.modules.registry import interface_path
from chalicelib.partners.directory import claim_key
from chalicelib.policy.ownership import id_in_url, is_callers, owner_in_url
from chalicelib.protocol.json_text import read_json
from chalicelib.protocol.kinds import Kind
from chalicelib.protocol.message import Reply, Request
from chalicelib.routes import Call, Interface, Route
from chalicelib.storage.keys import Ref

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.node import Node
    from chalicelib.storage.table import Key

OWNER = "CPO"
MAX_BODY = 512 * 1024
"""Longest body in characters; longer ones are refused before they are parsed, and could not be stored."""

_LONGEST_NAME = 39


def get_cdr(call: Call) -> Reply:
    """Return a CDR to the partner that sent it, or to its owner (CDR-04)."""
    ref = _ref_in_url(call.request)
    stored = call.node.objects.get(ref, call.snapshot)
    if stored is None or not stored.source or not is_callers(call.caller, ref.owner, OWNER, stored.source):
        raise NotFound("unknown CDR")
    return Reply(stored.body)


def post_cdr(call: Call) -> Reply:
    """Store a new CDR (CDR-02)."""
    addressee = call.request.routing.receiver
    kept = keep(call.node, call.caller, call.json_object(), call.snapshot, addressee)
    counts = kept.created and not is_ignored(kept)
    headers = {"Location": _url_of(call.request, kept.ref)}
    return Reply(http_status=201 if counts else 200, status_message=kept.remark, headers=headers)


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
    credited = credited_ref(ref)
    keys = [ref.key, claim_key(ref.owner, OWNER)]
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
