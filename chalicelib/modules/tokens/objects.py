"""Token, and the classes of an authorization request and its answer.

These models check and read a document. The node stores and relays the document itself, so unknown fields
and unknown values of enums survive (TYP-14, TYP-15).

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
"""The values that this node's operator may answer. Closed, because every CPO must understand them."""

RFID, OTHER = "RFID", "OTHER"
"""The default type of a token, and the other one that OCPI 2.1.1 has."""


class EnergyContract(OcpiObject):
    """The driver's contract with an energy supplier."""

    supplier_name: String64
    contract_id: String64 | None = None


class Token(OcpiObject):
    """The identification of a driver, such as a card; its key is owner, uid and type (OWN-05)."""

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
    """The part of a token's key that is in the query string."""

    type: TokenType = RFID


class LocationReferences(OcpiObject):
    """The location and EVSEs of a request to charge; `location_id` is an id of the asking CPO (TOK-18)."""

    location_id: Id
    evse_uids: list[Id] | None = None


class AuthorizationInfo(OcpiObject):
    """The fields of an eMSP's answer that a CPO acts on. Errors in other fields must not stop a driver."""

    allowed: AllowedType
    authorization_reference: Id | None = None


class AuthorizationDecision(OcpiObject):
    """The decision of an eMSP's operator about one authorization request.

    location: the place where the driver may charge; None means the place in the request. error:
    `NOT_ENOUGH_INFORMATION` when the decision needs a location and the request has none (TOK-15).
    """

    allowed: OwnAllowedType | None = None
    location: LocationReferences | None = None
    authorization_reference: Id | None = None
    info: DisplayText | None = None
    error: str | None = None
