"""Valid objects as an operator writes them, without ids and times."""

from __future__ import annotations

from decimal import Decimal
from typing import Any


def tariff(**fields: Any) -> dict[str, Any]:
    component = {"type": "ENERGY", "price": Decimal("0.2500"), "vat": 23, "step_size": 1}
    return {"currency": "EUR", "elements": [{"price_components": [component]}], **fields}


def connector(**fields: Any) -> dict[str, Any]:
    return {
        "id": "1",
        "standard": "IEC_62196_T2",
        "format": "SOCKET",
        "power_type": "AC_3_PHASE",
        "max_voltage": 230,
        "max_amperage": 32,
        **fields,
    }


def evse(uid: str = "E1", **fields: Any) -> dict[str, Any]:
    return {"uid": uid, "status": "AVAILABLE", "connectors": [connector()], **fields}


def location(**fields: Any) -> dict[str, Any]:
    return {
        "publish": True,
        "address": "Rua Augusta 1",
        "city": "Lisboa",
        "country": "PRT",
        "coordinates": {"latitude": "38.71000", "longitude": "-9.13000"},
        "time_zone": "Europe/Lisbon",
        "evses": [evse()],
        **fields,
    }


def token(**fields: Any) -> dict[str, Any]:
    return {
        "contract_id": "PT-EVI-C12345678-X",
        "issuer": "Evia",
        "valid": True,
        "whitelist": "ALWAYS",
        **fields,
    }
