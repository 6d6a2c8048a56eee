"""Commands in the operator API: an eMSP sends them, a CPO's CSMS fetches them and posts their results.

UNLOCK_CONNECTOR is for a help desk only (CMD-19). The operator's key can send it like any other command,
so an app for drivers that uses this API must not offer it to its users.

Source: OCPI 2.2.1 mod_commands; CMD-15 … CMD-19
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from chalicelib.async_requests.objects import RequestState
from chalicelib.async_requests.store import AsyncRequests, read_request
from chalicelib.async_requests.view import show
from chalicelib.errors import NotFound
from chalicelib.modules.commands import operator_commands
from chalicelib.modules.commands.kind import COMMAND
from chalicelib.modules.commands.objects import COMMANDS
from chalicelib.node import Node
from chalicelib.operator_api.object_lookup import party_in_query
from chalicelib.operator_api.problems import Problem, not_offered
from chalicelib.protocol.json_text import JsonText, write_json
from chalicelib.protocol.message import Reply, Request
from chalicelib.protocol.pagination import PageQuery, page_reply
from chalicelib.routes import OperatorCall, OperatorRoute
from chalicelib.storage.table import Key

_LIST = "/commands"
# API Gateway allows one variable name per path position: it holds a command's name (POST) or its id (GET).
_ONE = f"{_LIST}/{{command}}"
_RESULT = f"{_ONE}/result"


def list_commands(call: OperatorCall) -> Reply:
    """A page of commands, oldest first; `?state=PENDING` selects those that await a result."""
    query = PageQuery.read(call.request)
    page = call.node.objects.page(_partitions(call.node, call.request), query, call.snapshot)
    shown = [JsonText(write_json(show(COMMAND, read_request(body)))) for body in page.bodies]
    return page_reply(call.request, query, replace(page, bodies=shown))


def get_command(call: OperatorCall) -> Reply:
    """One command."""
    command = _commands(call.node).find(call.request.path["command"], call.snapshot)
    if command is None:
        raise NotFound("unknown command")
    return Reply(data=show(COMMAND, command))


def post_command(call: OperatorCall) -> Reply:
    """Send a command to the CPO that has its location, session or reservation."""
    name = call.request.path["command"]
    if name not in COMMANDS:
        raise NotFound(f"there is no such command; there are {', '.join(COMMANDS)}")
    if not call.node.settings.plays("EMSP"):
        raise not_offered("this node is no eMSP: it sends no commands, it only takes them", ["GET"])
    document = call.request.json_object()
    command = operator_commands.send_command(
        call.node, call.request, name, document, party_in_query(call.request)
    )
    place = f"{call.request.base_url.removesuffix('/ocpi')}/operator{_LIST}/{command.id}"
    return Reply(data=show(COMMAND, command), http_status=202, headers={"Location": place})


def post_result(call: OperatorCall) -> Reply:
    """Store the result of a command that the CSMS posts, and pass it to the sender."""
    command = operator_commands.take_result(
        call.node, call.request.path["command"], call.request.json_object()
    )
    return Reply(data=show(COMMAND, command))


def _commands(node: Node) -> AsyncRequests:
    return AsyncRequests(node, COMMAND)


def _partitions(node: Node, request: Request) -> list[str]:
    """The partitions of the requested state, or of all states.

    Raises: Problem (400) for an unknown state.
    """
    wanted = request.query.get("state")
    if not wanted:
        return [_commands(node).partition_of(state) for state in RequestState]
    if wanted not in list(RequestState):
        raise Problem(400, f"state: expected one of {', '.join(RequestState)}")
    return [_commands(node).partition_of(RequestState(wanted))]


def _keys_of_list(node: Node, request: Request) -> Sequence[Key]:
    return node.objects.keys_for_page(_partitions(node, request), PageQuery.read(request))


def _keys_of_one(node: Node, request: Request) -> Sequence[Key]:
    command_id = request.path["command"]
    return [_commands(node).key_of(command_id)] if 0 < len(command_id) <= 100 else []


ROUTES = (
    OperatorRoute("GET", _LIST, list_commands, _keys_of_list),
    OperatorRoute("GET", _ONE, get_command, _keys_of_one),
    OperatorRoute("POST", _ONE, post_command),
    OperatorRoute("POST", _RESULT, post_result),
)
