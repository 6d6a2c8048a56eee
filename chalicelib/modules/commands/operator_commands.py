"""Commands of the operator: the operator of an eMSP sends them, the CSMS of a CPO reports their results.

*Sending.* The operator gives the location, session or reservation. This node adds the token's details,
authorization_reference, reservation_id and response_url where they are missing. The command is stored
before it is sent, so that even a very fast result finds it. A request with the same X-Request-ID is the
same command.

Source: OCPI 2.2.1 mod_commands_flow; CMD-12, CMD-15 … CMD-17, CMD-19
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from chalicelib.async_requests.forwarding import UNANSWERED, forward, own_response_url
from chalicelib.async_requests.intake import claims_of, digest_of
from chalicelib.async_requests.objects import AsyncRequest, Direction
from chalicelib.async_requests.results import report_result
from chalicelib.async_requests.store import AsyncRequests
from chalicelib.calls.answers import PartnerError
from chalicelib.errors import ClientError, InvalidParameters, NotFound, UnknownLocation
from chalicelib.modules.commands.kind import COMMAND
from chalicelib.modules.commands.objects import COMMANDS, OwnCommandResult, TokenName
from chalicelib.modules.commands.reservations import find_reservation, reservation_item
from chalicelib.modules.commands.targets import CommandTarget, find_target, keys_to_find
from chalicelib.protocol.json_text import Document, read_json, write_json
from chalicelib.protocol.message import Party
from chalicelib.protocol.types import fold, format_datetime, validate
from chalicelib.storage.keys import Ref
from chalicelib.versions.supported import CANONICAL

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Directory, Partner
    from chalicelib.protocol.message import Request
    from chalicelib.storage.objects import ObjectStore


_OPERATOR = Party("", "operator")


def send_command(
    node: Node, request: Request, name: str, document: Document, party: Party | None
) -> AsyncRequest:
    """Send a command to the CPO that has to try it. Returns the command with the answer, or with its problem.

    document: the command's object, as far as the operator gives it. party: the CPO; needed when several CPOs
    use the same id.
    Raises: NotFound for an unknown session or reservation, UnknownLocation, InvalidParameters with the wrong
    field, ClientError when the partner is not registered.
    """
    commands = AsyncRequests(node, COMMAND)
    claims = claims_of(COMMAND, _OPERATOR, request.request_id)
    digest = digest_of(name, document)
    command = commands.find_repeated(claims, "", digest)
    if command is None:
        completed, sender = _completed(node, name, document)
        target = _find_target(node, name, completed, sender, party)
        _registered(node.directory, target.partner_id)
        now = format_datetime(node.clock())
        command = AsyncRequest(
            id=node.new_id(),
            name=name,
            direction=Direction.SENT,
            body=write_json(completed),
            digest=digest,
            receiver_id=target.partner_id,
            sender=sender,
            addressee=target.party,
            correlation_id=request.correlation_id,
            received=now,
            deadline=format_datetime(node.clock() + UNANSWERED),
            last_updated=now,
        )
        validate(
            COMMANDS[name],
            {**completed, "response_url": own_response_url(COMMAND, request.base_url, CANONICAL, command)},
        )
        extra_items = [reservation_item(command, sender, completed)] if name == "RESERVE_NOW" else []
        command, _ = commands.create(command, claims, extra_items)
    if command.response is None and command.result is None:
        command = _send(commands, command, request.base_url)
    return command


def _send(commands: AsyncRequests, command: AsyncRequest, base_url: str) -> AsyncRequest:
    partner = _registered(commands.node.directory, command.receiver_id)
    try:
        return forward(commands, command, partner, base_url)
    except (PartnerError, InvalidParameters):
        # The command has the problem recorded: read it again for the operator.
        return commands.change(command.id, lambda current: None)


def _registered(directory: Directory, partner_id: str) -> Partner:
    partner = directory.get(partner_id)
    if partner is None or not partner.is_registered:
        raise ClientError("the partner that has this location or session is no longer registered")
    return partner


def _completed(node: Node, name: str, document: Document) -> tuple[Document, Party]:
    """Add the fields that the operator may leave out. Returns the object and the own party that sends it."""
    if "response_url" in document:
        raise InvalidParameters("is set by this node", field="response_url")
    own = node.settings.parties("EMSP")
    completed, sender = dict(document), own[0]
    if name in ("START_SESSION", "RESERVE_NOW"):
        completed["token"], sender = _completed_token(node.objects, document.get("token"), own)
        if completed.get("authorization_reference") is None:
            completed["authorization_reference"] = node.new_id()
    if name == "RESERVE_NOW" and completed.get("reservation_id") is None:
        completed["reservation_id"] = node.new_id()
    # Report missing fields before the search for the target.
    validate(COMMANDS[name], {**completed, "response_url": "https://response.example"})
    return completed, sender


def _completed_token(objects: ObjectStore, token: object, own: list[Party]) -> tuple[Document, Party]:
    """Complete a token; uid and type are enough for one of this node's own. Returns it and its owner."""
    if not isinstance(token, Mapping):
        raise InvalidParameters("required: a Token, or the uid and type of one of your own", field="token")
    if "contract_id" not in token:
        return _own_token(objects, token, own)
    for party in own:
        completed = {"country_code": party.country_code, "party_id": party.party_id, **token}
        if all(fold(str(completed[n])) == fold(getattr(party, n)) for n in ("country_code", "party_id")):
            return completed, party
    raise InvalidParameters("not a token of this node's eMSP (CMD-12)", field="token.party_id")


def _own_token(objects: ObjectStore, token: object, own: list[Party]) -> tuple[Document, Party]:
    named = validate(TokenName, token, at="token")
    for party in own:
        stored = objects.get(Ref("tokens", *party, named.uid, fold(named.type)))
        if stored is not None:
            document: Document = read_json(str(stored.body))
            return document, party
    raise InvalidParameters("none of this node's own tokens has this uid and type", field="token.uid")


def _find_target(
    node: Node, name: str, document: Document, sender: Party, party: Party | None
) -> CommandTarget:
    if name == "CANCEL_RESERVATION":
        known = find_reservation(node.table, "", sender, document["reservation_id"])
        if known is None or known.addressee is None:
            raise NotFound("this node made no reservation of this id")
        return CommandTarget(known.receiver_id, known.addressee)
    owners = node.table.get_many(keys_to_find())
    target = find_target(node, document, owners, party, named_by="party")
    if target is None:
        if "session_id" in document:
            raise NotFound("unknown session")
        raise UnknownLocation(field="location_id")
    return target


def take_result(node: Node, command_id: str, document: Document) -> AsyncRequest:
    """Record the result that the CSMS reports, and queue its posting to the sender.

    Raises: InvalidParameters with the wrong field; each error of `report_result`.
    """
    reported = validate(OwnCommandResult, document)
    body: Document = {"result": reported.result}
    if isinstance(reported.message, str):
        body["message"] = [{"language": "en", "text": reported.message}]
    elif reported.message is not None:
        body["message"] = document["message"]
    return report_result(AsyncRequests(node, COMMAND), command_id, reported.result, write_json(body))
