"""The list that every Sender interface has: what the caller is shown, in pages.

A list of a hub has to be asked for by the hub's name (RTE-24, RTE-26).

Source: OCPI 2.2.1 transport_and_format, Pagination; PAG-01, RTE-24, RTE-26
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.modules.client_owned_objects import check_list_is_addressed
from chalicelib.partners.visibility import list_partitions
from chalicelib.protocol.message import Reply, Request
from chalicelib.protocol.pagination import PageQuery, page_reply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.node import Node
    from chalicelib.storage.locations import LocationStore
    from chalicelib.storage.objects import ObjectStore
    from chalicelib.storage.table import Key

    Store = ObjectStore | LocationStore


def answer_list(
    node: Node, request: Request, module: str, store: Store, require_date_from: bool = False
) -> Reply:
    """Answer a page of a module's objects that the caller is shown.

    Raises: InvalidParameters.
    """
    check_list_is_addressed(node.settings, request.routing)
    query = PageQuery.read(request, require_date_from=require_date_from)
    partitions = list_partitions(node, module, request.partner, request.routing)
    return page_reply(request, query, store.page(partitions, query, request.snapshot))


def keys_of_list(
    node: Node, request: Request, module: str, store: Store, require_date_from: bool = False
) -> Sequence[Key]:
    """What `answer_list` reads first; it is read together with the caller.

    Raises: InvalidParameters.
    """
    partitions = list_partitions(node, module, request.partner, request.routing)
    return store.keys_for_page(partitions, PageQuery.read(request, require_date_from=require_date_from))
