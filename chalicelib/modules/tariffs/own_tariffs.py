"""Changes of the node's own tariffs by the operator. The table's stream then pushes them to partners.

A tariff that a connector refers to cannot be deleted (TAR-05). The check has no index: it reads the party's
own locations in pages of a hundred, three calls each, and parses only those whose text contains the id. A
tariff is rarely deleted, and for an operator of fifty sites the check costs three calls, so an index, which
every change of a location would have to update, does not pay. Connectors of removed EVSEs do not count.

Source: OCPI 2.2.1 mod_tariffs, Push model; TAR-05, TAR-07
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from chalicelib.errors import InvalidParameters, NotFound
from chalicelib.modules.locations.objects import REMOVED
from chalicelib.modules.own_objects import OwnObject, Propose, decide_own, merging
from chalicelib.modules.tariffs.decisions import remove, written
from chalicelib.modules.tariffs.objects import Tariff
from chalicelib.policy.time_remarks import remark_on_own
from chalicelib.policy.visibility import partition_for_own
from chalicelib.protocol.json_text import Document, JsonText, read_json, write_json
from chalicelib.protocol.pagination import MAX_LIMIT, PageQuery
from chalicelib.protocol.types import fold
from chalicelib.storage.keys import Ref

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.protocol.message import Party
    from chalicelib.storage.locations import LocationStore
    from chalicelib.storage.objects import Keep, KnownItems, Stored, Write
    from chalicelib.storage.table import Key

MODULE = "tariffs"


def put_own_tariff(
    node: Node, party: Party, tariff_id: str, document: Document, *, known: KnownItems = None
) -> OwnObject:
    """Create or replace a tariff of one of the node's parties.

    document: may leave out country_code, party_id, id and last_updated.
    Raises: InvalidParameters naming the field.
    """
    return _change(node, party, tariff_id, lambda stored: document, known)


def patch_own_tariff(
    node: Node, party: Party, tariff_id: str, patch: Document, *, known: KnownItems = None
) -> OwnObject:
    """Change the fields that are given.

    Partners receive the whole tariff, because OCPI has no PATCH of a tariff (TAR-03).
    Raises: NotFound; InvalidParameters when the result is not a valid tariff.
    """
    return _change(node, party, tariff_id, merging(patch, "tariff"), known)


def delete_own_tariff(node: Node, party: Party, tariff_id: str) -> None:
    """Delete a tariff that no connector refers to.

    Raises: InvalidParameters naming a connector that refers to it, with field `tariff_ids`; NotFound.
    """
    ref = Ref(MODULE, *party, tariff_id)
    if node.objects.get(ref) is None:
        raise NotFound("unknown tariff")
    reference = next(_references(node.locations, party, tariff_id), None)
    if reference is not None:
        raise InvalidParameters(f"connector {reference} still refers to this tariff", field="tariff_ids")
    node.objects.change(ref, remove, partition=partition_for_own(MODULE, party), source="")


def keys_to_change(node: Node, party: Party, tariff_id: str) -> list[Key]:
    """Return the keys that a change reads, for `known`."""
    return list(
        node.objects.keys_for_change(Ref(MODULE, *party, tariff_id), partition_for_own(MODULE, party))
    )


def _change(node: Node, party: Party, tariff_id: str, propose: Propose, known: KnownItems) -> OwnObject:
    ids = {**party._asdict(), "id": tariff_id}

    def decide(current: Stored | None) -> Write | Keep:
        return decide_own(current, propose, ids, Tariff, written, node.clock())

    ref = Ref(MODULE, *party, tariff_id)
    change = node.objects.change(ref, decide, known, partition=partition_for_own(MODULE, party), source="")
    remark_on_own(node, ref, change.answer)
    return OwnObject(change.answer, change.created)


def _references(locations: LocationStore, party: Party, tariff_id: str) -> Iterator[str]:
    """Yield the connectors in use that refer to a tariff, as `location/evse/connector`."""
    written_id = fold(write_json(tariff_id))
    for body in _own_locations(locations, party):
        if written_id not in fold(body):
            continue
        location = read_json(str(body))
        for evse in location.get("evses") or ():
            for connector in evse["connectors"] if evse["status"] != REMOVED else ():
                if fold(tariff_id) in map(fold, connector.get("tariff_ids") or ()):
                    yield f"{location['id']}/{evse['uid']}/{connector['id']}"


def _own_locations(locations: LocationStore, party: Party) -> Iterator[JsonText]:
    partitions = [partition_for_own("locations", party, hidden) for hidden in (False, True)]
    query = PageQuery(limit=MAX_LIMIT)
    while True:
        page = locations.page(partitions, query)
        yield from page.bodies
        too_large = (locations.get(Ref.parse(pk)) for pk, _ in page.too_large)
        yield from (body for body in too_large if body is not None)
        if page.next_offset is None:
            return
        query = replace(query, offset=page.next_offset, cursor=page.next_cursor)
