"""Reservation of location ids at a hub whose id numbers all operators share.

This is an extension of OCPI. The only known form is `POST {locations receiver}/{country_code}/{party_id}`
with a small partial Location, answered by `{"id": "PRT-00001"}`. The hub offers it to partners with the
profile `ptmob`. Each number is given once, also for simultaneous requests. A repeated X-Request-ID of the
same partner gets the same id again.

Source: docs/mobie.md, Location ids and scenario 3.1
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.calls.answers import PartnerFault
from chalicelib.calls.client import Exchange
from chalicelib.errors import InvalidParameters, NotFound, ServerError
from chalicelib.node import Node
from chalicelib.partners.directory import Partner
from chalicelib.policy.received_parties import known_owners, owners_key
from chalicelib.protocol.message import Party, Reply, Routing
from chalicelib.protocol.types import fold
from chalicelib.routes import Call, Interface, Route
from chalicelib.storage.keys import Ref
from chalicelib.storage.table import Conflict, Key, Put, Table

PROFILE = "ptmob"
_PREFIX = "PRT"
_TRIES = 100


# -- the hub's side ----------------------------------------------------------------------------------


def post_reservation(call: Call) -> Reply:
    """Reserve the next free id for the party in the URL."""
    if PROFILE not in call.caller.profiles or not call.node.settings.plays("HUB"):
        raise NotFound("this hub reserves no location ids for this partner")
    party = Party(call.request.path["country_code"], call.request.path["party_id"])
    if not call.caller.plays_as(party, "CPO"):
        raise NotFound(f"{party.country_code}/{party.party_id} is not a CPO of this partner")
    call.json_object()
    request_key = Key(f"location-id-request#{call.caller.id}#{party.key()}#{call.request.request_id}")
    earlier = call.node.table.get(request_key)
    return Reply(data={"id": earlier["id"] if earlier else _hand_out(call.node, party, request_key)})


def _hand_out(node: Node, party: Party, request_key: Key) -> str:
    owners = known_owners(node.table.get_many([owners_key("locations")]), "locations")
    owners += [cpo for partner in node.directory.all() for cpo in partner.parties("CPO")]
    for _ in range(_TRIES):
        number = node.table.update(Key(f"location-ids#{_PREFIX}"), "ADD #given :one", {"one": 1})["given"]
        location_id = f"{_PREFIX}-{number:05d}"
        if _is_used(node.table, location_id, owners):
            continue
        reserved = reservation_key(location_id)
        try:
            node.table.transact(
                [
                    Put({"pk": reserved.pk, "sk": "#", "owner": party.key()}, "attribute_not_exists(#pk)"),
                    Put({"pk": request_key.pk, "sk": "#", "id": location_id}, "attribute_not_exists(#pk)"),
                ]
            )
            return location_id
        except Conflict:
            earlier = node.table.get(request_key)
            if earlier is not None:
                return str(earlier["id"])
    raise ServerError("no location id could be reserved, try again")


def _is_used(table: Table, location_id: str, owners: Sequence[Party]) -> bool:
    """Return True when a location of any owner already has this id, also without a reservation."""
    return bool(table.get_many(Ref("locations", *owner, location_id).key for owner in owners))


def reservation_key(location_id: str) -> Key:
    """Return the key of the item that records which party reserved an id."""
    return Key(f"location-id#{fold(location_id)}")


def refuse_reserved_by_another(party: Party, location_id: str, reserved: Mapping[str, Any] | None) -> None:
    """Refuse an id that another party reserved.

    reserved: the item under `reservation_key`, None when the id is not reserved.
    Raises: InvalidParameters when the item names another party.
    """
    if reserved is not None and reserved["owner"] != party.key():
        raise InvalidParameters(f"{location_id!r} was reserved by another party", field="id")


INTERFACE = Interface(
    "locations", "RECEIVER", (Route("POST", "/{country_code}/{party_id}", post_reservation),)
)


# -- the CPO's side ----------------------------------------------------------------------------------


def reserve(node: Node, partner: Partner, party: Party, document: Mapping[str, Any], request_id: str) -> str:
    """Reserve a location id at a hub and return the id.

    document: the known fields of the future location.
    Raises: PartnerRefusal; PartnerFault, also when the answer holds no id.
    """
    routing = Routing(sender=party, receiver=next(iter(partner.parties("HUB")), None))
    exchange = Exchange("POST", document, routing=routing, request_id=request_id)
    answer = node.client.send(partner, "locations", "RECEIVER", list(party), exchange)
    location_id = answer.data.get("id") if isinstance(answer.data, dict) else None
    if not isinstance(location_id, str) or not location_id:
        raise PartnerFault("answered no id (data.id)", http_status=answer.http_status)
    return location_id
