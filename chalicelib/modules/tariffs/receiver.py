"""Receiver interface of tariffs: stores the tariffs that their owners push.

Source: OCPI 2.2.1 mod_tariffs, Receiver Interface; TAR-02 … TAR-06
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.errors import NotFound
from chalicelib.modules.tariffs.decisions import remove, replace_by
from chalicelib.modules.tariffs.objects import Tariff
from chalicelib.policy.ownership import (
    check_identity,
    check_owner,
    check_source,
    id_in_url,
    is_callers,
    owner_in_url,
)
from chalicelib.policy.time_remarks import remark_on
from chalicelib.policy.visibility import partition_for_received
from chalicelib.protocol.message import Interface, Reply, Request, Route
from chalicelib.protocol.types import validate
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import overtaken_by

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.node import Node
    from chalicelib.storage.objects import Changed, Decide, Remove, Stored, Write
    from chalicelib.storage.table import Key

MODULE = "tariffs"
OWNER = "CPO"


def get_tariff(node: Node, request: Request) -> Reply:
    """Answer the stored copy to its owner."""
    ref = _ref(node, request)
    stored = node.objects.get(ref, request.snapshot)
    if stored is None or not is_callers(request, owner_in_url(request), OWNER, stored.source):
        raise NotFound("unknown tariff")
    return Reply(stored.body)


def put_tariff(node: Node, request: Request) -> Reply:
    """Create or replace a tariff, unless the stored one is newer."""
    ref = _ref(node, request)
    owner = owner_in_url(request)
    document = request.json_object()
    check_identity(document, country_code=owner.country_code, party_id=owner.party_id, id=ref.id)
    validate(Tariff, document)
    change = _change(node, request, ref, replace_by(document))
    remark = remark_on(node, request, ref, document, overtaken_by(change.before, document["last_updated"]))
    return Reply(http_status=201 if change.created else 200, status_message=remark)


def delete_tariff(node: Node, request: Request) -> Reply:
    """Delete a tariff."""
    ref = _ref(node, request)
    _change(node, request, ref, remove)
    return Reply()


def _change(node: Node, request: Request, ref: Ref, decide: Decide) -> Changed:
    owner = owner_in_url(request)

    def decide_for_caller(stored: Stored | None) -> Write | Remove | None:
        check_source(node, request, owner, OWNER, stored)
        return decide(stored)

    return node.objects.change(
        ref,
        decide_for_caller,
        request.snapshot,
        partition=partition_for_received(MODULE),
        source=request.caller.id,
    )


def _ref(node: Node, request: Request) -> Ref:
    """Return the key of the tariff in the URL, after checking that the caller may access it."""
    owner = owner_in_url(request)
    check_owner(node, request, owner, OWNER)
    return Ref(MODULE, *owner, id_in_url(request, "tariff_id"))


def _keys_of_get(node: Node, request: Request) -> Sequence[Key]:
    return node.objects.keys_for_get(Ref(MODULE, *owner_in_url(request), id_in_url(request, "tariff_id")))


def _keys_of_change(node: Node, request: Request) -> Sequence[Key]:
    ref = Ref(MODULE, *owner_in_url(request), id_in_url(request, "tariff_id"))
    return node.objects.keys_for_change(ref, partition_for_received(MODULE))


_PATH = "/{country_code}/{party_id}/{tariff_id}"

INTERFACE = Interface(
    MODULE,
    "RECEIVER",
    (
        Route("GET", _PATH, get_tariff, _keys_of_get),
        Route("PUT", _PATH, put_tariff, _keys_of_change),
        Route("DELETE", _PATH, delete_tariff, _keys_of_change),
    ),
)
