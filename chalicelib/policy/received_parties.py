"""Record of the parties that own the received objects of each module; a hub and an eMSP keep it.

An object's key begins with its owner, and its id is unique only together with the owner. So a search by id
alone has to try every owner. Owners that are partners are in the directory, but parties behind a hub are
not. So one item for each module, `owners#{module}`, has an attribute for each owner, such as `PT_ABC`. It is
read by key together with other items. Writing a known owner again changes nothing, so no read comes before
the write.

Every search by id reads this item, and it must fit the size limit of an item. So it holds at most
`MOST_OWNERS` owners, about 50 kB. Objects of further owners are stored and passed on like all others, but
they are found only by the ids of their owner.

The stream handler writes it when an object is new, so the request that creates the object only stores it.

Source: OCPI 2.2.1 types; OWN-02
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from chalicelib.log import log
from chalicelib.protocol.message import Party
from chalicelib.protocol.types import fold
from chalicelib.storage.keys import Ref
from chalicelib.storage.table import Conflict, Item, Key, Table

MOST_OWNERS = 5000

_COUNT = "count"
_IS_NEW = "attribute_not_exists(#{name}) AND attribute_not_exists(#count)"
_HAS_ROOM = "attribute_not_exists(#{name}) AND #count < :most"


def owners_key(module: str) -> Key:
    """Key of the item that lists the owners of a module's objects."""
    return Key(f"owners#{module}")


def remember_owners(table: Table, refs: Iterable[Ref]) -> None:
    """Record the owners of these objects: one write for each owner, also if it is known."""
    owners = {(ref.module, f"{fold(ref.country_code)}_{fold(ref.party_id)}") for ref in refs}
    for module, name in sorted(owners):
        _remember(table, owners_key(module), name)


def _remember(table: Table, key: Key, name: str) -> None:
    condition = f"{_IS_NEW} OR {_HAS_ROOM}".replace("{name}", name)
    try:
        item = table.update(
            key, f"SET #{name} = :one ADD #{_COUNT} :one", {"one": 1, "most": MOST_OWNERS}, condition
        )
    except Conflict:
        return  # The owner is known already, or the item is full.
    if item[_COUNT] == MOST_OWNERS:
        log.error(
            "owners are full: objects of others are not found by id alone",
            extra={"pk": key.pk},
        )


def known_owners(items: Mapping[Key, Item], module: str) -> list[Party]:
    """Return the owners in an earlier read of `owners_key`, in the order of their ids."""
    names = sorted(set(items.get(owners_key(module), {})) - {"pk", "sk", _COUNT})
    return [Party(*name.split("_")) for name in names]
