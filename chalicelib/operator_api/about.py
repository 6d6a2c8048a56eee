"""The root of the operator API: the node's software release, OCPI version and roles."""

from __future__ import annotations

from chalicelib.protocol.message import Reply
from chalicelib.release import RELEASE
from chalicelib.routes import OperatorCall, OperatorRoute
from chalicelib.versions.supported import supported_numbers


def get_about(call: OperatorCall) -> Reply:
    """Describe this node: `{"release", "ocpi_versions", "roles": [{"role", "country_code", "party_id"}]}`."""
    roles = [
        {"role": own.role, "country_code": own.party.country_code, "party_id": own.party.party_id}
        for own in call.node.settings.roles
    ]
    return Reply(
        data={
            "release": RELEASE,
            "ocpi_versions": supported_numbers(call.node.settings.ocpi_versions),
            "roles": roles,
        }
    )


ROUTES = (OperatorRoute("GET", "", get_about),)
