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
from chalicelib.protocol.kinds import Kind
from chalicelib.protocol.message import Reply, Request
from chalicelib.protocol.types import validate
from chalicelib.routes import Call, Interface, Route
from chalicelib.storage.keys import Ref
from chalicelib.storage.objects import overtaken_by

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chalicelib.node import Node
    from chalicelib.storage.objects import Changed, Decide, Remove, Stored, Write
    from chalicelib.storage.table import Key

MODULE = "tariffs"
OWNER = "CPO"


def get_tariff(call: Call) -> Reply:
    """Answer the stored copy to its owner."""
    ref = _ref(call)
    stored = call.node.objects.get(ref, call.snapshot)
    if stored is None or not is_callers(call, owner_in_url(call.request), OWNER, stored.source):
        raise NotFound("unknown tariff")
    return Reply(stored.body)


def put_tariff(call: Call) -> Reply:
    """Create or replace a tariff, unless the stored one is newer."""
    ref = _ref(call)
    owner = owner_in_url(call.request)
    document = call.json_object()
    check_identity(document, country_code=owner.country_code, party_id=owner.party_id, id=ref.id)
    validate(Tariff, document)
    change = _change(call, ref, replace_by(document))
    remark = remark_on(call, ref, document, overtaken_by(change.before, document["last_updated"]))
    return Reply(http_status=201 if change.created else 200, status_message=remark)


def delete_tariff(call: Call) -> Reply:
    """Delete a tariff."""
    ref = _ref(call)
    _change(call, ref, remove)
    return Reply()


def _change(call: Call, ref: Ref, decide: Decide) -> Changed:
    owner = owner_in_url(call.request)

    def decide_for_caller(stored: Stored | None) -> Write | Remove | None:
        check_source(call, owner, OWNER, stored)
        return decide(stored)

    return call.node.objects.change(
        ref,
        decide_for_caller,
        call.snapshot,
        partition=partition_for_received(MODULE),
        source=call.caller.id,
    )


def _ref(call: Call) -> Ref:
    """Return the key of the tariff in the URL, after checking that the caller may access it."""
    owner = owner_in_url(call.request)
    check_owner(call, owner, OWNER)
    return Ref(MODULE, *owner, id_in_url(call.request, "tariff_id"))


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
        Route("GET", _PATH, get_tariff, _keys_of_get, gives=Kind.TARIFF),
        Route("PUT", _PATH, put_tariff, _keys_of_change, takes=Kind.TARIFF),
        Route("DELETE", _PATH, delete_tariff, _keys_of_change),
    ),
)
