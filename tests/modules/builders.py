"""Builders of valid objects with required fields only; a test passes the fields that it is about."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from chalicelib.protocol.json_text import Document

T0 = "2026-03-01T08:00:00Z"
T1 = "2026-03-01T09:00:00Z"
T2 = "2026-03-01T10:00:00Z"
T3 = "2026-03-01T11:00:00Z"


def location(**fields: Any) -> Document:
    """Location L1 of PT/ABC with the EVSE E1."""
    return {
        "country_code": "PT",
        "party_id": "ABC",
        "id": "L1",
        "publish": True,
        "address": "Rua do Salitre 1",
        "city": "Lisboa",
        "country": "PRT",
        "coordinates": {"latitude": "38.72000", "longitude": "-9.1500000"},
        "time_zone": "Europe/Lisbon",
        "evses": [evse()],
        "last_updated": T0,
        **fields,
    }


def evse(uid: str = "E1", **fields: Any) -> Document:
    """An EVSE with the connector 1."""
    return {"uid": uid, "status": "AVAILABLE", "connectors": [connector()], "last_updated": T0, **fields}


def connector(connector_id: str = "1", **fields: Any) -> Document:
    """A socket of type 2."""
    return {
        "id": connector_id,
        "standard": "IEC_62196_T2",
        "format": "SOCKET",
        "power_type": "AC_3_PHASE",
        "max_voltage": 230,
        "max_amperage": 32,
        "last_updated": T0,
        **fields,
    }


def tariff(**fields: Any) -> Document:
    """Tariff T1 of PT/ABC."""
    return {
        "country_code": "PT",
        "party_id": "ABC",
        "id": "T1",
        "currency": "EUR",
        "elements": [element()],
        "last_updated": T0,
        **fields,
    }


def element(*components: Document, **fields: Any) -> Document:
    """A tariff element; energy at 0.25 unless components are given."""
    return {"price_components": list(components) or [component()], **fields}


def component(dimension: str = "ENERGY", **fields: Any) -> Document:
    """A price component."""
    return {"type": dimension, "price": Decimal("0.2500"), "step_size": 1, **fields}


def without(document: Document, *names: str) -> Document:
    """The document without some of its fields."""
    return {name: value for name, value in document.items() if name not in names}


def token(**fields: Any) -> Document:
    """The valid RFID token 0102A of PT/GLP, which needs real-time authorization."""
    return {
        "country_code": "PT",
        "party_id": "GLP",
        "uid": "0102A",
        "type": "RFID",
        "contract_id": "PT-GLP-C12345678-X",
        "issuer": "Galp",
        "valid": True,
        "whitelist": "NEVER",
        "last_updated": T0,
        **fields,
    }
