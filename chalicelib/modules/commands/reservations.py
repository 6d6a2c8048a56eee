"""Reservations: find the RESERVE_NOW behind the reservation id that a sender chose.

Two eMSPs may choose the same id. So the item's key has the sender in it, and the CSMS gets an id that this
node made. A RESERVE_NOW with the same id for the same location replaces the reservation (CMD-13). With the
same id for another location it is a new reservation, and the id refers to the new one from then on.

Source: OCPI 2.2.1 mod_commands_reservenow_object; CMD-13 … CMD-15
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib.protocol.message import Party
from chalicelib.protocol.types import fold, parse_datetime
from chalicelib.storage.table import Item, Key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chalicelib.async_requests.objects import AsyncRequest
    from chalicelib.routes import Call
    from chalicelib.storage.table import Table

_KEPT = timedelta(days=2)
"""Time for which a reservation is stored after its end."""

_LONGEST = timedelta(days=365)
"""Limit of the stored end of a reservation, after its arrival."""


class StoredReservation(NamedTuple):
    """A stored reservation.

    own_id: the id that the CSMS gets. receiver_id, addressee: partner and party that the RESERVE_NOW was
    sent to.
    """

    own_id: str
    location_id: str
    receiver_id: str
    addressee: Party | None


def chooser_of(call: Call) -> Party | None:
    """The eMSP that chose the reservation's id. None when the caller is no hub: then it is the caller."""
    return call.request.routing.sender if call.caller.is_hub else None


def find_reservation(
    table: Table, partner_id: str, chooser: Party | None, reservation_id: str
) -> StoredReservation | None:
    """Find a sender's reservation by its id: one call. Returns None when the sender made none of this id.

    partner_id: the sending partner. chooser: the sending party, where the partner sends for several parties.
    """
    item = table.get(_key(partner_id, chooser, reservation_id))
    if item is None:
        return None
    country_code, _, party_id = item["addressee"].partition("*")
    addressee = Party(country_code, party_id) if party_id else None
    return StoredReservation(item["own_id"], item["location_id"], item["receiver_id"], addressee)


def own_id_for(known: StoredReservation | None, location_id: str, new_id: Callable[[], str]) -> str:
    """The id of a reservation for the CSMS: the known one for the same location, otherwise a new one."""
    is_same = known is not None and fold(known.location_id) == fold(location_id)
    return known.own_id if known is not None and is_same else new_id()


def reservation_item(command: AsyncRequest, chooser: Party | None, document: Mapping[str, Any]) -> Item:
    """Make the item that is written with a RESERVE_NOW. chooser: as in `find_reservation`."""
    key = _key(command.partner_id, chooser, document["reservation_id"])
    addressee = command.addressee
    ends = min(parse_datetime(document["expiry_date"]), parse_datetime(command.received) + _LONGEST)
    return {
        "pk": key.pk,
        "sk": key.sk,
        "own_id": command.own_id,
        "location_id": document["location_id"],
        "receiver_id": command.receiver_id,
        "addressee": f"{addressee.country_code}*{addressee.party_id}" if addressee else "",
        "expires_at": int((ends + _KEPT).timestamp()),
    }


def _key(partner_id: str, chooser: Party | None, reservation_id: str) -> Key:
    return Key(f"reservation#{partner_id}#{chooser.key() if chooser else ''}#{fold(reservation_id)}")
