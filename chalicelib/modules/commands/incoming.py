"""A valid command from a partner, with the data that recognises it when it is sent again.

Source: OCPI 2.2.1 mod_commands, Receiver Interface; TRN-20, CMD-18
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chalicelib.modules.commands.rules import Command, Direction
from chalicelib.modules.commands.store import CommandClaim, claim_by_request, claim_by_url, digest_of
from chalicelib.protocol.json_text import write_json
from chalicelib.protocol.message import Party
from chalicelib.protocol.types import format_datetime

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from chalicelib.node import Node
    from chalicelib.protocol.message import Request
    from chalicelib.routes import Call

_LONGEST_ID = 36


@dataclass(frozen=True)
class Incoming:
    """A command that a partner sent. `store.py` explains digest and claims."""

    name: str
    document: Mapping[str, Any]
    call: Call
    digest: str
    claims: tuple[CommandClaim, ...]

    @classmethod
    def of(cls, call: Call, name: str, document: Mapping[str, Any]) -> Incoming:
        """Make it from a request whose body is valid."""
        digest = digest_of(name, document)
        return cls(name, document, call, digest, claims_of(call.request, document["response_url"]))

    @property
    def sender(self) -> Party:
        """The sending eMSP: from OCPI-from, else the token's owner, else the caller's first eMSP."""
        caller, token = self.call.caller, self.document.get("token")
        if self.call.request.routing.sender is not None:
            return self.call.request.routing.sender
        if token is not None and not caller.is_hub:
            return Party(token["country_code"], token["party_id"])
        return next(iter(caller.parties("EMSP")), caller.roles[0].party)

    @property
    def chooser(self) -> Party | None:
        """The eMSP that chose the reservation's id. Set for a hub only, since it sends for several eMSPs."""
        return self.call.request.routing.sender if self.call.caller.is_hub else None

    def new_command(self, node: Node, direction: Direction, deadline: datetime, **fields: Any) -> Command:
        """Make the command to store."""
        now = format_datetime(node.clock())
        made: dict[str, Any] = {
            "id": node.new_id(),
            "command": self.name,
            "direction": direction,
            "body": write_json(self.document),
            "digest": self.digest,
            "response_url": self.document["response_url"],
            "partner_id": self.call.caller.id,
            "sender": self.sender,
            "correlation_id": self.call.request.correlation_id,
            "received": now,
            "deadline": format_datetime(deadline),
            "last_updated": now,
            **fields,
        }
        return Command(**made)


def claims_of(request: Request, response_url: str) -> tuple[CommandClaim, ...]:
    """The claims of a command: by X-Request-ID and by response_url."""
    return claim_by_request(request.routing.sender, request.request_id), claim_by_url(response_url)


def readable_id(document: Mapping[str, Any], name: str) -> str | None:
    """An id from a body that is not validated yet, used to read ahead. Returns None when it is not an id."""
    value = document.get(name)
    is_id = isinstance(value, str) and 0 < len(value) <= _LONGEST_ID and value.isascii()
    return value if is_id else None
