"""Tariffs in the operator API: a CPO writes its own, every node shows what it has.

A tariff that is valid but probably wrong (a misspelt field, a number in another unit) is stored, and the
answer has `warnings` beside the tariff's fields. They are no part of the tariff: when a client sends them
back with it, they are removed.

Source: OCPI 2.2.1 mod_tariffs; TAR-05, TAR-07
"""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.errors import InvalidParameters
from chalicelib.modules.tariffs import own_tariffs
from chalicelib.node import Node
from chalicelib.operator_api.object_lookup import (
    keys_of_public_page,
    keys_to_find,
    object_reply,
    own_parties,
    owner_to_write,
    public_page,
)
from chalicelib.operator_api.problems import Problem
from chalicelib.policy.ownership import id_in_url
from chalicelib.pricing.lint import warn_of_tariff
from chalicelib.protocol.json_text import Document
from chalicelib.protocol.message import Reply, Request
from chalicelib.routes import OperatorCall, OperatorRoute
from chalicelib.storage.table import Key

_PATH = "/tariffs"
_MODULE = "tariffs"
_WARNINGS = "warnings"
_MOST_WARNINGS = 100


def list_tariffs(call: OperatorCall) -> Reply:
    """A page of this node's tariffs: own and received ones."""
    return public_page(call, _MODULE)


def get_tariff(call: OperatorCall) -> Reply:
    """One tariff."""
    return object_reply(call, _MODULE)


def put_tariff(call: OperatorCall) -> Reply:
    """Create or replace an own tariff."""
    document = _without_warnings(call.request.json_object())
    party = owner_to_write(call.node.settings, call.request, document)
    written = own_tariffs.put_own_tariff(
        call.node, party, id_in_url(call.request, "tariff_id"), document, known=call.snapshot
    )
    return Reply(data=_with_warnings(written.document), http_status=201 if written.created else 200)


def patch_tariff(call: OperatorCall) -> Reply:
    """Change the sent fields of an own tariff; `null` removes a field."""
    document = _without_warnings(call.request.json_object())
    party = owner_to_write(call.node.settings, call.request, document)
    tariff_id = id_in_url(call.request, "tariff_id")
    written = own_tariffs.patch_own_tariff(call.node, party, tariff_id, document, known=call.snapshot)
    return Reply(data=_with_warnings(written.document))


def delete_tariff(call: OperatorCall) -> Reply:
    """Delete an own tariff.

    Raises: Problem (409) while a connector refers to it (TAR-05).
    """
    party = owner_to_write(call.node.settings, call.request)
    try:
        own_tariffs.delete_own_tariff(call.node, party, id_in_url(call.request, "tariff_id"))
    except InvalidParameters as error:
        if error.field == "tariff_ids":
            raise Problem(409, error.detail) from error
        raise
    return Reply(http_status=204)


def _with_warnings(tariff: Document) -> Document:
    found = warn_of_tariff(tariff)[:_MOST_WARNINGS]
    return {**tariff, _WARNINGS: [each.to_document() for each in found]} if found else tariff


def _without_warnings(document: Document) -> Document:
    """The document that was sent, without the warnings of an earlier answer."""
    warnings = document.get(_WARNINGS)
    if isinstance(warnings, list) and all(isinstance(each, dict) and "pointer" in each for each in warnings):
        return {name: value for name, value in document.items() if name != _WARNINGS}
    return document


def _keys_of_list(node: Node, request: Request) -> Sequence[Key]:
    return keys_of_public_page(node, request, _MODULE)


def _keys_of_get(node: Node, request: Request) -> Sequence[Key]:
    return keys_to_find(node, request, _MODULE)


def _keys_of_change(node: Node, request: Request) -> Sequence[Key]:
    tariff_id = id_in_url(request, "tariff_id")
    return [
        k
        for party in own_parties(node.settings, _MODULE)
        for k in own_tariffs.keys_to_change(node, party, tariff_id)
    ]


ROUTES = (
    OperatorRoute("GET", _PATH, list_tariffs, _keys_of_list),
    OperatorRoute("GET", f"{_PATH}/{{tariff_id}}", get_tariff, _keys_of_get),
    OperatorRoute("PUT", f"{_PATH}/{{tariff_id}}", put_tariff, _keys_of_change),
    OperatorRoute("PATCH", f"{_PATH}/{{tariff_id}}", patch_tariff, _keys_of_change),
    OperatorRoute("DELETE", f"{_PATH}/{{tariff_id}}", delete_tariff),
)
