"""Whose objects a hub or an eMSP holds: the parties of which something was received, per module.

An object's key begins with its owner, and its id is unique only together with the owner, so whoever
asks for an object by its id alone has to try the owners. Those who are partners themselves are in the
directory, but behind a hub stand parties that no directory knows. So one item per module,
`owners#{module}`, has an attribute for each of them, such as `PT_ABC`. It is read by key together
with whatever else is read, and writing it again changes nothing, so nobody needs to look first.

It is read with every such question and may not outgrow an item, whatever a partner sends, so it takes
`MOST_OWNERS` of them, some 50 kB. Objects of further ones are stored and passed on as all others, but are
found by their owner's ids only.

It is written from the table's stream, when an object is new: the request that brought it does
nothing but store it.

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
    """The item that knows the owners of a module's objects."""
    return Key(f"owners#{module}")


def remember_owners(table: Table, refs: Iterable[Ref]) -> None:
    """Remember whose these objects are: one write for each owner, also when it is known."""
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
        return  # It is known already, or there is no room.
    if item[_COUNT] == MOST_OWNERS:
        log.error("no further owner will be remembered", extra={"pk": key.pk})


def known_owners(items: Mapping[Key, Item], module: str) -> list[Party]:
    """The owners that an earlier read of `owners_key` tells, in the order of their ids."""
    names = sorted(set(items.get(owners_key(module), {})) - {"pk", "sk", _COUNT})
    return [Party(*name.split("_")) for name in names]
