"""Two nodes that register with each other, and the documents that they send."""

from __future__ import annotations

from typing import Any

from chalicelib.modules.credentials import called_side, calling_side
from chalicelib.modules.credentials.handshake import credentials_document
from chalicelib.partners.settings import PartnerSettings
from tests.harness.nodes import Host

CREDENTIALS = "/ocpi/2.2.1/credentials"
VERSIONS = "/ocpi/versions"


def invite(host: Host, name: str = "partner") -> str:
    return called_side.invite(host.node, PartnerSettings(name=name))[1]


def register(caller: Host, called: Host) -> Any:
    """Register `caller` at `called`. Returns the partner that the caller stored."""
    return calling_side.register(
        caller.node,
        PartnerSettings(name="other side"),
        f"{called.node.settings.public_url}{VERSIONS}",
        invite(called),
        f"{caller.node.settings.public_url}/ocpi",
    )


def token_of(host: Host) -> str:
    """The token that this node uses toward its only partner."""
    (partner,) = host.node.directory.all()
    return host.node.directory.token_for(partner)


def document_of(host: Host, token: str = "own-token") -> dict[str, Any]:
    return credentials_document(host.node, token, f"{host.node.settings.public_url}/ocpi")


def role_of(role: str, party_id: str, country_code: str = "PT") -> dict[str, Any]:
    return {
        "role": role,
        "party_id": party_id,
        "country_code": country_code,
        "business_details": {"name": "x"},
    }
