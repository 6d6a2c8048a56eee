"""Request of a push: sends an object to a partner as it is now.

The key of a token includes its type, which is sent in the query (OWN-05). A CDR is sent by POST to the bare
endpoint (CDR-02); a receiver that already has it recognizes its id.

The URL names the owner. A version without message routing knows only the party of the connection, so there a
hub names itself (V211-06).

Source: OCPI 2.2.1 mod_locations, mod_tariffs, mod_tokens; RTE-11, RTE-13, RTE-15, LOC-13
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.calls.answers import PartnerError, PartnerFault, PartnerRefusal
from chalicelib.calls.client import Answer, Exchange
from chalicelib.errors import InvalidParameters
from chalicelib.modules.registry import find_module, is_private
from chalicelib.partners.directory import Partner
from chalicelib.policy.contract_cards import note_cards
from chalicelib.policy.conversion_facts import facts_to_send
from chalicelib.policy.visibility import owner_role, owner_roles, viewer_of
from chalicelib.protocol.json_text import JsonText, read_json, write_json
from chalicelib.protocol.kinds import Kind
from chalicelib.protocol.message import Party, Routing
from chalicelib.pushing.deliveries import DeliveryStatus
from chalicelib.pushing.failure_record import QUICK_S
from chalicelib.pushing.push_decisions import Act, Seen
from chalicelib.pushing.push_results import PushError
from chalicelib.queues import Broadcast
from chalicelib.storage.keys import Ref
from chalicelib.versions.supported import Inexpressible, traits_of
from chalicelib.versions.version import Loss

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.settings import Settings

PUSH_S = 8.0
"""Seconds that a partner may take to answer one push."""

_UNKNOWN_LOCATION = 2003


class Outcome(NamedTuple):
    """Outcome of the request.

    act: what was sent; the whole location in place of an EVSE when the partner lacks the location. version:
    the one that the partner then has, 0 when only an EVSE was sent. error: None when the partner took it.
    losses: what the partner's OCPI version could not express.
    """

    act: Act
    version: int
    error: PushError | None
    losses: tuple[Loss, ...] = ()
    latency_s: float = 0.0


def send_object(node: Node, act: Act, message: Broadcast, seen: Seen) -> Outcome:
    """Make the request that was decided on; none for SKIP."""
    started = time.monotonic()
    outcome = _try(node, act, message, seen)
    if act is Act.PUT_EVSE and isinstance(outcome.error, PartnerError) and _may_lack_location(outcome.error):
        # Send the whole location instead (LOC-13).
        outcome = _try(node, Act.PUT, message, seen)
    return outcome._replace(latency_s=time.monotonic() - started)


def _try(node: Node, act: Act, message: Broadcast, seen: Seen) -> Outcome:
    try:
        version, losses = _send(node, act, message, seen)
        return Outcome(act, version, None, losses)
    except (PartnerRefusal, PartnerFault) as error:
        return Outcome(act, 0, error, error.losses)
    except InvalidParameters as error:
        return Outcome(act, 0, error)


def _send(node: Node, act: Act, message: Broadcast, seen: Seen) -> tuple[int, tuple[Loss, ...]]:
    """Make the request.

    Returns the version that the partner then has, 0 when only an EVSE was sent, and the losses.
    """
    if act is Act.DELETE:
        return _delete(node, message, seen), ()
    item, evse = seen.item, seen.evse
    assert item is not None
    ref = Ref.parse(item["ref"])
    if act is Act.SKIP:
        return 0, ()
    if act is Act.HOLD:
        raise Inexpressible(
            f"not sent, because OCPI {seen.receiver.version} cannot express that it is not published"
        )
    if act is Act.PUT_EVSE:
        assert evse is not None
        return 0, _call(node, seen, "PUT", ref, (evse["uid"],), JsonText(evse["body"])).losses
    if message.module == "locations":
        whole = node.locations.get_whole(ref)
        assert whole is not None, "locations are never deleted"
        body = _withdrawn(whole.body) if act is Act.WITHDRAW else whole.body
        return whole.version, _call(node, seen, "PUT", ref, (), body).losses
    if ref.variant in find_module(ref.module).unpushed_variants:
        raise Inexpressible(f"not sent: partners ask for {ref.module} of the type {ref.variant} themselves")
    return int(item["v"]), _send_whole(node, seen, ref, JsonText(item["body"])).losses


def _send_whole(node: Node, seen: Seen, ref: Ref, document: JsonText) -> Answer:
    method = find_module(ref.module).push_method
    has_it = seen.delivery.version > 0 and seen.delivery.status != DeliveryStatus.DELETED
    if method == "PUT" or (method == "POST_ONCE" and has_it):
        return _call(node, seen, "PUT", ref, (), document)
    try:
        return _post(node, seen, ref, document)
    except PartnerRefusal:
        if method == "POST":
            raise
        # It may have the object already: a worker may have died after its POST.
        return _call(node, seen, "PUT", ref, (), document)


def _withdrawn(body: JsonText) -> JsonText:
    """The location for a partner that has it and could not hide it: without an EVSE to charge at."""
    location = read_json(str(body))
    gone = {"status": "REMOVED", "last_updated": location["last_updated"]}
    evses = [{**evse, **gone} for evse in location.get("evses", ())]
    return JsonText(write_json({**location, "publish": True, "evses": evses}))


def _post(node: Node, seen: Seen, ref: Ref, document: JsonText) -> Answer:
    routing = _routing(node.settings, seen, ref.module, Party(ref.country_code, ref.party_id))
    exchange = Exchange(
        "POST", document, routing=routing, correlation_id=seen.correlation_id, total_s=PUSH_S,
        takes=(kind := find_module(ref.module).kind),
        known=facts_to_send(node, seen.receiver, seen.receiver.version, kind, document),
    )  # fmt: skip
    return node.client.send(seen.receiver, ref.module, "RECEIVER", (), exchange)


def _delete(node: Node, message: Broadcast, seen: Seen) -> int:
    try:
        _call(node, seen, "DELETE", Ref.parse(message.ref), (), None)
    except PartnerRefusal as refusal:
        # The partner does not have the object, so the deletion is done.
        if refusal.http_status != 404:
            raise
    return max(message.version, seen.delivery.version)


def _may_lack_location(error: PartnerError) -> bool:
    """Tell whether the partner may lack the location of the EVSE.

    Some partners answer a 404 without an envelope, and so may a gateway; in both cases it is safe to send the
    whole location.
    """
    return error.http_status == 404 or error.status_code == _UNKNOWN_LOCATION


def _call(
    node: Node, seen: Seen, method: str, ref: Ref, children: Sequence[str], document: JsonText | None
) -> Answer:
    owner = Party(ref.country_code, ref.party_id)
    kind = Kind.EVSE if children else find_module(ref.module).kind
    exchange = Exchange(
        method,
        document,
        routing=_routing(node.settings, seen, ref.module, owner),
        correlation_id=seen.correlation_id,
        total_s=QUICK_S if seen.quick else PUSH_S,
        takes=kind,
        known=facts_to_send(node, seen.receiver, seen.receiver.version, kind, document, owner),
    )
    note_cards(node, seen.receiver.version, kind, document)
    named = owner if traits_of(seen.receiver.version).is_routed else _sender(node.settings, ref.module, owner)
    path, query = (*(named or owner), ref.id, *children), {"type": ref.variant or None}
    return node.client.send(seen.receiver, ref.module, "RECEIVER", path, exchange, query)


def _routing(settings: Settings, seen: Seen, module: str, owner: Party) -> Routing:
    if not is_private(module) or seen.item is None:
        return Routing(_sender(settings, module, owner), _addressee(seen.receiver, module))
    # Spec: a private object is not broadcast. So a hub forwards it in the name of its owner. A message to a
    # hub has no OCPI-to: the hub finds the receiver by the token (RTE-20, RTE-22, RTE-23).
    viewer = viewer_of(seen.receiver, seen.item["lp"])
    if module == "cdrs" and not seen.item["src"]:
        # A CDR that this hub made is sent in the name of the hub (CDR-22).
        owner = _sender(settings, module, owner) or owner
    return Routing(owner, viewer.party if viewer is not None and viewer.role != "HUB" else None)


def _sender(settings: Settings, module: str, owner: Party) -> Party | None:
    """OCPI-from: the owner, when it is one of our parties; a hub uses its own party (RTE-13)."""
    own = next((own for own in settings.parties(*owner_roles(module)) if own.same_as(owner)), None)
    return own or settings.party_of("HUB")


def _addressee(partner: Partner, module: str) -> Party | None:
    """OCPI-to: the hub, else the partner's party in a role that receives the module."""
    takers = ("CPO",) if owner_role(module) == "EMSP" else ("EMSP", "NSP", "NAP", "OTHER", "CPO")
    for role in ("HUB", *takers):
        if parties := partner.parties(role):
            return parties[0]
    return None
