"""Size limit for a session's charging periods, so that the session always fits into a DynamoDB item.

A DynamoDB item holds 400 KB. Every PATCH may add a charging period, so a session that lasts for weeks would
fill its item; then its end could not be stored, and it could not be billed. So a PATCH may add charging
periods up to 256 KB (some 1,900 periods). This leaves room in the CDR, which also holds the tariffs and the
location. Above the limit the periods of a PATCH are refused and its other fields are stored: `kwh` still
changes, the session can end, and its CDR bills the energy after the last period (`cdrs/session_periods.py`).

Source: AWS, DynamoDB quotas; SES-05
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib import metrics
from chalicelib.errors import InvalidParameters
from chalicelib.log import log
from chalicelib.protocol.json_text import Document, write_json

if TYPE_CHECKING:
    from chalicelib.storage.objects import Changed


LARGEST = 256 * 1024
"""Bytes of JSON up to which a session takes charging periods."""

NEARLY_FULL = LARGEST * 8 // 10


def periods_fit(stored: Document, changed: Document) -> bool:
    """Return True when a session has room for the charging periods that a PATCH adds.

    stored, changed: the session before and after the PATCH. A session above the limit may still get smaller.
    """
    size = _size(changed)
    return size <= LARGEST or size <= _size(stored)


def refuse_periods() -> InvalidParameters:
    """Return the error for charging periods that do not fit; the other fields of their PATCH were stored."""
    text = (
        f"the session has no room for more charging periods ({LARGEST} bytes); kwh, status and all other "
        "fields of this PATCH were stored. Send no more periods: energy after the last one is billed by kwh. "
        "Or PUT the session with fewer, longer periods"
    )
    return InvalidParameters(text, field="charging_periods")


def note_size(node: str, change: Changed, were_refused: bool = False) -> None:
    """Log and count a session that reaches 80 % of the size limit, or whose periods were refused.

    node: name of the node's table, for the metric.
    """
    after = change.after
    if after is None:
        return
    size = len(str(after.body).encode())
    before = len(str(change.before.body).encode()) if change.before is not None else 0
    if were_refused or before < NEARLY_FULL <= size:
        what = (
            "refused charging periods: the session would exceed the size limit"
            if were_refused
            else "a session has reached 80 % of the size limit"
        )
        fields = metrics.session_nearly_full(node)
        log.warning(what, extra={"ref": str(after.ref), "size": size, **fields})


def _size(session: Document) -> int:
    return len(write_json(session).encode())
