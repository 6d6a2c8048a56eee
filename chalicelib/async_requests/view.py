"""JSON form of a request for the operator and the CSMS: in lists, as a single object, and in the webhook.

`request` is the request's object without its response_url, which only the nodes use. The id of what it makes
is the one that this node made, so a charge point cannot confuse reservations of two eMSPs (CMD-14).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.protocol.json_text import read_json

if TYPE_CHECKING:
    from chalicelib.async_requests.objects import AsyncKind, AsyncRequest, Outcome
    from chalicelib.protocol.message import Party


def show(kind: AsyncKind, request: AsyncRequest) -> dict[str, Any]:
    """Convert a request to JSON values. Fields without a value are left out."""
    document = {name: value for name, value in request.document().items() if name != "response_url"}
    if request.own_id:
        document[kind.own_id_name] = request.own_id
    shown = {
        "id": request.id,
        kind.label: request.name,
        "direction": request.direction.value,
        "state": request.state.value,
        "request": document,
        "from": _side(request.sender, request.partner_id),
        "to": _side(request.addressee, request.receiver_id),
        "received": request.received,
        "deadline": request.deadline,
        "delivered_to": list(request.delivered_to) or None,
        "response": _response(request),
        "result": _outcome(request.result),
        "late_result": _outcome(request.late_result),
        "cancellation": _outcome(request.follow_up),
        "problem": request.problem or None,
        "correlation_id": request.correlation_id,
        "last_updated": request.last_updated,
    }
    return {name: value for name, value in shown.items() if value is not None}


def _side(party: Party | None, partner_id: str) -> dict[str, str] | None:
    side = {"country_code": party.country_code, "party_id": party.party_id} if party else {}
    if partner_id:
        side["partner"] = partner_id
    return side or None


def _response(request: AsyncRequest) -> dict[str, Any] | None:
    if request.response is None:
        return None
    answer = read_json(request.response.body) if request.response.body else {}
    more = {"status_code": request.response.status_code, "status_message": request.response.status_message}
    return {**answer, **{name: value for name, value in more.items() if value is not None}}


def _outcome(outcome: Outcome | None) -> dict[str, Any] | None:
    if outcome is None:
        return None
    shown = {**read_json(outcome.body), "at": outcome.at}
    if outcome.post is not None:
        shown["posted"] = outcome.post.status.value
        shown["tries"] = outcome.post.tries
        if outcome.post.reason:
            shown["reason"] = outcome.post.reason
    return shown
