"""Probe: tests whether a partner that is OFFLINE takes pushes again.

1. Request the partner's versions. If that fails, the partner stays OFFLINE.
2. Push an object that the partner missed, because many broken systems still answer with their versions. If
   the partner missed no object, the versions are enough.

One object that the partner can never take must not keep it OFFLINE. So when the partner answers a push with
an error, the probe tries another object. Untried objects come first, then those tried longest ago, so
every object is tried in this probe or a later one. An object that was given up is skipped until its retry is
due. After a push without an answer the probe ends.

Source: OCPI 2.2.1 transport_and_format_offline_behaviour; TRN-32, HCI-10
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chalicelib.calls.answers import PartnerFault
from chalicelib.protocol.types import sort_key
from chalicelib.pushing.catch_up import find_pending
from chalicelib.pushing.deliveries import Delivery, DeliveryStatus, read_deliveries
from chalicelib.pushing.pushes import give_up_object, push_as_probe
from chalicelib.queues import CREDIT, Broadcast
from chalicelib.storage.keys import Ref

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.partners.directory import Partner

VERSIONS_S = 5.0
"""Seconds that a partner may take to answer with its versions."""

OBJECTS_PER_PROBE = 3
"""Objects that a probe pushes at most; those that turn out to need no push are not counted."""

_NOT_RECEIVED = (DeliveryStatus.MISSED, DeliveryStatus.WAITING, DeliveryStatus.DEAD)


def probe_pushes(node: Node, partner: Partner) -> None:
    """Check that a partner takes pushes.

    Raises: PartnerError when it does not answer with its versions; PushFailed when no push succeeded.
    """
    node.client.probe(partner, total_s=VERSIONS_S)
    failed: list[tuple[Broadcast, PartnerFault]] = []
    for message in _messages(node, partner):
        try:
            if not push_as_probe(node, partner, message):
                continue
        except PartnerFault as fault:
            failed.append((message, fault))
            if fault.timed_out or fault.not_connected or len(failed) >= OBJECTS_PER_PROBE:
                break
        else:
            # The partner took another object, so only these objects fail.
            for each, _ in failed:
                give_up_object(node, each)
            return
    if failed:
        raise PushFailed(failed[-1][1].reason)


class PushFailed(Exception):
    """The partner answers with its versions, but takes no push. The text is the reason of the last fault."""


def _messages(node: Node, partner: Partner) -> Iterator[Broadcast]:
    """Messages about objects that the partner must receive, untried ones first, then the longest untried."""
    rows = read_deliveries(node.table, partner.id)
    failed_before = {pk: row for pk, row in rows.items() if row.status in _NOT_RECEIVED}
    for untried in find_pending(node, partner, failed_before):
        if not untried.pk.endswith(CREDIT):
            yield _message(node, partner, untried.pk, untried.ref)
    now = node.clock()
    due = [each for each in failed_before.items() if not each[1].waits(now) and not each[0].endswith(CREDIT)]
    for pk, row in sorted(due, key=_tried_at):
        yield _message(node, partner, pk, row.ref)


def _tried_at(entry: tuple[str, Delivery]) -> str:
    return sort_key(entry[1].at)


def _message(node: Node, partner: Partner, pk: str, ref: str) -> Broadcast:
    cause = f"probe {node.new_id()}"
    return Broadcast(partner_id=partner.id, module=Ref.parse(pk).module, pk=pk, sk="#", ref=ref, cause=cause)
