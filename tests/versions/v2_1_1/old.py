"""Objects of OCPI 2.1.1 with every field that it has, none that it lacks, in a form that it would write."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from chalicelib.protocol.json_text import Document

T0, T1, T2 = "2026-03-01T08:00:00Z", "2026-03-01T09:00:00Z", "2026-03-01T10:00:00Z"
AUTH_ID = "PT-GLP-C1"

POINT = {"latitude": "38.720000", "longitude": "-9.150000"}
MIX = {
    "is_green_energy": False,
    "energy_sources": [{"source": "WATER", "percentage": Decimal("35.9")}],
    "environ_impact": [{"source": "CARBON_DIOXIDE", "amount": 372}],
    "supplier_name": "Luz",
}


def connector(**fields: Any) -> Document:
    """Connector 1 of 2.1.1."""
    return {
        "id": "1",
        "standard": "IEC_62196_T2",
        "format": "SOCKET",
        "power_type": "AC_3_PHASE",
        "voltage": 230,
        "amperage": 32,
        "tariff_id": "T1",
        "terms_and_conditions": "https://edp.example/terms",
        "last_updated": T0,
        **fields,
    }


def evse(**fields: Any) -> Document:
    """EVSE E1 of 2.1.1."""
    return {
        "uid": "E1",
        "evse_id": "PT*EDP*E1",
        "status": "AVAILABLE",
        "status_schedule": [{"period_begin": T1, "period_end": T2, "status": "RESERVED"}],
        "capabilities": ["RESERVABLE", "CHARGING_PROFILE_CAPABLE"],
        "connectors": [connector()],
        "floor_level": "-1",
        "coordinates": dict(POINT),
        "physical_reference": "1",
        "parking_restrictions": ["EV_ONLY"],
        "last_updated": T0,
        **fields,
    }


def location(**fields: Any) -> Document:
    """Location L1 of 2.1.1."""
    return {
        "id": "L1",
        "type": "ON_STREET",
        "name": "Salitre",
        "address": "Rua do Salitre 1",
        "city": "Lisboa",
        "postal_code": "1250-096",
        "country": "PRT",
        "coordinates": dict(POINT),
        "related_locations": [{**POINT, "name": {"language": "pt", "text": "Entrada"}}],
        "evses": [evse()],
        "operator": {"name": "EDP"},
        "facilities": ["CAFE"],
        "time_zone": "Europe/Lisbon",
        "opening_times": {"regular_hours": [{"weekday": 1, "period_begin": "08:00", "period_end": "20:00"}]},
        "charging_when_closed": True,
        "energy_mix": dict(MIX),
        "last_updated": T0,
        **fields,
    }


def session(**fields: Any) -> Document:
    """Session S1 of 2.1.1."""
    return {
        "id": "S1",
        "start_datetime": T0,
        "end_datetime": T1,
        "kwh": Decimal("12.50"),
        "auth_id": AUTH_ID,
        "auth_method": "WHITELIST",
        "location": location(),
        "meter_id": "M1",
        "currency": "EUR",
        "charging_periods": [period()],
        "total_cost": Decimal("8.50"),
        "status": "COMPLETED",
        "last_updated": T1,
        **fields,
    }


def period(*dimensions: Document) -> Document:
    """A charging period of 2.1.1."""
    energy = {"type": "ENERGY", "volume": Decimal("12.50")}
    return {"start_date_time": T0, "dimensions": list(dimensions) or [energy, {"type": "FLAT", "volume": 1}]}


def cdr(**fields: Any) -> Document:
    """CDR C1 of 2.1.1."""
    return {
        "id": "C1",
        "start_date_time": T0,
        "stop_date_time": T1,
        "auth_id": AUTH_ID,
        "auth_method": "AUTH_REQUEST",
        "location": location(),
        "meter_id": "M1",
        "currency": "EUR",
        "tariffs": [tariff()],
        "charging_periods": [period()],
        "total_cost": Decimal("4.00"),
        "total_energy": Decimal("12.50"),
        "total_time": Decimal("1.973"),
        "total_parking_time": Decimal("0.25"),
        "remark": "obrigado",
        "last_updated": T2,
        **fields,
    }


def tariff(**fields: Any) -> Document:
    """Tariff T1 of 2.1.1."""
    return {
        "id": "T1",
        "currency": "EUR",
        "tariff_alt_text": [{"language": "pt", "text": "2 euros por hora"}],
        "tariff_alt_url": "https://edp.example/tariffs/T1",
        "elements": [
            {
                "price_components": [{"type": "TIME", "price": Decimal("2.00"), "step_size": 300}],
                "restrictions": {"start_time": "08:00", "max_power": 22, "day_of_week": ["MONDAY"]},
            },
            {"price_components": [{"type": "FLAT", "price": Decimal("0.5"), "step_size": 1}]},
        ],
        "energy_mix": dict(MIX),
        "last_updated": T0,
        **fields,
    }


def token(**fields: Any) -> Document:
    """Token 0102A of 2.1.1."""
    return {
        "uid": "0102A",
        "type": "RFID",
        "auth_id": AUTH_ID,
        "visual_number": "PT-GLP-1",
        "issuer": "Galp",
        "valid": True,
        "whitelist": "ALLOWED",
        "language": "pt",
        "last_updated": T0,
        **fields,
    }


def start_session(**fields: Any) -> Document:
    """A START_SESSION of 2.1.1."""
    return {"response_url": "https://emsp.example/1", "token": token(), "location_id": "L1", **fields}


def reserve_now(**fields: Any) -> Document:
    """A RESERVE_NOW of 2.1.1."""
    return {**start_session(), "expiry_date": T2, "reservation_id": 7, "evse_uid": "E1", **fields}


def credentials(**fields: Any) -> Document:
    """The credentials of an operator of 2.1.1."""
    return {
        "url": "https://cpo.example/ocpi/versions",
        "token": "t",
        "party_id": "EDP",
        "country_code": "PT",
        "business_details": {"name": "EDP", "website": "https://edp.example"},
        **fields,
    }
