"""The root of the operator API: the node's software release, OCPI version and roles."""

from __future__ import annotations

from chalicelib.modules.registry import VERSION
from chalicelib.node import Node
from chalicelib.protocol.message import Reply, Request, Route
from chalicelib.release import RELEASE


def get_about(node: Node, request: Request) -> Reply:
    """Describe this node: `{"release", "ocpi_versions", "roles": [{"role", "country_code", "party_id"}]}`."""
    roles = [
        {"role": own.role, "country_code": own.party.country_code, "party_id": own.party.party_id}
        for own in node.settings.roles
    ]
    return Reply(data={"release": RELEASE, "ocpi_versions": [VERSION], "roles": roles})


ROUTES = (Route("GET", "", get_about),)
