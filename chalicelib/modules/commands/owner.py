"""What the operator does with commands: an eMSP sends them, a CPO's CSMS gives their results.

*Sending.* The operator names what the command is about; this node fills in what every command needs: the
token's details, a reference to the authorization, a reservation's id, and the response_url. The command is
stored before it is sent, so that a result finds it however fast it is, and sent again under the same
X-Request-ID it is the same command.

*Results* are taken at any time. A late one is kept and not posted, since its sender was told TIMEOUT.

Source: OCPI 2.2.1 mod_commands_flow; CMD-12, CMD-15 … CMD-17, CMD-19
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chalicelib.errors import ClientError, InvalidParameters, NotFound, UnknownLocation
from chalicelib.modules.commands.handing_on import UNANSWERED, hand_on, own_response_url
from chalicelib.modules.commands.objects import COMMANDS, OwnCommandResult, TokenName
from chalicelib.modules.commands.reservations import find_reservation, reservation_item
from chalicelib.modules.commands.rules import Command, Direction, with_result
from chalicelib.modules.commands.store import change, claim_by_request, create, digest_of, find_repeated
from chalicelib.modules.commands.targets import Target, find_target, keys_to_find
from chalicelib.modules.commands.tasks import send_owed, watch_deadline
from chalicelib.partners.answers import PartnerError
from chalicelib.protocol.json_text import read_json, write_json
from chalicelib.protocol.message import Party
from chalicelib.protocol.types import fold, format_datetime, validate
from chalicelib.storage.keys import Ref

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner
    from chalicelib.protocol.message import Request

Document = dict[str, Any]

_OPERATOR = Party("", "operator")


# -- an eMSP sends -----------------------------------------------------------------------------------


def send_command(node: Node, request: Request, name: str, document: Document, party: Party | None) -> Command:
    """Send a command to the CPO that has to try it; returns it with what was answered.

    document: the command's object, as far as the operator writes it. party: the CPO, where an id alone
    does not tell.
    Raises: NotFound, UnknownLocation, InvalidParameters naming the field.
    """
    claims = [claim_by_request(_OPERATOR, request.request_id)]
    digest = digest_of(name, document)
    command = find_repeated(node, claims, "", digest)
    if command is None:
        completed, sender = _completed(node, name, document)
        target = _find_target(node, name, completed, sender, party)
        _registered(node, target.partner_id)
        now = format_datetime(node.clock())
        command = Command(
            id=node.new_id(),
            command=name,
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
        validate(COMMANDS[name], {**completed, "response_url": own_response_url(request.base_url, command)})
        beside = [reservation_item(command, sender, completed)] if name == "RESERVE_NOW" else []
        watch_deadline(node, command)
        command, _ = create(node, command, claims, beside)
    if command.response is None and command.result is None:
        command = _send(node, command, request.base_url)
    return command


def _send(node: Node, command: Command, base_url: str) -> Command:
    partner = _registered(node, command.receiver_id)
    try:
        return hand_on(node, command, partner, base_url)
    except (PartnerError, InvalidParameters):
        # It is recorded, and the operator sees it in the command.
        return change(node, command.id, lambda current: None)


def _registered(node: Node, partner_id: str) -> Partner:
    partner = node.directory.get(partner_id)
    if partner is None or not partner.is_registered:
        raise ClientError("the partner that has this location or session is no longer registered")
    return partner


def _completed(node: Node, name: str, document: Document) -> tuple[Document, Party]:
    """The command's object with what the operator may leave out, and the own party that sends it."""
    if "response_url" in document:
        raise InvalidParameters("is set by this node", field="response_url")
    own = [role.party for role in node.settings.roles if role.role == "EMSP"]
    completed, sender = dict(document), own[0]
    if name in ("START_SESSION", "RESERVE_NOW"):
        completed["token"], sender = _completed_token(node, document.get("token"), own)
        if completed.get("authorization_reference") is None:
            completed["authorization_reference"] = node.new_id()
    if name == "RESERVE_NOW" and completed.get("reservation_id") is None:
        completed["reservation_id"] = node.new_id()
    # What is missing is said before anything is looked for.
    validate(COMMANDS[name], {**completed, "response_url": "https://response.example"})
    return completed, sender


def _completed_token(node: Node, token: object, own: list[Party]) -> tuple[Document, Party]:
    """The whole token, from the own ones when only its uid and type are given; and whose it is."""
    if not isinstance(token, Mapping):
        raise InvalidParameters("required: a Token, or the uid and type of one of your own", field="token")
    if "contract_id" not in token:
        return _own_token(node, token, own)
    for party in own:
        completed = {"country_code": party.country_code, "party_id": party.party_id, **token}
        if all(fold(str(completed[n])) == fold(getattr(party, n)) for n in ("country_code", "party_id")):
            return completed, party
    raise InvalidParameters("not a token of this node's eMSP (CMD-12)", field="token.party_id")


def _own_token(node: Node, token: object, own: list[Party]) -> tuple[Document, Party]:
    named = validate(TokenName, token, at="token")
    for party in own:
        stored = node.objects.get(Ref("tokens", *party, named.uid, fold(named.type)))
        if stored is not None:
            document: Document = read_json(str(stored.body))
            return document, party
    raise InvalidParameters("none of this node's own tokens has this uid and type", field="token.uid")


def _find_target(node: Node, name: str, document: Document, sender: Party, party: Party | None) -> Target:
    if name == "CANCEL_RESERVATION":
        known = find_reservation(node, "", sender, document["reservation_id"])
        if known is None or known.addressee is None:
            raise NotFound("this node made no reservation of this id")
        return Target(known.receiver_id, known.addressee)
    owners = node.table.get_many(keys_to_find())
    target = find_target(node, document, owners, party, named_by="party")
    if target is None:
        if "session_id" in document:
            raise NotFound("unknown session")
        raise UnknownLocation(field="location_id")
    return target


# -- a CPO's CSMS gives the result -------------------------------------------------------------------


def take_result(node: Node, command_id: str, document: Document) -> Command:
    """Take what came of a command, and have it posted.

    Raises: NotFound; InvalidParameters naming the field; AlreadyEnded when it contradicts an earlier
    result; ClientError for a command that this node does not try itself.
    """
    told = validate(OwnCommandResult, document)
    body: Document = {"result": told.result}
    if isinstance(told.message, str):
        body["message"] = [{"language": "en", "text": told.message}]
    elif told.message is not None:
        body["message"] = document["message"]
    now, text = node.clock(), write_json(body)

    def take(current: Command) -> Command | None:
        if current.direction != Direction.RECEIVED:
            raise ClientError("this command is not for this node's own charge points")
        return with_result(current, told.result, text, now)

    command = change(node, command_id, take)
    send_owed(node, command)
    return command
