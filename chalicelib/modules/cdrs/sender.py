"""Sender interface of CDRs, at a CPO or a hub: the paged list.

A partner sees the CDRs of its own tokens. At a hub, a CPO sees the CDRs that the hub made of its sessions
(`visibility.py`). OCPI has no GET of a single CDR here.

Source: OCPI 2.2.1 mod_cdrs, Sender Interface; CDR-01
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

MODULE = "cdrs"


def get_cdrs(call: Call) -> Reply:
    """Return a page of the CDRs that the caller may see."""
    return answer_list(call, MODULE, call.node.objects)


def _keys_of_page(node: Node, request: Request) -> Sequence[Key]:
    return keys_of_list(node, request, MODULE, node.objects)


INTERFACE = Interface(
    MODULE, "SENDER", (Route("GET", "", get_cdrs, _keys_of_page, gives=Kind.CDR),), relay=False
)
