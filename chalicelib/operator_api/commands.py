"""Commands in the operator API: an eMSP sends them, a CPO's CSMS fetches them and posts their results.

UNLOCK_CONNECTOR is for a help desk only (CMD-19). The operator's key can send it like any other command,
so an app for drivers that uses this API must not offer it to its users.

Source: OCPI 2.2.1 mod_commands; CMD-15 … CMD-19
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from chalicelib.errors import NotFound
from chalicelib.modules.commands import operator_commands
from chalicelib.modules.commands.objects import COMMANDS
from chalicelib.modules.commands.rules import CommandState
from chalicelib.modules.commands.store import find, key_of, partition_of, read_command
from chalicelib.modules.commands.view import show
from chalicelib.node import Node
from chalicelib.operator_api.object_lookup import party_in_query
from chalicelib.operator_api.problems import Problem, not_offered
from chalicelib.protocol.json_text import JsonText, write_json
from chalicelib.protocol.message import Reply, Request, Route
from chalicelib.protocol.pagination import PageQuery, page_reply
from chalicelib.storage.table import Key

_LIST = "/commands"
# API Gateway allows one variable name per path position: it holds a command's name (POST) or its id (GET).
_ONE = f"{_LIST}/{{command}}"
_RESULT = f"{_ONE}/result"


def list_commands(node: Node, request: Request) -> Reply:
    """A page of commands, oldest first; `?state=PENDING` selects those that await a result."""
    query = PageQuery.read(request)
    page = node.objects.page(_partitions(request), query, request.snapshot)
    shown = [JsonText(write_json(show(read_command(body)))) for body in page.bodies]
    return page_reply(request, query, replace(page, bodies=shown))


def get_command(node: Node, request: Request) -> Reply:
    """One command."""
    command = find(node, request.path["command"], request.snapshot)
    if command is None:
        raise NotFound("unknown command")
    return Reply(data=show(command))


def post_command(node: Node, request: Request) -> Reply:
    """Send a command to the CPO that has its location, session or reservation."""
    name = request.path["command"]
    if name not in COMMANDS:
        raise NotFound(f"there is no such command; there are {', '.join(COMMANDS)}")
    if not node.settings.plays("EMSP"):
        raise not_offered("this node is no eMSP: it sends no commands, it only takes them", ["GET"])
    document = request.json_object()
    command = operator_commands.send_command(node, request, name, document, party_in_query(request))
    place = f"{request.base_url.removesuffix('/ocpi')}/operator{_LIST}/{command.id}"
    return Reply(data=show(command), http_status=202, headers={"Location": place})


def post_result(node: Node, request: Request) -> Reply:
    """Store the result of a command that the CSMS posts, and pass it to the sender."""
    command = operator_commands.take_result(node, request.path["command"], request.json_object())
    return Reply(data=show(command))


def _partitions(request: Request) -> list[str]:
    """The partitions of the requested state, or of all states.

    Raises: Problem (400) for an unknown state.
    """
    wanted = request.query.get("state")
    if not wanted:
        return [partition_of(state) for state in CommandState]
    if wanted not in list(CommandState):
        raise Problem(400, f"state: expected one of {', '.join(CommandState)}")
    return [partition_of(CommandState(wanted))]


def _keys_of_list(node: Node, request: Request) -> Sequence[Key]:
    return node.objects.keys_for_page(_partitions(request), PageQuery.read(request))


def _keys_of_one(node: Node, request: Request) -> Sequence[Key]:
    command_id = request.path["command"]
    return [key_of(command_id)] if 0 < len(command_id) <= 100 else []


ROUTES = (
    Route("GET", _LIST, list_commands, _keys_of_list),
    Route("GET", _ONE, get_command, _keys_of_one),
    Route("POST", _ONE, post_command),
    Route("POST", _RESULT, post_result),
)
