"""Reconciliation at the operator's door: the sessions whose CDR a hub makes, and how that CDR is.

Without `state` a list holds what an operator has to do something about; the others are listed by name.

Source: docs/design.md, A CDR; CDR-22
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from chalicelib.errors import NotFound
from chalicelib.modules.cdrs.marks import MODULE, WITHOUT_SESSION
from chalicelib.modules.cdrs.reconciliation import partition_of, show
from chalicelib.modules.cdrs.verdicts import NEEDS_A_LOOK, State
from chalicelib.node import Node
from chalicelib.operator_api.ownership import find_ref, keys_to_find, own_parties, party_in_query
from chalicelib.operator_api.problems import bad_query
from chalicelib.protocol.json_text import JsonText, write_json
from chalicelib.protocol.message import Reply, Request, Route
from chalicelib.protocol.pagination import PageQuery, page_reply
from chalicelib.storage.table import Key

_LIST = "/reconciliation"
_ONE = f"{_LIST}/{{session_id}}"


def list_entries(node: Node, request: Request) -> Reply:
    """A page of sessions that need a look, or that are in the state of `?state=`."""
    query = PageQuery.read(request)
    page = node.objects.page(_partitions(node, request), query, request.snapshot)
    shown = [JsonText(write_json(show(str(body), node.clock()))) for body in page.bodies]
    return page_reply(request, query, replace(page, bodies=shown))


def get_entry(node: Node, request: Request) -> Reply:
    """One session, whatever its state; or a CDR of the hub that names none, by its own id."""
    try:
        ref, items = find_ref(node, request, MODULE)
    except NotFound:
        ref, items = find_ref(node, request, MODULE, WITHOUT_SESSION)
    found = node.objects.get(ref, items)
    assert found is not None
    return Reply(data=show(str(found.body), node.clock()))


def _partitions(node: Node, request: Request) -> list[str]:
    """The lists that are asked for; with `?party=`, those of one own party.

    Raises: Problem for a state that there is not, or a party that is not this node's.
    """
    wanted = request.query.get("state")
    if wanted and wanted not in list(State):
        raise bad_query("state", f"expected one of {', '.join(State)}")
    states = [State(wanted)] if wanted else NEEDS_A_LOOK
    named = party_in_query(request)
    owners = [own for own in own_parties(node, MODULE) if named is None or own.same_as(named)]
    if named is not None and not owners:
        raise bad_query("party", f"{named.key()} is not a CPO party of this node")
    return [partition_of(owner, state) for owner in owners for state in states]


def _keys_of_list(node: Node, request: Request) -> Sequence[Key]:
    return node.objects.keys_for_page(_partitions(node, request), PageQuery.read(request))


def _keys_of_one(node: Node, request: Request) -> Sequence[Key]:
    return keys_to_find(node, request, MODULE)


ROUTES = (
    Route("GET", _LIST, list_entries, _keys_of_list),
    Route("GET", _ONE, get_entry, _keys_of_one),
)
