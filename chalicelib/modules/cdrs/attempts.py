"""Counter of unfinished attempts to make a session's CDR, so that no session blocks the others.

A function that is killed (out of memory, timeout) cannot record which session was the cause. So an attempt is
counted before it begins, in the item of the due session. To save this write for most CDRs, an attempt is
counted only if an earlier one may have failed: the session has been due for longer than two runs of the
timer, or an attempt was counted before. In the latter case the session is compiled after all others, alone.

After the last attempt the session is set aside.

Source: docs/design.md, A CDR
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from chalicelib.errors import InvalidParameters
from chalicelib.protocol.types import parse_datetime
from chalicelib.storage.table import Item

if TYPE_CHECKING:
    from chalicelib.storage.table import Table

MAX_ATTEMPTS = 3
ATTEMPT_TIME_LIMIT = timedelta(seconds=20)
"""An attempt whose pricing takes longer has failed."""

_SUSPECT_AFTER = timedelta(seconds=150)


def is_suspect(due: Item) -> bool:
    """Return whether an attempt for a due session was counted before."""
    return bool(due.get("tries"))


def must_count(due: Item, now: datetime) -> bool:
    """Decide whether to count an attempt before it begins: an earlier one may have failed.

    Raises: InvalidParameters when no attempt is left.
    """
    if int(due.get("tries", 0)) >= MAX_ATTEMPTS:
        text = (
            f"its CDR was begun {MAX_ATTEMPTS} times and never finished: "
            "pricing it takes too long, or it fails"
        )
        raise InvalidParameters(text)
    return is_suspect(due) or now - parse_datetime(due["at"]) > _SUSPECT_AFTER


def count_attempt(table: Table, due: Item) -> None:
    """Count an attempt that begins or has failed.

    Raises: Conflict when the session has changed, or is no longer due.
    """
    counted = {**due, "tries": int(due.get("tries", 0)) + 1}
    table.put(counted, "#v = :v", {"v": due["v"]})
