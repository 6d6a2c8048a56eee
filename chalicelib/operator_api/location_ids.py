"""Location ids in the operator API: ask the hub for the next free one.

In Portugal all operators share the numbers of a municipality, so the hub assigns an id before a location is
created. A retry with the same X-Request-ID gets the same id.

Source: docs/mobie.md, Location ids and scenario 3.1
"""

from __future__ import annotations

from chalicelib.errors import InvalidParameters
from chalicelib.modules.locations.reservation import PROFILE, reserve
from chalicelib.operator_api.object_lookup import owner_to_write
from chalicelib.operator_api.problems import Problem, bad_query
from chalicelib.partners.directory import Directory, Partner
from chalicelib.protocol.message import Reply, Request
from chalicelib.routes import OperatorCall, OperatorRoute


def post_location_id(call: OperatorCall) -> Reply:
    """Reserve an id; the body holds the known fields of the planned location, and may be empty."""
    document = call.request.json_object() if call.request.body else {}
    party = owner_to_write(call.node.settings, call.request, document)
    hub = _choose_hub(call.node.directory, call.request)
    known = {**document, "country_code": party.country_code, "party_id": party.party_id}
    try:
        location_id = reserve(call.node, hub, party, known, call.request.request_id)
    except InvalidParameters as error:
        raise Problem(502, f"{hub.name}: {error}") from error
    return Reply(data={"id": location_id}, http_status=201)


def _choose_hub(directory: Directory, request: Request) -> Partner:
    """The partner of the query, or the only one that assigns ids.

    Raises: Problem when no partner assigns ids, or when several do and the query names none of them.
    """
    hubs = [known for known in directory.all() if known.is_registered and PROFILE in known.profiles]
    wanted = request.query.get("partner")
    if wanted:
        hubs = [hub for hub in hubs if hub.id == wanted]
        if not hubs:
            raise bad_query("partner", f"no registered partner of this id has the profile {PROFILE}")
    if not hubs:
        raise Problem(
            409,
            f"no registered partner has the profile {PROFILE}; "
            f'PATCH /operator/partners/{{id}} {{"profiles": ["{PROFILE}"]}} switches it on',
        )
    if len(hubs) > 1:
        ids = ", ".join(f"{hub.id} ({hub.name})" for hub in hubs)
        raise bad_query("partner", f"required here, because several partners hand out ids: {ids}")
    return hubs[0]


ROUTES = (OperatorRoute("POST", "/location-ids", post_location_id),)
