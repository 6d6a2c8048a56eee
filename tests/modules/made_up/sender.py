"""Sender interface of permits."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.modules.sender_list import answer_list, keys_of_list
from chalicelib.node import Node
from chalicelib.protocol.message import Reply, Request
from chalicelib.routes import Call, Interface, Route
from chalicelib.storage.table import Key


def get_permits(call: Call) -> Reply:
    """Answer a page of permits."""
    return answer_list(call, "permits", call.node.objects)


def _keys(node: Node, request: Request) -> Sequence[Key]:
    return keys_of_list(node, request, "permits", node.objects)


INTERFACE = Interface("permits", "SENDER", (Route("GET", "", get_permits, _keys),))
