"""Stores objects as if a hub or an eMSP had received them from a partner."""

from __future__ import annotations

from typing import Any

from chalicelib.policy.received_parties import remember_owners
from chalicelib.policy.visibility import partition_for_received
from chalicelib.protocol.json_text import JsonText, write_json
from chalicelib.protocol.message import Party
from chalicelib.storage.keys import Ref
from chalicelib.storage.locations import WriteLocation
from chalicelib.storage.objects import Write
from tests.operator_api.caller import OperatorApi
from tests.operator_api.objects import connector, evse, location, tariff, token

MOMENT = "2026-02-01T08:00:00Z"


def receive_tariff(
    api: OperatorApi, party: Party, tariff_id: str, remember: bool = True, **fields: Any
) -> dict[str, Any]:
    """Store a received tariff; returns it as it was stored."""
    document = {**_ids(party, tariff_id), **tariff(last_updated=MOMENT, **fields)}
    ref = Ref("tariffs", *party, tariff_id)
    write = Write(JsonText(write_json(document)), MOMENT)
    api.node.objects.change(
        ref, lambda _: write, partition=partition_for_received("tariffs"), source="somebody"
    )
    if remember:
        remember_owners(api.node.table, [ref])
    return document


def receive_location(api: OperatorApi, party: Party, location_id: str) -> dict[str, Any]:
    """Store a received location; returns it as it was stored."""
    one = evse(connectors=[connector(last_updated=MOMENT)], last_updated=MOMENT)
    document = {**_ids(party, location_id), **location(evses=[one], last_updated=MOMENT)}
    ref = Ref("locations", *party, location_id)
    header = {name: value for name, value in document.items() if name != "evses"}
    write = WriteLocation(header, [one])
    api.node.locations.change(
        ref, lambda _: write, partition=partition_for_received("locations"), source="somebody"
    )
    remember_owners(api.node.table, [ref])
    return document


def _ids(party: Party, object_id: str) -> dict[str, str]:
    return {"country_code": party.country_code, "party_id": party.party_id, "id": object_id}


def receive_token(
    api: OperatorApi,
    party: Party,
    uid: str,
    token_type: str = "RFID",
    source: str = "somebody",
    **fields: Any,
) -> dict[str, Any]:
    """Store a received token; returns it as it was stored."""
    ids = {"country_code": party.country_code, "party_id": party.party_id, "uid": uid, "type": token_type}
    document = {**ids, **token(**{"last_updated": MOMENT, **fields})}
    ref = Ref("tokens", *party, uid, token_type)
    write = Write(JsonText(write_json(document)), document["last_updated"])
    api.node.objects.change(ref, lambda _: write, partition=partition_for_received("tokens"), source=source)
    remember_owners(api.node.table, [ref])
    return document
