"""Versions and version details: the OCPI versions of this node and the URLs of its interfaces.

Both accept token A and token C. They have no side effects and are cheap, because hubs use them as a health
check (VER-11).

Source: OCPI 2.2.1 version_information_endpoint; VER-01 … VER-06
"""

from __future__ import annotations

from chalicelib.modules.registry import VERSION, offers
from chalicelib.node import Node
from chalicelib.protocol.message import Interface, Reply, Request, Route


def list_versions(node: Node, request: Request) -> Reply:
    """List the versions with the URLs of their details."""
    return Reply(data=[{"version": VERSION, "url": f"{request.base_url}/{VERSION}"}])


def get_details(node: Node, request: Request) -> Reply:
    """List the endpoints of this version, as the node's roles require them."""
    base = f"{request.base_url}/{VERSION}"
    endpoints = [
        {"identifier": offer.identifier, "role": offer.role, "url": f"{base}{offer.path}"}
        for offer in offers(own.role for own in node.settings.roles)
    ]
    return Reply(data={"version": VERSION, "endpoints": endpoints})


INTERFACE = Interface(
    "versions",
    "SENDER",
    (Route("GET", "/versions", list_versions), Route("GET", f"/{VERSION}", get_details)),
    functional=False,
)
