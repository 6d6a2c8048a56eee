"""Reads at once what storing the objects of a page needs: the stored objects and the claims of their owners.

Without it `keep` would read the same for each object. An object that cannot be named here, because its ids
are odd, is read by `keep` alone. So this saves calls and decides nothing.

DynamoDB calls for a page of 100 tokens or tariffs: one or two to read, none for an object that is unchanged,
one for one that changed, two for a new one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from chalicelib.modules.cdrs.keeping import credited_ref
from chalicelib.modules.locations.reservation import reservation_key
from chalicelib.modules.received_objects import ref_of
from chalicelib.partners.directory import claim_key
from chalicelib.policy.received_parties import owners_key
from chalicelib.policy.visibility import owner_roles
from chalicelib.protocol.types import fold
from chalicelib.storage.table import Item, Key, Snapshot

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner
    from chalicelib.storage.keys import Ref


class KnownItems:
    """The items that were read for the objects of a page."""

    def __init__(self, node: Node, partner: Partner, module: str, documents: Iterable[Any]) -> None:
        keys = {key for each in documents for key in _keys(partner, module, each)}
        self._partner = partner
        self._module = module
        self._items: dict[Key, Item] = dict(node.table.get_many(keys)) if keys else {}

    def of(self, document: Mapping[str, Any]) -> Snapshot:
        """The items that storing one object needs."""
        keys = _keys(self._partner, self._module, document)
        return Snapshot({key: self._items[key] for key in keys if key in self._items}, keys)

    def has(self, ref: Ref) -> bool:
        """Tell whether an object is stored."""
        return ref.key in self._items

    def note(self, ref: Ref) -> None:
        """Take notice of an object that was stored: its owner is known now, and the item is out of date."""
        self._items.pop(ref.key, None)
        if self._module == "tokens":
            key = owners_key("tokens")
            name = f"{fold(ref.country_code)}_{fold(ref.party_id)}"
            self._items[key] = {**self._items.get(key, {}), name: 1}


def _keys(partner: Partner, module: str, document: Any) -> list[Key]:
    ref = ref_of(module, document)
    if ref is None:
        return []
    keys = [ref.key]
    if partner.is_hub:
        keys += [claim_key(ref.owner, role) for role in owner_roles(module)]
    match module:
        case "tokens":
            keys.append(owners_key(module))
        case "locations":
            keys.append(reservation_key(ref.id))
        case "cdrs":
            credited = credited_ref(ref)
            keys += [credited.key] if credited else []
    return keys
