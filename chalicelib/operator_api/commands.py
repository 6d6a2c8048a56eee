"""Commands at the operator's door: an eMSP sends them, a CPO's CSMS fetches them and gives their results.

UNLOCK_CONNECTOR is for a help desk (CMD-19): it is sent here by the operator's key like all others, so
whoever builds an app for drivers on this door must not hand it through.

Source: OCPI 2.2.1 mod_commands; CMD-15 … CMD-19
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from chalicelib.errors import NotFound
from chalicelib.modules.commands import owner
from chalicelib.modules.commands.objects import COMMANDS
from chalicelib.modules.commands.rules import State
from chalicelib.modules.commands.store import find, key_of, partition_of, read_command
from chalicelib.modules.commands.view import show
from chalicelib.node import Node
from chalicelib.operator_api.ownership import party_in_query
from chalicelib.operator_api.problems import Problem, not_offered
from chalicelib.protocol.json_text import JsonText, write_json
from chalicelib.protocol.message import Reply, Request, Route
from chalicelib.protocol.pagination import PageQuery, page_reply
from chalicelib.storage.table import Key

_LIST = "/commands"
# API Gateway knows one name for a variable of a path: here it is a command's name, or its id.
_ONE = f"{_LIST}/{{command}}"
_RESULT = f"{_ONE}/result"


def list_commands(node: Node, request: Request) -> Reply:
    """A page of commands, oldest first; `?state=PENDING` leaves those that await a result."""
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
    command = owner.send_command(node, request, name, document, party_in_query(request))
    place = f"{request.base_url.removesuffix('/ocpi')}/operator{_LIST}/{command.id}"
    return Reply(data=show(command), http_status=202, headers={"Location": place})


def post_result(node: Node, request: Request) -> Reply:
    """Take what came of a command from the CSMS."""
    command = owner.take_result(node, request.path["command"], request.json_object())
    return Reply(data=show(command))


def _partitions(request: Request) -> list[str]:
    """The lists that are asked for.

    Raises: Problem for a state that there is not.
    """
    wanted = request.query.get("state")
    if not wanted:
        return [partition_of(state) for state in State]
    if wanted not in list(State):
        raise Problem(400, f"state: expected one of {', '.join(State)}")
    return [partition_of(State(wanted))]


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
