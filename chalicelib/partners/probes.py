"""A probe: whether a partner that is OFFLINE takes pushes again.

First the partner is asked for its versions. If it answers, an object that it missed is really sent: many
broken systems still answer with their versions. Only if it missed nothing, the versions suffice.

An object that the partner can never take must not keep it OFFLINE, so another one is tried when the partner
answers with an error. What was not tried yet comes first, then what was tried longest ago: however many such
objects there are, another one has its turn, in a later probe if not in this one. What was given up, and is
not due yet, is not tried. A partner that does not answer the first push is not tried again.

Source: OCPI 2.2.1 transport_and_format_offline_behaviour; TRN-32, HCI-10
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chalicelib.partners.answers import PartnerFault
from chalicelib.partners.catch_up import find_owed
from chalicelib.partners.deliveries import Delivery, Status, read_deliveries
from chalicelib.partners.pushes import set_aside, try_once
from chalicelib.protocol.types import sort_key
from chalicelib.queues import CREDIT, Broadcast
from chalicelib.storage.keys import Ref

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner

VERSIONS_S = 5.0
"""How long a partner may take for its versions."""

OBJECTS_PER_PROBE = 3
"""So many objects are sent at most; so many more may turn out to need no push."""

_PENDING = (Status.MISSED, Status.WAITING, Status.DEAD)


def takes_pushes(node: Node, partner: Partner) -> None:
    """See whether a partner takes pushes.

    Raises: PartnerError when it does not answer with its versions; PushFailed when no push succeeded.
    """
    node.client.probe(partner, total_s=VERSIONS_S)
    failed: list[tuple[Broadcast, PartnerFault]] = []
    for message in _messages(node, partner):
        try:
            if not try_once(node, partner, message):
                continue
        except PartnerFault as fault:
            failed.append((message, fault))
            if fault.timed_out or fault.not_connected or len(failed) >= OBJECTS_PER_PROBE:
                break
        else:
            # It takes others, so it is these objects that it cannot take.
            for each, _ in failed:
                set_aside(node, each)
            return
    if failed:
        raise PushFailed(failed[-1][1].reason)


class PushFailed(Exception):
    """A partner answers with its versions and takes no push. The text is the reason of the last fault."""


def _messages(node: Node, partner: Partner) -> Iterator[Broadcast]:
    """Messages about objects that a partner has to be sent: untried ones, then those tried longest ago."""
    rows = read_deliveries(node.table, partner.id)
    pending = {pk: row for pk, row in rows.items() if row.status in _PENDING}
    for owed in find_owed(node, partner, pending):
        if not owed.pk.endswith(CREDIT):
            yield _message(node, partner, owed.pk, owed.ref)
    now = node.clock()
    due = [each for each in pending.items() if not each[1].waits(now) and not each[0].endswith(CREDIT)]
    for pk, row in sorted(due, key=_tried_at):
        yield _message(node, partner, pk, row.ref)


def _tried_at(pending: tuple[str, Delivery]) -> str:
    return sort_key(pending[1].at)


def _message(node: Node, partner: Partner, pk: str, ref: str) -> Broadcast:
    cause = f"probe {node.new_id()}"
    return Broadcast(partner_id=partner.id, module=Ref.parse(pk).module, pk=pk, sk="#", ref=ref, cause=cause)
