"""The credentials object.

Source: OCPI 2.2.1 credentials_object_description; CRD-23 … CRD-26
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints

from chalicelib.protocol.auth import is_credentials_token
from chalicelib.protocol.types import CountryCode2, OcpiObject, PartyId, Role, Url, ocpi_string

MAX_ROLES = 40
"""Limit per partner: it is stored in one transaction of at most 100 items, two for each changed role."""


Name: Any = ocpi_string(100, shortest=1)


def _token(value: str) -> str:
    if not is_credentials_token(value):
        raise ValueError("expected 1 to 64 printable ASCII characters without spaces")
    return value


def _unique(roles: list[CredentialsRole]) -> list[CredentialsRole]:
    seen = {(role.role, role.country_code.upper(), role.party_id.upper()) for role in roles}
    if len(seen) < len(roles):
        raise ValueError("role, country_code and party_id together must be unique")
    if any(role.role == "HUB" for role in roles) and any(role.role != "HUB" for role in roles):
        raise ValueError("a hub reports itself as HUB only")
    return roles


class BusinessDetails(OcpiObject):
    """Name, website and logo of a party."""

    name: Name
    website: Url | None = None
    logo: dict[str, Any] | None = None


class CredentialsRole(OcpiObject):
    """One role of a platform."""

    role: Role
    business_details: BusinessDetails
    party_id: PartyId
    country_code: CountryCode2


class Credentials(OcpiObject):
    """Data that one side needs to call the other: token (plain, not Base64), versions URL, roles.

    hub_clients: the parties that a hub of OCPI 2.3.0 lists; any number, because they are no roles of its own.
    """

    token: Annotated[str, StringConstraints(strict=True), AfterValidator(_token)]
    url: Url
    roles: Annotated[
        list[CredentialsRole], Field(min_length=1, max_length=MAX_ROLES), AfterValidator(_unique)
    ]
    hub_clients: list[CredentialsRole] | None = None
