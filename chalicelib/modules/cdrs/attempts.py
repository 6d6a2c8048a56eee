"""Counter of unfinished attempts to make a session's CDR, so that no session blocks the others.

A function that is killed (out of memory, timeout) cannot record which session was the cause. So an attempt is
counted before it begins, in the item of the due session. To save this write for most CDRs, an attempt is
counted only if an earlier one may have failed: the session has been due for longer than two runs of the
timer, or an attempt was counted before. In the latter case the session is compiled after all others, alone.

After the last attempt the session is set aside.

Source: docs/design.md, A CDR
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from chalicelib.errors import InvalidParameters
from chalicelib.protocol.types import parse_datetime
from chalicelib.storage.table import Item

if TYPE_CHECKING:
    from chalicelib.node import Node

MAX_ATTEMPTS = 3
ATTEMPT_TIME_LIMIT = timedelta(seconds=20)
"""An attempt whose pricing takes longer has failed."""

_SUSPECT_AFTER = timedelta(seconds=150)


def is_suspect(due: Item) -> bool:
    """Return whether an attempt for a due session was counted before."""
    return bool(due.get("tries"))


def begin_attempt(node: Node, due: Item) -> Item:
    """Count an attempt if an earlier one may have failed. Returns the due session as it is now.

    Raises: InvalidParameters when no attempt is left; Conflict when the session has changed.
    """
    if int(due.get("tries", 0)) >= MAX_ATTEMPTS:
        text = (
            f"its CDR was begun {MAX_ATTEMPTS} times and never finished: "
            "pricing it takes too long, or it fails"
        )
        raise InvalidParameters(text)
    is_old = node.clock() - parse_datetime(due["at"]) > _SUSPECT_AFTER
    return count_attempt(node, due) if is_old or is_suspect(due) else due


def count_attempt(node: Node, due: Item) -> Item:
    """Count an attempt that begins or has failed. Returns the due session as it is now.

    Raises: Conflict when the session has changed, or is no longer due.
    """
    counted = {**due, "tries": int(due.get("tries", 0)) + 1}
    node.table.put(counted, "#v = :v", {"v": due["v"]})
    return counted
