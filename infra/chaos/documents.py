"""The objects of a chaos run, each with its revision in one of its own fields.

Source: OCPI 2.2.1 mod_tariffs_tariff_object, mod_locations_location_object, mod_tokens_token_object,
mod_sessions_session_object
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from certification.ocpi import Document, Party
from certification.samples import connector, write_datetime

CHARGED = timedelta(hours=1)
KWH = Decimal("9.72")
_MARKED_BY = {
    "tariffs": "tariff_alt_url",
    "locations": "name",
    "evses": "physical_reference",
    "tokens": "visual_number",
    "sessions": "meter_id",
}


def read_revision(module: str, document: Mapping[str, Any]) -> int:
    """Read the revision in a document; 0 for a document that is not of the run."""
    found = re.search(r"rev-(\d+)$", str(document.get(_MARKED_BY[module]) or ""))
    return int(found[1]) if found else 0


def tariff(tariff_id: str, revision: int) -> Document:
    """A tariff with a price per kWh."""
    price = {"type": "ENERGY", "price": Decimal("0.25"), "vat": Decimal(23), "step_size": 1}
    return {
        "id": tariff_id,
        "currency": "EUR",
        "tariff_alt_url": f"https://tariffs.example/rev-{revision}",
        "elements": [{"price_components": [price]}],
    }


def location(location_id: str, revision: int, evses: list[Document]) -> Document:
    """A site with the given EVSEs."""
    return {
        "id": location_id,
        "publish": True,
        "name": f"Site rev-{revision}",
        "address": "Rua do Teste 1",
        "city": "Lisboa",
        "country": "PRT",
        "coordinates": {"latitude": "38.700000", "longitude": "-9.100000"},
        "time_zone": "Europe/Lisbon",
        "evses": evses,
    }


def evse(uid: str, revision: int, status: str, tariff_id: str, stamp: str) -> Document:
    """An EVSE with a connector of 22 kW."""
    return {
        "uid": uid,
        "evse_id": f"PT*CHA*E{uid}",
        "status": status,
        "physical_reference": f"rev-{revision}",
        "connectors": [{**connector("1", stamp), "tariff_ids": [tariff_id]}],
        "last_updated": stamp,
    }


def token(uid: str, revision: int, valid: bool) -> Document:
    """A card."""
    return {
        "uid": uid,
        "type": "RFID",
        "contract_id": f"PT-CHA-{uid}",
        "visual_number": f"card rev-{revision}",
        "issuer": "Chaos",
        "valid": valid,
        "whitelist": "ALLOWED",
    }


def session(
    session_id: str,
    revision: int,
    driver: Party,
    card: str,
    place: Mapping[str, str],
    ended: datetime,
    share: int,
) -> Document:
    """A session of an hour. share: how many quarters of it are over; four is the end."""
    begun = write_datetime(ended - CHARGED)
    kwh = KWH * share / 4
    is_over = share == 4
    period = {"start_date_time": begun, "dimensions": [{"type": "ENERGY", "volume": kwh}]}
    return {
        "id": session_id,
        "start_date_time": begun,
        **({"end_date_time": write_datetime(ended)} if is_over else {}),
        "kwh": kwh,
        "cdr_token": {
            "country_code": driver.country_code,
            "party_id": driver.party_id,
            "uid": card,
            "type": "RFID",
            "contract_id": f"PT-CHA-{card}",
        },
        "auth_method": "WHITELIST",
        **place,
        "meter_id": f"meter rev-{revision}",
        "currency": "EUR",
        "charging_periods": [period] if share else [],
        "status": "COMPLETED" if is_over else "ACTIVE",
    }


def without_stamps(value: Any) -> Any:
    """Leave every `last_updated` out, like an operator whose node fills it in."""
    if isinstance(value, dict):
        return {name: without_stamps(part) for name, part in value.items() if name != "last_updated"}
    return [without_stamps(part) for part in value] if isinstance(value, list) else value


def owned(document: Document, owner: Party, stamp: str) -> Document:
    """Complete a document as its owner pushes it."""
    names = {"country_code": owner.country_code, "party_id": owner.party_id}
    return {**names, **document, "last_updated": stamp}


def stamp() -> str:
    """Write the present time."""
    return write_datetime(datetime.now(UTC))
