"""Commands as asynchronous requests: what their storing, delivery and results need to know of them.

`chalicelib/async_requests/` stores commands, delivers them, watches their deadlines and posts their results.

Source: OCPI 2.2.1 mod_commands; CMD-06, CMD-14, CMD-15
"""

from __future__ import annotations

from chalicelib.async_requests.objects import AsyncKind, AsyncRequest, Outgoing
from chalicelib.calls import webhook_events
from chalicelib.modules.commands.objects import CANCELED_RESERVATION, CommandResponse, CommandResult
from chalicelib.protocol.kinds import Kind


def _outgoing(command: AsyncRequest, response_url: str) -> Outgoing:
    document = {**command.document(), "response_url": response_url}
    return Outgoing("POST", [command.name], document, takes=Kind[command.name])


COMMAND = AsyncKind(
    module="commands",
    label="command",
    event=webhook_events.COMMAND,
    outgoing=_outgoing,
    response=CommandResponse,
    response_kind=Kind.COMMAND_RESPONSE,
    result=CommandResult,
    result_kind=Kind.COMMAND_RESULT,
    own_id_name="reservation_id",
    follow_up=("RESERVE_NOW", CANCELED_RESERVATION),
)
