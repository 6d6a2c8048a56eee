"""The side that owns tariffs, or a hub that passes them on: the list of them, in pages.

There is no GET of a single tariff here (TAR-01).

Source: OCPI 2.2.1 mod_tariffs, Sender Interface; TAR-01
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

MODULE = "tariffs"


def get_tariffs(node: Node, request: Request) -> Reply:
    """Answer a page of the tariffs that the caller may see."""
    check_list_is_addressed(node.settings, request.routing)
    query = PageQuery.read(request)
    partitions = list_partitions(node, MODULE, request.partner, request.routing)
    return page_reply(request, query, node.objects.page(partitions, query, request.snapshot))


def _keys(node: Node, request: Request) -> Sequence[Key]:
    partitions = list_partitions(node, MODULE, request.partner, request.routing)
    return node.objects.keys_for_page(partitions, PageQuery.read(request))


INTERFACE = Interface(MODULE, "SENDER", (Route("GET", "", get_tariffs, _keys),))
