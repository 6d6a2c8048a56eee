"""Versions and version details: which OCPI versions this node speaks, and their endpoints.

Both accept token A and token C, have no side effects and cost little, because hubs call them to check that a
node is alive (VER-11).

Source: OCPI 2.2.1 version_information_endpoint; VER-01 … VER-06
"""

from __future__ import annotations

from chalicelib.modules.registry import offers
from chalicelib.protocol.message import Reply
from chalicelib.routes import Call, Interface, Route
from chalicelib.versions.supported import supported_numbers


def list_versions(call: Call) -> Reply:
    """List the supported versions with the URLs of their details."""
    base, numbers = call.request.base_url, supported_numbers(call.node.settings.ocpi_versions)
    return Reply(data=[{"version": number, "url": f"{base}/{number}"} for number in numbers])


def get_details(call: Call) -> Reply:
    """List the endpoints of the version in the URL: those of the interfaces that the node's roles offer.

    # Spec: credentials is one entry, as SENDER (VER-04, VER-05). Some software looks for RECEIVER, so it is
    # listed in both roles, unless the partner minds. The URL is the same.
    """
    version = call.request.version
    base = f"{call.request.base_url}/{version}"
    end = "/" if call.caller.endpoints_with_slash else ""
    endpoints = [
        {"identifier": offer.identifier, "role": offer.role, "url": f"{base}{offer.path}{end}"}
        for offer in offers(own.role for own in call.node.settings.roles)
    ]
    if not (call.caller.strict or call.caller.credentials_listed_once):
        endpoints.insert(1, {**endpoints[0], "role": "RECEIVER"})
    return Reply(data={"version": version, "endpoints": endpoints})


INTERFACE = Interface(
    "versions",
    "SENDER",
    (Route("GET", "/versions", list_versions), Route("GET", "/{version}", get_details)),
    role_mounted=False,
    allows_token_a=True,
)
