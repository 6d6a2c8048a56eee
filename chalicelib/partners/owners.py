"""Whose objects a hub or an eMSP holds: the parties of which something was received, per module.

An object's key begins with its owner, and its id is unique only together with the owner, so whoever
asks for an object by its id alone has to try the owners. Those who are partners themselves are in the
directory, but behind a hub stand parties that no directory knows. So one item per module,
`owners#{module}`, has an attribute for each of them, such as `PT_ABC`. It is read by key together
with whatever else is read, and writing it again changes nothing, so nobody needs to look first.

It is written from the table's stream, when an object is new: the request that brought it does
nothing but store it.

Source: OCPI 2.2.1 types; OWN-02
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from chalicelib.protocol.message import Party
from chalicelib.protocol.types import fold
from chalicelib.storage.keys import Ref
from chalicelib.storage.table import Item, Key, Table


def owners_key(module: str) -> Key:
    """The item that knows the owners of a module's objects."""
    return Key(f"owners#{module}")


def remember_owners(table: Table, refs: Iterable[Ref]) -> None:
    """Remember whose these objects are: one write for each module among them, none for no refs."""
    names_by_module: dict[str, set[str]] = {}
    for ref in refs:
        name = f"{fold(ref.country_code)}_{fold(ref.party_id)}"
        names_by_module.setdefault(ref.module, set()).add(name)
    for module, names in names_by_module.items():
        changes = ", ".join(f"#{name} = :one" for name in sorted(names))
        table.update(owners_key(module), f"SET {changes}", {"one": 1})


def known_owners(items: Mapping[Key, Item], module: str) -> list[Party]:
    """The owners that an earlier read of `owners_key` tells, in the order of their ids."""
    names = sorted(set(items.get(owners_key(module), {})) - {"pk", "sk"})
    return [Party(*name.split("_")) for name in names]
