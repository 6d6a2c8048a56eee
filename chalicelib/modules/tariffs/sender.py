"""Sender interface of tariffs, for a CPO or a hub: the list in pages.

There is no GET of a single tariff (TAR-01).

Source: OCPI 2.2.1 mod_tariffs, Sender Interface; TAR-01
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.modules.sender_list import answer_list, keys_of_list
from chalicelib.protocol.kinds import Kind
from chalicelib.protocol.message import Reply, Request
from chalicelib.routes import Call, Interface, Route

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.node import Node
    from chalicelib.storage.table import Key

MODULE = "tariffs"


def get_tariffs(call: Call) -> Reply:
    """Answer a page of the tariffs that the caller may see."""
    return answer_list(call, MODULE, call.node.objects)


def _keys(node: Node, request: Request) -> Sequence[Key]:
    return keys_of_list(node, request, MODULE, node.objects)


INTERFACE = Interface(MODULE, "SENDER", (Route("GET", "", get_tariffs, _keys, gives=Kind.TARIFF),))
