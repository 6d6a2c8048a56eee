"""The paged list of every Sender interface: the objects that the caller may see.

A request for a hub's list names the hub in OCPI-to (RTE-24, RTE-26). Without OCPI-to it means the same.

Source: OCPI 2.2.1 transport_and_format, Pagination; PAG-01, RTE-24, RTE-26
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.policy.ownership import check_list_is_addressed
from chalicelib.policy.visibility import list_partitions
from chalicelib.protocol.message import Reply, Request
from chalicelib.protocol.pagination import PageQuery, page_reply
from chalicelib.routes import Call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.node import Node
    from chalicelib.storage.locations import LocationStore
    from chalicelib.storage.objects import ObjectStore
    from chalicelib.storage.table import Key

    Store = ObjectStore | LocationStore


def answer_list(call: Call, module: str, store: Store, require_date_from: bool = False) -> Reply:
    """Answer a page of a module's objects that the caller may see.

    require_date_from: whether a partner that is set to strict must send `date_from` (SES-03).
    Raises: InvalidParameters for a wrong query, or a wrong OCPI-to at a hub.
    """
    check_list_is_addressed(call.node.settings, call.request.routing, call.caller.strict)
    query = PageQuery.read(call.request, require_date_from=require_date_from and call.caller.strict)
    partitions = list_partitions(call.node, module, call.caller, call.request.routing)
    return page_reply(call.request, query, store.page(partitions, query, call.snapshot))


def keys_of_list(node: Node, request: Request, module: str, store: Store) -> Sequence[Key]:
    """Return the keys that `answer_list` reads first, to be read together with the caller's item.

    Raises: InvalidParameters for a wrong query.
    """
    partitions = list_partitions(node, module, None, request.routing)
    return store.keys_for_page(partitions, PageQuery.read(request))
