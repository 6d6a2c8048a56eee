"""Operator API for reconciliation: sessions whose CDR a hub makes, and how it compares with our own CDR.

Without `state`, the list holds the entries that need attention. Other states are listed by name.

Source: docs/design.md, A CDR; CDR-22
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from chalicelib.errors import NotFound
from chalicelib.modules.reconciliation.entries import partition_of, show
from chalicelib.modules.reconciliation.noted_cdrs import MODULE, WITHOUT_SESSION
from chalicelib.modules.reconciliation.verdicts import NEEDS_ATTENTION, ReconciliationState
from chalicelib.node import Node
from chalicelib.operator_api.object_lookup import find_ref, keys_to_find, own_parties, party_in_query
from chalicelib.operator_api.problems import bad_query
from chalicelib.protocol.json_text import JsonText, write_json
from chalicelib.protocol.message import Reply, Request
from chalicelib.protocol.pagination import PageQuery, page_reply
from chalicelib.routes import OperatorCall, OperatorRoute
from chalicelib.settings import Settings
from chalicelib.storage.table import Key

_LIST = "/reconciliation"
_ONE = f"{_LIST}/{{session_id}}"


def list_entries(call: OperatorCall) -> Reply:
    """List a page of entries that need attention, or that are in the state of `?state=`."""
    query = PageQuery.read(call.request)
    page = call.node.objects.page(_partitions(call.node.settings, call.request), query, call.snapshot)
    shown = [JsonText(write_json(show(str(body), call.node.clock()))) for body in page.bodies]
    return page_reply(call.request, query, replace(page, bodies=shown))


def get_entry(call: OperatorCall) -> Reply:
    """Return the entry of a session in any state, or of a hub CDR without session, by the id of that CDR."""
    try:
        ref, items = find_ref(call, MODULE)
    except NotFound:
        ref, items = find_ref(call, MODULE, WITHOUT_SESSION)
    found = call.node.objects.get(ref, items)
    assert found is not None
    return Reply(data=show(str(found.body), call.node.clock()))


def _partitions(settings: Settings, request: Request) -> list[str]:
    """Partitions of the requested states; with `?party=`, of one own party.

    Raises: Problem when the state is unknown, or the party is no CPO of this node.
    """
    wanted = request.query.get("state")
    if wanted and wanted not in list(ReconciliationState):
        raise bad_query("state", f"expected one of {', '.join(ReconciliationState)}")
    states = [ReconciliationState(wanted)] if wanted else NEEDS_ATTENTION
    named = party_in_query(request)
    owners = [own for own in own_parties(settings, MODULE) if named is None or own.same_as(named)]
    if named is not None and not owners:
        raise bad_query("party", f"{named.key()} is not a CPO party of this node")
    return [partition_of(owner, state) for owner in owners for state in states]


def _keys_of_list(node: Node, request: Request) -> Sequence[Key]:
    return node.objects.keys_for_page(_partitions(node.settings, request), PageQuery.read(request))


def _keys_of_one(node: Node, request: Request) -> Sequence[Key]:
    return keys_to_find(node, request, MODULE)


ROUTES = (
    OperatorRoute("GET", _LIST, list_entries, _keys_of_list),
    OperatorRoute("GET", _ONE, get_entry, _keys_of_one),
)
