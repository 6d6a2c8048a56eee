"""Objects that a hub or an eMSP received, put where its receivers put them."""

from __future__ import annotations

from typing import Any

from chalicelib.partners.owners import remember_owners
from chalicelib.partners.visibility import partition_for_received
from chalicelib.protocol.json_text import JsonText, write_json
from chalicelib.protocol.message import Party
from chalicelib.storage.keys import Ref
from chalicelib.storage.locations import WriteLocation
from chalicelib.storage.objects import Write
from tests.operator_api.caller import Door
from tests.operator_api.objects import connector, evse, location, tariff, token

MOMENT = "2026-02-01T08:00:00Z"


def receive_tariff(
    door: Door, party: Party, tariff_id: str, remember: bool = True, **fields: Any
) -> dict[str, Any]:
    """Returns the tariff as it was stored."""
    document = {**_ids(party, tariff_id), **tariff(last_updated=MOMENT, **fields)}
    ref = Ref("tariffs", *party, tariff_id)
    write = Write(JsonText(write_json(document)), MOMENT)
    door.node.objects.change(
        ref, lambda _: write, partition=partition_for_received("tariffs"), source="somebody"
    )
    if remember:
        remember_owners(door.node.table, [ref])
    return document


def receive_location(door: Door, party: Party, location_id: str) -> dict[str, Any]:
    """Returns the location as it was stored."""
    one = evse(connectors=[connector(last_updated=MOMENT)], last_updated=MOMENT)
    document = {**_ids(party, location_id), **location(evses=[one], last_updated=MOMENT)}
    ref = Ref("locations", *party, location_id)
    header = {name: value for name, value in document.items() if name != "evses"}
    write = WriteLocation(header, [one])
    door.node.locations.change(
        ref, lambda _: write, partition=partition_for_received("locations"), source="somebody"
    )
    remember_owners(door.node.table, [ref])
    return document


def _ids(party: Party, object_id: str) -> dict[str, str]:
    return {"country_code": party.country_code, "party_id": party.party_id, "id": object_id}


def receive_token(
    door: Door, party: Party, uid: str, token_type: str = "RFID", source: str = "somebody", **fields: Any
) -> dict[str, Any]:
    """Returns the token as it was stored."""
    ids = {"country_code": party.country_code, "party_id": party.party_id, "uid": uid, "type": token_type}
    document = {**ids, **token(**{"last_updated": MOMENT, **fields})}
    ref = Ref("tokens", *party, uid, token_type)
    write = Write(JsonText(write_json(document)), document["last_updated"])
    door.node.objects.change(ref, lambda _: write, partition=partition_for_received("tokens"), source=source)
    remember_owners(door.node.table, [ref])
    return document
