"""Builders of valid sessions with required fields only; a test passes the fields that it is about."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from chalicelib.protocol.json_text import Document
from chalicelib.protocol.message import Party
from tests.harness.partner_api import CPO, EMSP
from tests.modules.builders import T0


def session(owner: Party = CPO, **fields: Any) -> Document:
    """Session S1 of a CPO, with a token of an eMSP."""
    return {
        "country_code": owner.country_code,
        "party_id": owner.party_id,
        "id": "S1",
        "start_date_time": T0,
        "kwh": Decimal("0.00"),
        "cdr_token": cdr_token(),
        "auth_method": "WHITELIST",
        "location_id": "L1",
        "evse_uid": "E1",
        "connector_id": "1",
        "currency": "EUR",
        "status": "ACTIVE",
        "last_updated": T0,
        **fields,
    }


def cdr_token(owner: Party = EMSP, **fields: Any) -> Document:
    """An RFID card of an eMSP."""
    return {
        "country_code": owner.country_code,
        "party_id": owner.party_id,
        "uid": "012345",
        "type": "RFID",
        "contract_id": "PT-GLP-C1",
        **fields,
    }


def period(start: str = T0, volume: object = Decimal("1.50"), **fields: Any) -> Document:
    """A charging period. volume: its energy in kWh."""
    return {"start_date_time": start, "dimensions": [{"type": "ENERGY", "volume": volume}], **fields}


def token(owner: Party = EMSP, **fields: Any) -> Document:
    """The whole Token that belongs to `cdr_token`."""
    return {
        **cdr_token(owner),
        "issuer": "GLP",
        "valid": True,
        "whitelist": "ALWAYS",
        "last_updated": T0,
        **fields,
    }
