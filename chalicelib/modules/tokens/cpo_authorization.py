"""Authorization of a token by a CPO: by its copy of the token, or by a request to the eMSP.

The token's whitelist decides whether the CPO sends a request (`rules.py`).

- A token of an eMSP on this node: that eMSP decides at once.
- Any other known token: the request goes to the partner that pushed the token, addressed to the token's eMSP.
- An unknown token: the request goes to the hub, which finds the eMSP (open routing, without OCPI-to, RTE-22),
  then to one directly connected eMSP after the other until one knows the token.

A token that came in a recent START_SESSION or RESERVE_NOW command is authorized without a request (CMD-11).
# Spec: if its eMSP has made the token invalid since, it is BLOCKED, also without a request.

The driver is waiting, and API Gateway waits 29 s at most. So no new request starts after `TOTAL`, and OFFLINE
partners come last.

Source: OCPI 2.2.1 mod_tokens, Real-time authorization and WhitelistType; TOK-09, TOK-10, CMD-11, RTE-22
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from chalicelib.calls.answers import PartnerFault, PartnerRefusal
from chalicelib.calls.client import Exchange
from chalicelib.errors import InvalidParameters, UnknownToken
from chalicelib.findings.received import Source, read_received
from chalicelib.modules.tokens.emsp_authorization import decide
from chalicelib.modules.tokens.objects import AuthorizationInfo
from chalicelib.modules.tokens.rules import Ask, allowed_by, emsp_named_by, whether_to_ask
from chalicelib.partners.directory import claim_key
from chalicelib.policy.conversion_facts import facts_of_token
from chalicelib.policy.remote_starts import Authorized, is_authorized
from chalicelib.policy.token_lookup import MODULE, type_in
from chalicelib.protocol.json_text import Document, read_json
from chalicelib.protocol.kinds import Kind
from chalicelib.protocol.message import Party, Routing
from chalicelib.protocol.types import format_datetime, sort_key
from chalicelib.versions.version import Known

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Directory, Partner
    from chalicelib.storage.objects import Stored

ASK_S = 8.0
"""Seconds that a partner has to answer: more than a hub gives the eMSP behind it."""

TOTAL = timedelta(seconds=15)

_UNKNOWN_TOKEN = 2004
_HUB_CODES = range(4000, 5000)


@dataclass(frozen=True)
class Question:
    """One authorization request of a CPO.

    token: the stored copy, None when there is none. asked: LocationReferences. authorized: the latest command
    with this token.
    """

    cpo: Party
    uid: str
    token_type: str
    token: Stored | None
    asked: Document | None
    correlation_id: str
    authorized: Authorized | None = None


def authorize(node: Node, question: Question) -> Document:
    """Return the AuthorizationInfo for a token: `allowed`, `token`, and the optional fields.

    Raises: UnknownToken when no partner knows the token; NotEnoughInformation; PartnerFault or PartnerRefusal
    when no partner that may know the token gives an answer.
    """
    token = question.token
    if token is not None and not token.source:
        return decide(node, token, question.asked, question.cpo)
    if question.authorized is not None and _is_authorized(question, question.authorized, node.clock()):
        return _info_by_command(question, question.authorized)
    if token is None:
        return _ask_all(node, question)
    document: Document = read_json(str(token.body))
    ask = whether_to_ask(document["whitelist"])
    if ask is Ask.NEVER:
        return _info_by_copy(document, question.asked)
    try:
        return _ask(
            node, _source(node.directory, token), question, Party(token.ref.country_code, token.ref.party_id)
        )
    except (PartnerFault, PartnerRefusal) as error:
        if ask is Ask.FIRST and _is_no_answer(error):
            return _info_by_copy(document, question.asked)
        raise


def _is_authorized(question: Question, authorized: Authorized, now: datetime) -> bool:
    """Return True when the command authorizes the token at every EVSE in the request (CMD-11)."""
    asked = question.asked or {}
    location_id, evse_uids = asked.get("location_id", ""), asked.get("evse_uids") or [None]
    kind = question.token_type
    return all(is_authorized(authorized.start, kind, location_id, uid, now) for uid in evse_uids)


def _info_by_command(question: Question, authorized: Authorized) -> Document:
    token, start = question.token, authorized.start
    if token is not None and token.last_updated > sort_key(start.at):
        document: Document = read_json(str(token.body))
        if not document["valid"]:
            return _info_by_copy(document, question.asked)
    info: Document = {"allowed": "ALLOWED", "token": token.body if token is not None else authorized.token}
    if question.asked:
        info["location"] = question.asked
    if start.authorization_reference:
        info["authorization_reference"] = start.authorization_reference
    return info


def _source(directory: Directory, token: Stored) -> Partner:
    partner = directory.get(token.source)
    if partner is None or not partner.is_registered:
        raise PartnerFault("the partner that the token came from is not registered", never_sent=True)
    return partner


def _info_by_copy(token: Document, asked: Document | None) -> Document:
    info: Document = {"allowed": allowed_by(token), "token": token}
    return info | ({"location": asked} if asked and info["allowed"] == "ALLOWED" else {})


def _is_no_answer(error: PartnerFault | PartnerRefusal) -> bool:
    """Return True when the eMSP did not answer: not reached, no endpoint, or a hub's status 4xxx."""
    return isinstance(error, PartnerFault) or error.http_status is None or error.status_code in _HUB_CODES


