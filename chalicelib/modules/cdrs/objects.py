"""The classes that sessions and CDRs have in common: by what token, and how the charging went.

They check and read; what is stored and relayed is the document (TYP-14, TYP-15).

Source: OCPI 2.2.1 mod_cdrs, Data types; SES-11, CDR-15, CDR-16
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from chalicelib.modules.locations.objects import Id, TokenType
from chalicelib.protocol.types import CountryCode2, DateTime, Number, OcpiObject, PartyId, open_enum

AuthMethod: Any = open_enum("AuthMethod", "AUTH_REQUEST COMMAND WHITELIST")
CdrDimensionType: Any = open_enum(
    "CdrDimensionType",
    """CURRENT ENERGY ENERGY_EXPORT ENERGY_IMPORT MAX_CURRENT MAX_POWER MIN_CURRENT MIN_POWER PARKING_TIME
    POWER RESERVATION_TIME STATE_OF_CHARGE TIME""",
)


class CdrToken(OcpiObject):
    """The token that a session was started with; its owner is who hears of the session (SES-11)."""

    country_code: CountryCode2
    party_id: PartyId
    uid: Id
    type: TokenType
    contract_id: Id


class CdrDimension(OcpiObject):
    """How much of something: energy in kWh, power in kW, current in A, times in hours (CDR-16)."""

    type: CdrDimensionType
    volume: Number


class ChargingPeriod(OcpiObject):
    """A stretch of a session; it ends where the next one starts."""

    start_date_time: DateTime
    dimensions: Annotated[list[CdrDimension], Field(min_length=1)]
    tariff_id: Id | None = None
