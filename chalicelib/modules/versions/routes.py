"""Versions and version details: which OCPI versions this node speaks, and their endpoints.

Both accept token A and token C, have no side effects and cost little, because hubs call them to check that a
node is alive (VER-11).

Source: OCPI 2.2.1 version_information_endpoint; VER-01 … VER-06
"""

from __future__ import annotations

from chalicelib.modules.registry import offers, offers_as
from chalicelib.partners.roles import OPPOSITE, connection_role
from chalicelib.protocol.message import Reply
from chalicelib.routes import Call, Interface, Route
from chalicelib.versions.supported import supported_numbers, traits_of


def list_versions(call: Call) -> Reply:
    """List the versions that the caller may use, with the URLs of their details.

    A version without roles is listed if the caller's one role is known.
    """
    settings, base = call.node.settings, call.request.base_url
    numbers = supported_numbers(settings.ocpi_versions, call.caller.only_version)
    if connection_role(call.caller, (own.role for own in settings.roles)) is None:
        numbers = [number for number in numbers if traits_of(number).has_roles]
    return Reply(data=[{"version": number, "url": f"{base}/{number}"} for number in numbers])


def get_details(call: Call) -> Reply:
    """List the endpoints of the version in the URL: those of the interfaces that the node's roles offer.

    # Spec: credentials is one entry, as SENDER (VER-04, VER-05). Some software looks for RECEIVER, so it is
    # listed in both roles, unless the partner minds. The URL is the same.

    OCPI 2.1.1 has no `role`: a partner is shown the interfaces opposite to its own role (V211-01).
    """
    version = call.request.version
    base = f"{call.request.base_url}/{version}"
    end = "/" if call.caller.endpoints_with_slash else ""
    roles = [own.role for own in call.node.settings.roles]
    if (traits := traits_of(version)).has_roles:
        lines = offers(roles, version)
    else:
        lines = offers_as(OPPOSITE[str(connection_role(call.caller, roles))], roles, version)
    endpoints = [
        {
            "identifier": offer.identifier,
            **({"role": offer.role} if traits.has_roles else {}),
            "url": f"{base}{offer.path}{end}",
        }
        for offer in lines
    ]
    if traits.has_roles and not (call.caller.strict or call.caller.credentials_listed_once):
        endpoints.insert(1, {**endpoints[0], "role": "RECEIVER"})
    return Reply(data={"version": version, "endpoints": endpoints})


INTERFACE = Interface(
    "versions",
    "SENDER",
    (Route("GET", "/versions", list_versions), Route("GET", "/{version}", get_details)),
    role_mounted=False,
    allows_token_a=True,
)
