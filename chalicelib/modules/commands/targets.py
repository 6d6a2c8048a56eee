"""Search for the CPO that a command is for: the one that has its location or its session.

A command has the id of a location or a session, which is unique only together with its CPO. Without the
CPO, this node tries the id with each owner that it knows, in one read. If nothing is found, it tries the
CPO parties of all partners, because an owner whose first object arrived just now may not be in the list of
known owners yet (`policy/received_parties.py`).

Source: OCPI 2.2.1 transport_and_format_message_routing, open routing; RTE-23, RTE-27, OWN-02
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib.errors import InvalidParameters, UnknownReceiver
from chalicelib.partners.directory import claim_key
from chalicelib.policy.received_parties import known_owners, owners_key
from chalicelib.storage.keys import Ref
from chalicelib.storage.table import Item, Key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from chalicelib.node import Node
    from chalicelib.partners.directory import Directory
    from chalicelib.protocol.message import Party
    from chalicelib.storage.table import Table

_MODULES = {"location_id": "locations", "session_id": "sessions"}


class CommandTarget(NamedTuple):
    """The CPO that a command is for: its party, and the partner to send the command to.

    item: the stored location or session that was found, None when the party was given.
    """

    partner_id: str
    party: Party
    item: Mapping[str, Any] | None = None


def keys_to_find(addressee: Party | None = None) -> list[Key]:
    """Keys for `addressed_target` (with an addressee) or `find_target`, read with the caller's token."""
    if addressee is not None:
        return [claim_key(addressee, "CPO")]
    return [owners_key(module) for module in _MODULES.values()]


def find_target(
    node: Node,
    document: Mapping[str, Any],
    known: Mapping[Key, Item],
    party: Party | None = None,
    named_by: str = "OCPI-to-party-id",
) -> CommandTarget | None:
    """Find the CPO that has the location or session of a command. Returns None when no partner has it.

    known: a read of `keys_to_find`. party: the CPO, where it is given. named_by: the field that the error
    is about.
    Raises: InvalidParameters when several CPOs have one of this id, so that the sender has to give the CPO.
    """
    name = next(name for name in _MODULES if name in document)
    module, object_id = _MODULES[name], document[name]
    # A CPO with sessions has locations as well, so the owners of locations may have the session.
    owners = [party] if party else [*known_owners(known, module), *known_owners(known, "locations")]
    found = _existing(node.table, module, object_id, owners)
    if not found and party is None:
        found = _existing(node.table, module, object_id, _parties_of_partners(node.directory))
    if len(found) > 1:
        names = ", ".join(target.party.key() for target in found)
        raise InvalidParameters(f"required, because several have one of this id: {names}", field=named_by)
    return found[0] if found else None


def addressed_target(party: Party, known: Mapping[Key, Item]) -> CommandTarget:
    """The partner that plays a CPO party. known: a read that has the party's claim.

    Raises: UnknownReceiver when no partner plays it (RTE-27).
    """
    claim = known.get(claim_key(party, "CPO"))
    if claim is None:
        raise UnknownReceiver(f"no CPO {party.country_code}/{party.party_id} is connected to this hub")
    return CommandTarget(claim["partner_id"], party)


def _existing(table: Table, module: str, object_id: str, owners: Iterable[Party]) -> list[CommandTarget]:
    party_by_key = {Ref(module, *party, object_id).key: party for party in owners}
    items = table.get_many(party_by_key) if party_by_key else {}
    return [
        CommandTarget(items[key]["src"], party, items[key])
        for key, party in party_by_key.items()
        if key in items and items[key]["src"]
    ]


def _parties_of_partners(directory: Directory) -> list[Party]:
    return [party for partner in directory.all() for party in partner.parties("CPO")]
