"""The side that has CDRs, a CPO or a hub: the list in pages.

A partner is shown the CDRs of its own tokens, and a CPO at a hub those that the hub made of its sessions
(`visibility.py`). There is no GET of a single CDR.

Source: OCPI 2.2.1 mod_cdrs, Sender Interface; CDR-01
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.modules.client_owned_objects import check_list_is_addressed
from chalicelib.partners.visibility import list_partitions
from chalicelib.protocol.message import Interface, Reply, Request, Route
from chalicelib.protocol.pagination import PageQuery, page_reply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.node import Node
    from chalicelib.storage.table import Key

MODULE = "cdrs"


def get_cdrs(node: Node, request: Request) -> Reply:
    """Answer a page of the CDRs that the caller is shown."""
    check_list_is_addressed(node.settings, request.routing)
    query = PageQuery.read(request)
    partitions = list_partitions(node, MODULE, request.partner, request.routing)
    return page_reply(request, query, node.objects.page(partitions, query, request.snapshot))


def _keys_of_page(node: Node, request: Request) -> Sequence[Key]:
    partitions = list_partitions(node, MODULE, request.partner, request.routing)
    return node.objects.keys_for_page(partitions, PageQuery.read(request))


INTERFACE = Interface(MODULE, "SENDER", (Route("GET", "", get_cdrs, _keys_of_page),), hands_on=True)
