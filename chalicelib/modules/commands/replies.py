"""Immediate answers to a command, and the check of its token.

Source: OCPI 2.2.1 mod_commands_commandresponse_object; CMD-03, CMD-04, CMD-07, CMD-12
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.modules.commands.objects import ACCEPTED, REJECTED
from chalicelib.modules.commands.rules import Response
from chalicelib.partners.directory import claim_key
from chalicelib.policy.ownership import may_act_for
from chalicelib.protocol.json_text import JsonText, write_json
from chalicelib.protocol.message import ABSENT, Party, Reply
from chalicelib.routes import Call

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chalicelib.errors import OcpiError
    from chalicelib.protocol.message import Request
    from chalicelib.storage.table import Key

EMSP = "EMSP"


def accepted(timeout_s: int) -> Response:
    """Answer that the command will be tried. timeout_s: seconds until its result."""
    return Response(
        result=ACCEPTED,
        timeout=timeout_s,
        body=write_json({"result": ACCEPTED, "timeout": timeout_s}),
    )


def refused(result: str = REJECTED, error: OcpiError | None = None) -> Reply:
    """Reply that the command will not be tried, with the error's status code and text if given (CMD-07)."""
    # Spec: `timeout` is required, also where no result follows.
    data = {"result": result, "timeout": 0}
    if error is None:
        return Reply(data=data)
    return Reply(data=data, status_code=error.status_code, status_message=str(error))


def reply_of(response: Response) -> Reply:
    """Reply with a stored answer: this node's earlier one, or the CPO's."""
    data: Any = JsonText(response.body) if response.body else ABSENT
    return Reply(data, response.http_status, response.status_code, response.status_message)


def may_use(call: Call, token: Mapping[str, Any]) -> bool:
    """Check that a token belongs to the sender of the command (CMD-12).

    A hub sends commands for eMSPs behind it. The token must belong to the eMSP in OCPI-from, and must not
    belong to another partner or to a party of this node. The eMSP has authorized the token (CMD-10), so it
    may be unknown here and its validity is not checked.
    """
    owner = Party(token["country_code"], token["party_id"])
    node, caller, sender = call.node, call.caller, call.request.routing.sender
    if not caller.is_hub:
        return caller.plays_as(owner, EMSP)
    if not may_act_for(node.settings, node.table, caller, owner, EMSP, call.snapshot):
        return False
    return sender is None or caller.plays_as(sender, "HUB") or owner.same_as(sender)


def keys_of_sender(request: Request, document: Mapping[str, Any]) -> list[Key]:
    """Keys of the claims of the sender in OCPI-from and of the token's owner.

    document: a body that is not validated yet. The keys are read together with the caller.
    """
    parties = [request.routing.sender] if request.routing.sender else []
    token = document.get("token")
    fields = token if isinstance(token, dict) else {}
    country_code, party_id = fields.get("country_code"), fields.get("party_id")
    if isinstance(country_code, str) and isinstance(party_id, str):
        parties += [Party(country_code, party_id)] if (len(country_code), len(party_id)) == (2, 3) else []
    return [claim_key(party, EMSP) for party in parties]
