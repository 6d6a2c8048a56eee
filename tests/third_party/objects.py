"""Builders of small, valid Tariffs and Locations of a third party.

Each builder makes an object with the required fields only; a test names the fields that it is about.
Chapters: mod_tariffs_tariff_object, mod_locations_location_object.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

Object = dict[str, Any]
EARLY = "2026-01-10T08:00:00Z"
LATER = "2026-01-10T09:00:00Z"
LATEST = "2026-01-10T10:00:00Z"


class Party(NamedTuple):
    country_code: str
    party_id: str


def role(name: str, party: Party, *, trade_name: str = "A third party") -> Object:
    return {
        "role": name,
        "country_code": party.country_code,
        "party_id": party.party_id,
        "business_details": {"name": trade_name},
    }


def tariff(owner: Party, tariff_id: str, **fields: object) -> Object:
    component = {"type": "ENERGY", "price": Decimal("0.2500"), "step_size": 1}
    return {
        "country_code": owner.country_code,
        "party_id": owner.party_id,
        "id": tariff_id,
        "currency": "EUR",
        "elements": [{"price_components": [component]}],
        "last_updated": EARLY,
        **fields,
    }


def location(owner: Party, location_id: str, **fields: object) -> Object:
    """A location; without `evses` it has one EVSE `E1` with one connector `1`."""
    return {
        "country_code": owner.country_code,
        "party_id": owner.party_id,
        "id": location_id,
        "publish": True,
        "address": "Rua do Teste 1",
        "city": "Lisboa",
        "country": "PRT",
        "coordinates": {"latitude": "38.7000000", "longitude": "-9.1000000"},
        "time_zone": "Europe/Lisbon",
        "evses": [evse("E1")],
        "last_updated": EARLY,
        **fields,
    }


def evse(uid: str, **fields: object) -> Object:
    return {
        "uid": uid,
        "status": "AVAILABLE",
        "connectors": [connector("1")],
        "last_updated": EARLY,
        **fields,
    }


def connector(connector_id: str, **fields: object) -> Object:
    return {
        "id": connector_id,
        "standard": "IEC_62196_T2",
        "format": "SOCKET",
        "power_type": "AC_3_PHASE",
        "max_voltage": 230,
        "max_amperage": 32,
        "last_updated": EARLY,
        **fields,
    }
