"""Handing a command to the partner that has to try it, and what its answer makes of the command.

The receiver gets the command's id as X-Request-ID, so that one that is sent again, because its answer got
lost, is recognised and does not start a second session.

A hub waits longer than it was told, since the receiver's TIMEOUT comes at the last moment, and tells its own
sender to wait longer still, so that the hub's TIMEOUT comes in time as well.

Source: OCPI 2.2.1 mod_commands, Receiver Interface; CMD-03, CMD-17, CMD-18, TRN-20, RTE-33
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from chalicelib.errors import InvalidParameters
from chalicelib.modules.commands.objects import ACCEPTED, CommandResponse
from chalicelib.modules.commands.rules import Command, Direction, Response, answered, unanswered
from chalicelib.modules.commands.store import MODULE, change
from chalicelib.modules.commands.tasks import send_owed, watch_deadline
from chalicelib.modules.registry import VERSION, interface_path
from chalicelib.partners.answers import PartnerError, PartnerFault
from chalicelib.protocol.json_text import write_json
from chalicelib.protocol.message import Routing
from chalicelib.protocol.types import validate

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner

UNANSWERED = timedelta(seconds=60)
"""A command that never got an answer, because this node died over it, ends after so long."""

_GRACE = {Direction.RELAYED: timedelta(seconds=5), Direction.SENT: timedelta(0)}
_RELAYED_LONGER_S = 10
"""How much longer than the hub was told its sender is told to wait: the grace, and as long to be posted."""

_TOTAL_S = {Direction.RELAYED: 8.0, Direction.SENT: 10.0}


def hand_on(node: Node, command: Command, partner: Partner, base_url: str, relays: int = 0) -> Command:
    """Send a stored command, whose deadline is watched, with a response_url of this node.

    relays: number of hubs that have relayed it, this one included.
    Returns it with the answer. Sent again, it is the same command to its receiver.
    Raises: PartnerError when it was refused or not answered, InvalidParameters when the answer is none;
    both are recorded.
    """
    try:
        answer = node.client.send(
            partner,
            "POST",
            MODULE,
            "RECEIVER",
            [command.command],
            document={**command.document(), "response_url": own_response_url(base_url, command)},
            request_id=command.id,
            correlation_id=command.correlation_id,
            routing=Routing(command.sender, command.addressee, relays),
            total_s=_TOTAL_S[command.direction],
        )
        told = validate(CommandResponse, answer.data, at="data")
    except (PartnerError, InvalidParameters) as error:
        _record_failure(node, command, error)
        raise
    data: dict[str, Any] = answer.data
    if command.direction == Direction.RELAYED and told.result == ACCEPTED:
        data = {**data, "timeout": told.timeout + _RELAYED_LONGER_S}
    response = Response(
        result=told.result,
        timeout=told.timeout,
        body=write_json(data),
        status_message=answer.status_message,
    )
    return _record_answer(node, command, response)


def own_response_url(base_url: str, command: Command) -> str:
    """Where a result is to come to: nobody can guess the id in it (RTE-33)."""
    return f"{base_url}/{VERSION}{interface_path(MODULE, 'SENDER')}/{command.command}/{command.id}"


def _record_answer(node: Node, command: Command, response: Response) -> Command:
    now, grace = node.clock(), _GRACE[command.direction]
    changed = change(node, command.id, lambda current: answered(current, response, now, grace))
    if changed.deadline != command.deadline:
        watch_deadline(node, changed)
    # What came before the answer; after it, if that can be.
    send_owed(node, changed, delay_s=1)
    return changed


def _record_failure(node: Node, command: Command, error: PartnerError | InvalidParameters) -> None:
    """Record what went wrong; with an error's code may come a CommandResponse (CMD-07)."""
    refusal = _refusal_of(error)
    if refusal is not None:
        _record_answer(node, command, refusal)
        return
    # Whoever took too long may have taken the command, and a result may still come.
    is_over = command.direction == Direction.RELAYED or not (
        isinstance(error, PartnerFault) and error.timed_out
    )
    now = node.clock()
    change(node, command.id, lambda current: unanswered(current, str(error), now, is_over))


def _refusal_of(error: PartnerError | InvalidParameters) -> Response | None:
    if not isinstance(error, PartnerError) or error.status_code is None or not isinstance(error.data, dict):
        return None
    data: dict[str, Any] = error.data
    if not isinstance(data.get("result"), str) or data["result"] == ACCEPTED:
        return None
    return Response(
        result=data["result"],
        body=write_json(data),
        status_code=error.status_code,
        status_message=error.status_message,
        http_status=error.http_status or 200,
    )
