"""Sender interface of invoice records: the paged list of those that are about the caller's CDRs.

Source: OCPI 2.3.0 mod_invoice_reconciliation, Sender Interface; IR-03
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.modules.invoice_reconciliation.keeping import MODULE
from chalicelib.modules.sender_list import answer_list, keys_of_list
from chalicelib.protocol.message import Reply, Request
from chalicelib.routes import Call, Interface, Route

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.node import Node
    from chalicelib.storage.table import Key


def get_records(call: Call) -> Reply:
    """Return a page of the records that the caller may see."""
    return answer_list(call, MODULE, call.node.objects)


def _keys_of_page(node: Node, request: Request) -> Sequence[Key]:
    return keys_of_list(node, request, MODULE, node.objects)


INTERFACE = Interface(MODULE, "SENDER", (Route("GET", "", get_records, _keys_of_page),))
