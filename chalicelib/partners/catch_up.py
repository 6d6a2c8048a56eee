"""What a partner still has to hear, and queueing it: after it registered, and after it was away.

The versions of what the partner is shown are compared with its rows: two queries for each list and one
for the rows, whatever the number of changes that it missed. What differs becomes ordinary messages, and
each push reads and decides again, so a message too many costs a read and no request.

The lists are read from an index that may lag behind the table for a moment, and a change that was told
to the partners of a moment ago may have missed this one. So a second look is noted, and taken by the
timer (`liveness.py`) when the moment has surely passed.

Source: OCPI 2.2.1 transport_and_format_offline_behaviour; TRN-32, TRP-10
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.partners.deliveries import Delivery, Known, is_owed, read_deliveries
from chalicelib.partners.visibility import MODULES, Subject, hears, is_hidden_partition, list_partitions
from chalicelib.protocol.message import Party
from chalicelib.protocol.types import format_datetime, parse_datetime
from chalicelib.queues import Broadcast
from chalicelib.storage.keys import Ref
from chalicelib.storage.table import Conflict, Key, Put

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner

SECOND_LOOK = timedelta(seconds=10)
"""How long an index, or who has read the partners before, may lag behind."""

_LOOKS = "catch-up"


class Owed(NamedTuple):
    """An object that a partner has to be told of."""

    pk: str
    ref: str


def catch_up(node: Node, partner: Partner, cause: str, has_new_token: bool = False) -> int:
    """Queue what a partner still has to hear. Returns how many objects.

    cause: the same for the same occasion. has_new_token: send again what was refused because of ours.
    Raises: RuntimeError when the queue did not take all.
    """
    broadcasts = [
        Broadcast(
            partner_id=partner.id,
            module=Ref.parse(owed.pk).module,
            pk=owed.pk,
            sk="#",
            ref=owed.ref,
            cause=cause,
        )
        for owed in find_owed(node, partner, read_deliveries(node.table, partner.id), has_new_token)
    ]
    node.queues.send_broadcasts(broadcasts)
    return len(broadcasts)


def find_owed(
    node: Node, partner: Partner, deliveries: dict[str, Delivery], has_new_token: bool = False
) -> list[Owed]:
    """Everything that a partner still has to hear, given its rows."""
    known: dict[str, Known] = {}
    refs: dict[str, str] = {}
    modules = [module for module in MODULES if partner.endpoint(module, "RECEIVER") is not None]
    for module in modules:
        for ref, found in _known(node, partner, module):
            pk = ref.key.pk
            refs[pk] = str(ref)
            known[pk] = max(known.get(pk, found), found)
    refs |= {pk: row.ref for pk, row in deliveries.items() if row.module in modules}
    return [
        Owed(pk, ref)
        for pk, ref in refs.items()
        if is_owed(deliveries.get(pk, Delivery()), known.get(pk), has_new_token)
    ]


def _known(node: Node, partner: Partner, module: str) -> Iterator[tuple[Ref, Known]]:
    store = node.locations if module == "locations" else node.objects
    for partition in list_partitions(node, module, None):
        hidden = is_hidden_partition(partition)
        for ref, version in store.versions(partition):
            subject = Subject(module, Party(ref.country_code, ref.party_id), source="", hidden=hidden)
            visible = hears(node.settings, partner, subject)
            if visible or hears(node.settings, partner, subject._replace(hidden=False)):
                yield ref, Known(version, visible)


# -- second looks ------------------------------------------------------------------------------------


def look_again(node: Node, partner_id: str) -> None:
    """Note that a partner is to be caught up with a little later."""
    node.table.write(note_look(partner_id, node.clock()))


def note_look(partner_id: str, now: datetime) -> Put:
    """The operation that notes it."""
    return Put({"pk": _LOOKS, "sk": partner_id, "at": format_datetime(now)})


def take_second_looks(node: Node, partners: dict[str, Partner]) -> None:
    """Catch up with the partners for which a look was noted, and is due.

    partners: all there are, by id. A partner that is away is caught up with when it is back.
    """
    due = node.clock() - SECOND_LOOK
    for look in list(node.table.query_all("#pk = :pk", {"pk": _LOOKS})):
        if parse_datetime(look["at"]) > due:
            continue
        partner = partners.get(look["sk"])
        if partner is not None and partner.is_registered and partner.connection == "CONNECTED":
            catch_up(node, partner, f"second look {look['at']}")
        _forget_look(node, look["sk"], look["at"])


def _forget_look(node: Node, partner_id: str, at: str) -> None:
    try:
        node.table.delete(Key(_LOOKS, partner_id), "#at = :at", {"at": at})
    except Conflict:
        return  # another look was noted meanwhile
