"""Changes of the node's own locations by the operator. The table's stream then pushes them to partners.

The operator may leave out ids and times (`completion.py`), and a PATCH needs no `last_updated`. A request
that changes nothing writes nothing, so nothing is pushed.

Source: OCPI 2.2.1 mod_locations, Flow and Lifecycle; LOC-03, LOC-09, LOC-15 … LOC-21
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from chalicelib.errors import LocationNotFound
from chalicelib.modules.locations.completion import complete_connector, complete_evse, complete_location
from chalicelib.modules.locations.decisions import whole, written
from chalicelib.modules.locations.objects import Connector, Evse, Location, find_connector
from chalicelib.modules.locations.rules import lifted, merge, with_connector
from chalicelib.modules.own_objects import OwnObject, Propose
from chalicelib.policy.ownership import check_identity
from chalicelib.policy.time_remarks import remark_on_own
from chalicelib.policy.visibility import partition_for_own
from chalicelib.protocol.json_text import Document, read_json
from chalicelib.protocol.overtaking import Times
from chalicelib.protocol.patch import merge_patch
from chalicelib.protocol.types import validate
from chalicelib.storage.keys import Ref
from chalicelib.storage.locations import WriteEvse
from chalicelib.storage.objects import Keep

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.protocol.message import Party
    from chalicelib.storage.locations import StoredEvse, StoredLocation, WriteLocation
    from chalicelib.storage.objects import KnownItems
    from chalicelib.storage.table import Key

MODULE = "locations"


def put_own_location(
    node: Node, party: Party, location_id: str, document: Document, *, known: KnownItems = None
) -> OwnObject:
    """Create or replace a location of one of the node's parties.

    document: may leave out country_code, party_id, id, and `last_updated` on every level. EVSEs that
    it leaves out stay, as REMOVED (LOC-09).
    Raises: InvalidParameters naming the field.
    """
    return _change_location(node, party, location_id, lambda stored: document, known)


def patch_own_location(
    node: Node, party: Party, location_id: str, patch: Document, *, known: KnownItems = None
) -> OwnObject:
    """Change the fields that are given; lists of EVSEs and connectors merge by their ids (LOC-08).

    Raises: LocationNotFound; InvalidParameters when the result is no location.
    """
    named = {"country_code": party.country_code, "party_id": party.party_id, "id": location_id}
    return _change_location(node, party, location_id, _patched(patch, named, "unknown location"), known)


def put_own_evse(
    node: Node, party: Party, location_id: str, evse_uid: str, document: Document, *, known: KnownItems = None
) -> OwnObject:
    """Add or replace an EVSE.

    Raises: LocationNotFound when there is no such location; InvalidParameters naming the field.
    """
    return _change_evse(node, party, location_id, evse_uid, lambda stored: document, known)


def patch_own_evse(
    node: Node, party: Party, location_id: str, evse_uid: str, patch: Document, *, known: KnownItems = None
) -> OwnObject:
    """Change the fields of an EVSE that are given.

    Raises: LocationNotFound; InvalidParameters when the result is no EVSE.
    """
    return _change_evse(
        node, party, location_id, evse_uid, _patched(patch, {"uid": evse_uid}, "unknown EVSE"), known
    )


def put_own_connector(
    node: Node,
    party: Party,
    location_id: str,
    evse_uid: str,
    connector_id: str,
    document: Document,
    *,
    known: KnownItems = None,
) -> OwnObject:
    """Add or replace a connector of an EVSE.

    Raises: LocationNotFound when there is no such EVSE; InvalidParameters naming the field.
    """
    return _change_connector(
        node, party, (location_id, evse_uid, connector_id), lambda stored: document, known
    )


def patch_own_connector(
    node: Node,
    party: Party,
    location_id: str,
    evse_uid: str,
    connector_id: str,
    patch: Document,
    *,
    known: KnownItems = None,
) -> OwnObject:
    """Change the fields of a connector that are given.

    Raises: LocationNotFound; InvalidParameters when the result is no connector.
    """
    propose = _patched(patch, {"id": connector_id}, "unknown connector")
    return _change_connector(node, party, (location_id, evse_uid, connector_id), propose, known)


def keys_to_change(node: Node, party: Party, location_id: str, is_child: bool) -> list[Key]:
    """Return the keys that a change reads, for `known`. is_child: the change is of an EVSE or a connector."""
    ref = Ref(MODULE, *party, location_id)
    if is_child:
        return list(node.locations.keys_for_evse_change(ref))
    lists = [partition_for_own(MODULE, party, hidden) for hidden in (False, True)]
    return [key for name in lists for key in node.locations.keys_for_change(ref, name)]


def _patched(patch: Document, ids_in_url: dict[str, str], unknown: str) -> Propose:
    def propose(stored: Document | None) -> Document:
        check_identity(patch, **ids_in_url)
        if stored is None:
            raise LocationNotFound(unknown)
        proposed_time = {"last_updated": patch["last_updated"]} if patch.get("last_updated") else {}
        fields = {name: value for name, value in patch.items() if name != "last_updated"}
        return {**merge(stored, fields, apply=merge_patch), **proposed_time}

    return propose


def _change_location(
    node: Node, party: Party, location_id: str, propose: Propose, known: KnownItems
) -> OwnObject:
    def list_of(hidden: bool) -> str:
        return partition_for_own(MODULE, party, hidden)

    def decide(current: StoredLocation | None) -> WriteLocation | Keep:
        stored = None if current is None else whole(current)
        completed = complete_location(propose(stored), stored, node.clock(), party, location_id)
        validate(Location, completed)
        evses = [lifted(evse) for evse in completed.get("evses") or []]
        location = lifted({**completed, "evses": evses} if evses else completed)
        if location == stored:
            return Keep(location)
        kept = stored is not None and evses == stored["evses"]
        return replace(written(location, None if kept else evses, list_of), answer=location)

    ref = Ref(MODULE, *party, location_id)
    change = node.locations.change(ref, decide, known, partition=list_of(False), source="")
    remark_on_own(node, ref, change.answer)
    return OwnObject(change.answer, change.created)


def _change_evse(
    node: Node, party: Party, location_id: str, evse_uid: str, propose: Propose, known: KnownItems
) -> OwnObject:
    def decide(current: StoredEvse | None, location: StoredLocation) -> WriteEvse | Keep:
        stored = None if current is None else read_json(str(current.body))
        completed = complete_evse(propose(stored), stored, node.clock(), evse_uid)
        validate(Evse, completed)
        evse = lifted(completed)
        return Keep(evse) if evse == stored else WriteEvse(evse, answer=evse)

    ref = Ref(MODULE, *party, location_id)
    change = node.locations.change_evse(ref, evse_uid, decide, known, source="")
    remark_on_own(node, ref, change.answer)
    return OwnObject(change.answer, change.created)


def _change_connector(
    node: Node, party: Party, ids: tuple[str, str, str], propose: Propose, known: KnownItems
) -> OwnObject:
    location_id, evse_uid, connector_id = ids
    now = node.clock()

    def decide(current: StoredEvse | None, location: StoredLocation) -> WriteEvse | Keep:
        if current is None:
            raise LocationNotFound("unknown EVSE")
        evse = read_json(str(current.body))
        stored = find_connector(evse, connector_id)
        connector = complete_connector(propose(stored), stored, node.clock(), connector_id)
        validate(Connector, connector)
        answer = OwnObject(connector, created=stored is None)
        if connector == stored:
            return Keep(answer)
        return WriteEvse(with_connector(evse, connector, Times(now, current.arrived)), answer)

    ref = Ref(MODULE, *party, location_id)
    change = node.locations.change_evse(ref, evse_uid, decide, known, source="")
    own: OwnObject = change.answer
    remark_on_own(node, ref, own.document)
    return own
