"""Sending of a command to the partner that has to try it, and recording of its answer.

X-Request-ID is the command's id. When an answer got lost and the command is sent again, the receiver
recognises it and does not start a second session.

A hub waits for the result longer than the receiver's timeout, because the receiver may post TIMEOUT at the
last moment. The timeout that the hub answers to its own sender is longer still, so that a TIMEOUT of the
hub arrives in time as well.

Source: OCPI 2.2.1 mod_commands, Receiver Interface; CMD-03, CMD-17, CMD-18, TRN-20, RTE-33
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from chalicelib.calls.answers import PartnerError, PartnerFault
from chalicelib.calls.client import Exchange
from chalicelib.errors import InvalidParameters
from chalicelib.modules.commands.objects import ACCEPTED, CommandResponse
from chalicelib.modules.commands.rules import Command, Direction, Response, answered, unanswered
from chalicelib.modules.commands.store import MODULE, change
from chalicelib.modules.commands.tasks import queue_results, watch_deadline
from chalicelib.modules.registry import interface_path
from chalicelib.protocol.json_text import write_json
from chalicelib.protocol.kinds import Kind
from chalicelib.protocol.message import Routing
from chalicelib.protocol.types import validate
from chalicelib.versions.supported import CANONICAL

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner

UNANSWERED = timedelta(seconds=60)
"""Deadline of a command that gets no answer, for example because this node crashed while it was sending."""

_GRACE = {Direction.RELAYED: timedelta(seconds=5), Direction.SENT: timedelta(0)}
"""Time to wait for a result after the receiver's timeout."""

_RELAYED_LONGER_S = 10
"""Added to the receiver's timeout in the hub's own answer: 5 s of grace, and 5 s to post the result."""

_TOTAL_S = {Direction.RELAYED: 8.0, Direction.SENT: 10.0}
"""Seconds for the whole request."""


def hand_on(node: Node, command: Command, partner: Partner, base_url: str, relays: int = 0) -> Command:
    """Send a command with a response_url of this node, and record the answer.

    The command must be stored and its deadline queued. It may be sent again: the receiver recognises it.
    relays: number of hubs that have relayed it, this one included.
    Returns the command with the answer.
    Raises: PartnerError when the partner refused it or did not answer, InvalidParameters when the answer is
    not a CommandResponse. Both are recorded in the command before.
    """
    try:
        exchange = _exchange(command, partner, base_url, relays)
        answer = node.client.send(partner, MODULE, "RECEIVER", [command.command], exchange)
        answered_with = validate(CommandResponse, answer.data, at="data")
    except (PartnerError, InvalidParameters) as error:
        _record_failure(node, command, error)
        raise
    data: dict[str, Any] = answer.data
    if command.direction == Direction.RELAYED and answered_with.result == ACCEPTED:
        data = {**data, "timeout": answered_with.timeout + _RELAYED_LONGER_S}
    response = Response(
        result=answered_with.result,
        timeout=answered_with.timeout,
        body=write_json(data),
        status_message=answer.status_message,
    )
    return _record_answer(node, command, response)


def _exchange(command: Command, partner: Partner, base_url: str, relays: int) -> Exchange:
    url = own_response_url(base_url, partner.version or CANONICAL, command)
    return Exchange(
        "POST",
        {**command.document(), "response_url": url},
        routing=Routing(command.sender, command.addressee, relays),
        request_id=command.id,
        correlation_id=command.correlation_id,
        total_s=_TOTAL_S[command.direction],
        takes=Kind[command.command],
        gives=Kind.COMMAND_RESPONSE,
    )


def own_response_url(base_url: str, version: str, command: Command) -> str:
    """The response_url of this node for a command. Its random id cannot be guessed (RTE-33)."""
    return f"{base_url}/{version}{interface_path(MODULE, 'SENDER')}/{command.command}/{command.id}"


def _record_answer(node: Node, command: Command, response: Response) -> Command:
    now, grace = node.clock(), _GRACE[command.direction]
    changed = change(node, command.id, lambda current: answered(current, response, now, grace))
    if changed.deadline != command.deadline:
        watch_deadline(node, changed)
    # A result may have arrived before this answer. The delay lets the answer reach the sender first.
    queue_results(node, changed, delay_s=1)
    return changed


def _record_failure(node: Node, command: Command, error: PartnerError | InvalidParameters) -> None:
    """Record a failed request.

    An error answer may carry a CommandResponse, which is then recorded (CMD-07).
    """
    refusal = _refusal_of(error)
    if refusal is not None:
        _record_answer(node, command, refusal)
        return
    # After a timeout the receiver may have the command, and may still post a result.
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
