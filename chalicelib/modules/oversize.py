"""Alarms for objects that are too large to send: a list skips them, a single answer becomes an error.

Source: protocol/sizes.py; docs/runbook/answers-too-large.md
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from chalicelib import metrics
from chalicelib.log import log
from chalicelib.storage.keys import for_log

if TYPE_CHECKING:
    from chalicelib.node import Node


def log_left_out(node: Node, too_large: Iterable[tuple[str, int]]) -> None:
    """Log an alarm for each object that a list left out. too_large: as in `Page`."""
    for pk, size in too_large:
        log.error(
            "a list left out an object that is too large for any answer",
            ref=for_log(pk),
            size=size,
            **metrics.answer_too_large(node.settings.table),
        )


def log_not_sent(node: Node, what: str, size: int) -> None:
    """Log an alarm for an answer that an error replaces. what: module or path that was requested."""
    log.error(
        "an answer was too large and was replaced by an error",
        asked=what,
        size=size,
        **metrics.answer_too_large(node.settings.table),
    )
