"""Bounds a session's charging periods, so that it never outgrows the item that it is stored in.

A DynamoDB item holds 400 KB. A session gets a charging period with every PATCH, and one that lasts for weeks
would be full one day: then its end could not be stored, and nobody would be billed. So a PATCH may add
charging periods up to 256 KB (some 1,900 periods); its CDR, which has the tariffs and the location besides,
fits too. Beyond that the periods of a PATCH are refused, and everything else of it is stored: `kwh` goes on,
the session ends, and its CDR bills the energy after the last period (`cdrs/last_period.py`).

Source: AWS, DynamoDB quotas; SES-05
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib import metrics
from chalicelib.errors import InvalidParameters
from chalicelib.log import log
from chalicelib.protocol.json_text import write_json

if TYPE_CHECKING:
    from chalicelib.node import Node
    from chalicelib.storage.objects import Change

Document = dict[str, Any]

LARGEST = 256 * 1024
"""Bytes of JSON up to which a session takes charging periods."""

NEARLY_FULL = LARGEST * 8 // 10


def periods_fit(stored: Document, changed: Document) -> bool:
    """Tell whether a session may take the charging periods that a PATCH adds.

    stored, changed: the session before and after it. One that is above the bound may still get smaller.
    """
    size = _size(changed)
    return size <= LARGEST or size <= _size(stored)


def refuse_periods() -> InvalidParameters:
    """The error for charging periods that do not fit; the rest of their PATCH was stored."""
    text = (
        f"the session has no room for more charging periods ({LARGEST} bytes); kwh, status and all other "
        "fields of this PATCH were stored. Send no more periods: energy after the last one is billed by kwh. "
        "Or PUT the session with fewer, longer periods"
    )
    return InvalidParameters(text, field="charging_periods")


def note_size(node: Node, change: Change, were_refused: bool = False) -> None:
    """Log, and measure, that a session becomes nearly as large as it may, or that periods were refused."""
    after = change.after
    if after is None:
        return
    size = len(str(after.body).encode())
    before = len(str(change.before.body).encode()) if change.before is not None else 0
    if were_refused or before < NEARLY_FULL <= size:
        what = (
            "charging periods were refused" if were_refused else "a session is nearly as large as it may be"
        )
        fields = metrics.session_nearly_full(node.settings.table)
        log.warning(what, extra={"ref": str(after.ref), "size": size, **fields})


def _size(session: Document) -> int:
    return len(write_json(session).encode())
