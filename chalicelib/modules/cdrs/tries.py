"""Counts how often the CDR of a session was begun and not finished, so that no session stops the others.

A function that is killed (out of memory, out of time) says nothing of the session that it died of. So a try
is counted before it begins, in the item that says that the session is due. That would be a write more for
every CDR. It is done only where an earlier try may have failed: the session has been due for longer than two
runs of the timer, or a try was counted before. Such a session is compiled after all others, alone.

A session that was tried often enough is set aside.

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

MOST_TRIES = 3
LONGEST_TRY = timedelta(seconds=20)
"""A session takes no longer to price, or its try has failed."""

_UNSUSPECTED = timedelta(seconds=150)


def is_suspect(due: Item) -> bool:
    """Tell whether a try of a session that is due was counted before."""
    return bool(due.get("tries"))


def begin_try(node: Node, due: Item) -> Item:
    """Count a try, if an earlier one may have failed. Returns the item as it is now.

    Raises: InvalidParameters when the session was tried often enough; Conflict when it has changed.
    """
    if int(due.get("tries", 0)) >= MOST_TRIES:
        text = (
            f"its CDR was begun {MOST_TRIES} times and never finished: pricing it takes too long, or it fails"
        )
        raise InvalidParameters(text)
    is_old = node.clock() - parse_datetime(due["at"]) > _UNSUSPECTED
    return count_try(node, due) if is_old or is_suspect(due) else due


def count_try(node: Node, due: Item) -> Item:
    """Count a try that begins, or that has failed. Returns the item as it is now.

    Raises: Conflict when the session has changed, or is no longer due.
    """
    counted = {**due, "tries": int(due.get("tries", 0)) + 1}
    node.table.put(counted, "#v = :v", {"v": due["v"]})
    return counted