def _ask_all(node: Node, question: Question) -> Document:
    """Ask the partners that may know an unknown token, one after the other, until one does."""
    ends = node.clock() + TOTAL
    failure: PartnerFault | PartnerRefusal | None = None
    for partner in _partners_to_ask(node.directory):
        if node.clock() >= ends:
            raise failure or PartnerFault("not all eMSPs could be asked in time", timed_out=True)
        try:
            # Spec: a partner that is not a hub is itself the receiver, so OCPI-to names it.
            addressed = None if partner.is_hub else next(iter(partner.parties("EMSP")), None)
            return _ask(node, partner, question, addressed)
        except UnknownToken:
            continue
        except (PartnerFault, PartnerRefusal) as error:
            failure = failure or error
    if failure is not None:
        raise failure
    raise UnknownToken


def _partners_to_ask(directory: Directory) -> Sequence[Partner]:
    able = [
        partner
        for partner in directory.all()
        if partner.is_registered and partner.endpoint(MODULE, "SENDER") is not None
    ]
    asked = [partner for partner in able if partner.is_hub or partner.has_role("EMSP")]
    return sorted(asked, key=lambda partner: (partner.connection == "OFFLINE", not partner.is_hub))


def _ask(node: Node, partner: Partner, question: Question, addressed: Party | None) -> Document:
    exchange = Exchange(
        "POST",
        question.asked,
        routing=Routing(sender=question.cpo, receiver=addressed),
        correlation_id=question.correlation_id,
        total_s=ASK_S,
        takes=Kind.LOCATION_REFERENCES,
        gives=Kind.AUTHORIZATION_INFO,
        known=_facts(node, partner, question),
    )
    path, query = (question.uid, "authorize"), {"type": type_in(partner.version, question.token_type)}
    try:
        answer = node.client.send(partner, MODULE, "SENDER", path, exchange, query)
    except PartnerRefusal as refusal:
        # TOK-14 requires HTTP 404 together with status 2004, but some partners send another code with it.
        # A 404 without an OCPI envelope is a PartnerFault: it comes from a gateway, which knows no tokens.
        if refusal.status_code == _UNKNOWN_TOKEN or refusal.http_status == 404:
            raise UnknownToken from refusal
        raise
    info = _read(node, partner, answer.data, question)
    _check_token(node, partner, question, info)
    return info


def _facts(node: Node, partner: Partner, question: Question) -> Known:
    """The token that is asked about.

    One that is not stored here is composed from the question: only its uid, type and eMSP are known.
    """
    emsps = partner.parties("EMSP")
    if question.token is not None or not emsps:
        return facts_of_token(partner.version, question.token.body if question.token else None)
    token = {
        **emsps[0]._asdict(),
        "uid": question.uid,
        "type": question.token_type,
        "contract_id": question.uid,
        "issuer": partner.name[:64],
        "valid": True,
        "whitelist": "NEVER",
        "last_updated": format_datetime(node.clock()),
    }
    return facts_of_token(partner.version, token)


def _check_token(node: Node, partner: Partner, question: Question, info: Document) -> None:
    """Check that a partner may answer with the token in its answer, because the token's eMSP is billed.

    For a token that is stored here, the answer must name the same eMSP. For an unknown token, an eMSP may
    name itself, and a hub any eMSP that is not a partner of this node. An answer that names no eMSP passes.
    Raises: PartnerFault when the answer names another party.
    """
    owner = emsp_named_by(info.get("token"))
    if owner is None:
        return
    if question.token is not None:
        is_right = owner.same_as(Party(question.token.ref.country_code, question.token.ref.party_id))
    else:
        is_right = partner.plays_as(owner, "EMSP") or _may_answer_for(node, partner, owner)
    if not is_right:
        raise PartnerFault("answered with a token of another party", http_status=200)


def _may_answer_for(node: Node, partner: Partner, emsp: Party) -> bool:
    """Return True when a partner is a hub that may act for an eMSP."""
    return partner.is_hub and not node.settings.owns(emsp) and node.table.get(claim_key(emsp, "EMSP")) is None


def _read(node: Node, partner: Partner, data: Any, question: Question) -> Document:
    """Return a partner's answer, with our copy of the token when it has none.

    Raises: PartnerFault when the answer is not an AuthorizationInfo.
    """
    try:
        received = read_received(node, Source(partner, MODULE), AuthorizationInfo, data)
    except InvalidParameters as error:
        raise PartnerFault(f"answered no AuthorizationInfo ({error.field})", http_status=200) from error
    info: Document = received.document
    if info.get("token") is None and question.token is not None:
        return {**info, "token": question.token.body}
    return info
