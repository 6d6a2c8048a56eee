"""A valid command as it came from a partner, with what is needed to recognise it when it comes again.

Source: OCPI 2.2.1 mod_commands, Receiver Interface; TRN-20, CMD-18
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chalicelib.modules.commands.rules import Command, Direction
from chalicelib.modules.commands.store import Claim, claim_by_request, claim_by_url, digest_of
from chalicelib.protocol.json_text import write_json
from chalicelib.protocol.message import Party
from chalicelib.protocol.types import format_datetime

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from chalicelib.node import Node
    from chalicelib.protocol.message import Request

_LONGEST_ID = 36


@dataclass(frozen=True)
class Incoming:
    """A command that a partner sent; digest and claims: as in `store.py`."""

    name: str
    document: Mapping[str, Any]
    request: Request
    digest: str
    claims: tuple[Claim, ...]

    @classmethod
    def of(cls, node: Node, request: Request, name: str, document: Mapping[str, Any]) -> Incoming:
        """Make it from a request whose body is valid."""
        digest = digest_of(name, document)
        return cls(name, document, request, digest, claims_of(request, document["response_url"]))

    @property
    def sender(self) -> Party:
        """Who sent it: as the headers say, else whose token it is, else the caller's first eMSP."""
        caller, token = self.request.caller, self.document.get("token")
        if self.request.routing.sender is not None:
            return self.request.routing.sender
        if token is not None and not caller.is_hub:
            return Party(token["country_code"], token["party_id"])
        return next(iter(caller.parties("EMSP")), caller.roles[0].party)

    @property
    def chooser(self) -> Party | None:
        """Who chose a reservation's id, beside the partner: behind a hub there are several."""
        return self.request.routing.sender if self.request.caller.is_hub else None

    def new_command(self, node: Node, direction: Direction, deadline: datetime, **fields: Any) -> Command:
        """The command as it is to be stored first."""
        now = format_datetime(node.clock())
        made: dict[str, Any] = {
            "id": node.new_id(),
            "command": self.name,
            "direction": direction,
            "body": write_json(self.document),
            "digest": self.digest,
            "response_url": self.document["response_url"],
            "partner_id": self.request.caller.id,
            "sender": self.sender,
            "correlation_id": self.request.correlation_id,
            "received": now,
            "deadline": format_datetime(deadline),
            "last_updated": now,
            **fields,
        }
        return Command(**made)


def claims_of(request: Request, response_url: str) -> tuple[Claim, ...]:
    """The claims that a command makes."""
    return claim_by_request(request.routing.sender, request.request_id), claim_by_url(response_url)


def readable_id(document: Mapping[str, Any], name: str) -> str | None:
    """An id in a body that is not validated yet, for reading ahead; None when it is none."""
    value = document.get(name)
    is_id = isinstance(value, str) and 0 < len(value) <= _LONGEST_ID and value.isascii()
    return value if is_id else None
