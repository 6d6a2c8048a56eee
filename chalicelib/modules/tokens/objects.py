"""Token, what is asked about one, and what is answered.

These models check and read a document; what is stored and relayed is the document itself, so unknown
fields and unknown values of enums survive (TYP-14, TYP-15).

Source: OCPI 2.2.1 mod_tokens, Object description and Data types; TOK-06, TOK-11, TOK-12
"""

from __future__ import annotations

from typing import Any

from chalicelib.modules.locations.objects import DisplayText, Id, String64, TokenType
from chalicelib.protocol.types import (
    CountryCode2,
    DateTime,
    Language,
    OcpiObject,
    PartyId,
    closed_enum,
    open_enum,
)

ALLOWED_TYPES = "ALLOWED BLOCKED EXPIRED NO_CREDIT NOT_ALLOWED"

AllowedType: Any = open_enum("AllowedType", ALLOWED_TYPES)
ProfileType: Any = open_enum("ProfileType", "CHEAP FAST GREEN REGULAR")
WhitelistType: Any = open_enum("WhitelistType", "ALLOWED ALLOWED_OFFLINE ALWAYS NEVER")
OwnAllowedType: Any = closed_enum("AllowedType", ALLOWED_TYPES)
"""What this node's own operator may decide: every CPO has to understand it."""

RFID = "RFID"
"""The type of a token where none is named."""


class EnergyContract(OcpiObject):
    """Whose energy the driver charges."""

    supplier_name: String64
    contract_id: String64 | None = None


class Token(OcpiObject):
    """By what a driver is known; its key is owner, uid and type (OWN-05)."""

    country_code: CountryCode2
    party_id: PartyId
    uid: Id
    type: TokenType
    contract_id: Id
    visual_number: String64 | None = None
    issuer: String64
    group_id: Id | None = None
    valid: bool
    whitelist: WhitelistType
    language: Language | None = None
    default_profile_type: ProfileType | None = None
    energy_contract: EnergyContract | None = None
    last_updated: DateTime


class TokenKey(OcpiObject):
    """The part of a token's key that stands in the query."""

    type: TokenType = RFID


class LocationReferences(OcpiObject):
    """Where a driver wants to charge; `location_id` is of the CPO that asks (TOK-18)."""

    location_id: Id
    evse_uids: list[Id] | None = None


class AuthorizationInfo(OcpiObject):
    """An eMSP's answer, as far as a CPO acts on it: what is wrong in the rest must not stop a driver."""

    allowed: AllowedType
    authorization_reference: Id | None = None


class Decision(OcpiObject):
    """What the operator of an eMSP decides about one request.

    location: where the driver may charge; without it, wherever was asked. error:
    `NOT_ENOUGH_INFORMATION` when it depends on where, and that was not told (TOK-15).
    """

    allowed: OwnAllowedType | None = None
    location: LocationReferences | None = None
    authorization_reference: Id | None = None
    info: DisplayText | None = None
    error: str | None = None
