"""JSON form of a command for the operator and the CSMS: in lists, as a single object, and in the webhook.

`request` is the command's object without its response_url, which only the nodes use. The reservation id is
the one that this node made, so a charge point cannot confuse reservations of two eMSPs (CMD-14).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.protocol.json_text import read_json

if TYPE_CHECKING:
    from chalicelib.modules.commands.rules import Command, Outcome
    from chalicelib.protocol.message import Party


def show(command: Command) -> dict[str, Any]:
    """Convert a command to JSON values. Fields without a value are left out."""
    request = {name: value for name, value in command.document().items() if name != "response_url"}
    if command.reservation_id:
        request["reservation_id"] = command.reservation_id
    shown = {
        "id": command.id,
        "command": command.command,
        "direction": command.direction.value,
        "state": command.state.value,
        "request": request,
        "from": _side(command.sender, command.partner_id),
        "to": _side(command.addressee, command.receiver_id),
        "received": command.received,
        "deadline": command.deadline,
        "delivered_to": list(command.delivered_to) or None,
        "response": _response(command),
        "result": _outcome(command.result),
        "late_result": _outcome(command.late_result),
        "cancellation": _outcome(command.cancellation),
        "problem": command.problem or None,
        "correlation_id": command.correlation_id,
        "last_updated": command.last_updated,
    }
    return {name: value for name, value in shown.items() if value is not None}


def _side(party: Party | None, partner_id: str) -> dict[str, str] | None:
    side = {"country_code": party.country_code, "party_id": party.party_id} if party else {}
    if partner_id:
        side["partner"] = partner_id
    return side or None


def _response(command: Command) -> dict[str, Any] | None:
    if command.response is None:
        return None
    answer = read_json(command.response.body) if command.response.body else {}
    more = {"status_code": command.response.status_code, "status_message": command.response.status_message}
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
