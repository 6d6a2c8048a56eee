"""Order of the CDRs of a corrected session: a partner gets the credit CDR before the CDR that replaces it.

A credit CDR waits for the CDR that it credits, because both have one FIFO group (`queues.py`). The new CDR
has an id and a group of its own, so its push checks that the push of the credit CDR is over. Only CDRs that
replace another one cost this read. A partner whose version has no credit CDRs gets neither of the two; both
are queued at once when it changes its version.

Source: OCPI 2.2.1 mod_cdrs_credit_cdrs; CDR-07, V211-52
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.pushing.concurrency_limit import CallLater
from chalicelib.pushing.deliveries import DeliveryStatus, key_of, read_delivery
from chalicelib.storage.table import Key
from chalicelib.versions.supported import traits_of

if TYPE_CHECKING:
    from chalicelib.pushing.push_decisions import Seen
    from chalicelib.storage.table import Table

_WAIT_S = 1.0
_OVER = frozenset((DeliveryStatus.DELIVERED, DeliveryStatus.REFUSED, DeliveryStatus.DEAD))
"""Statuses of a credit CDR after which the new CDR is sent: taken, refused, or given up for now."""


def check_credit_is_sent(table: Table, seen: Seen) -> None:
    """Check that the credit CDR which a CDR follows was sent, if there is one that the partner can have.

    Raises: CallLater when its push is still to come.
    """
    pk = (seen.item or {}).get("follows")
    if pk is None or not traits_of(seen.receiver.version).has_credit_cdrs:
        return
    row_key, credit = key_of(seen.receiver.id, pk), Key(pk)
    found = table.get_many([row_key, credit])
    if credit in found and read_delivery(found.get(row_key)).status not in _OVER:
        raise CallLater(_WAIT_S)
