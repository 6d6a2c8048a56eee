"""The alarm for what is too large to be answered: a list left it out, or an error was answered instead.

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
    """Raise the alarm for each object that a list left out; too_large: as in `Page`."""
    for pk, size in too_large:
        log.error(
            "an object is too large for any answer, so a list left it out",
            ref=for_log(pk),
            size=size,
            **metrics.answer_too_large(node.settings.table),
        )


def log_not_sent(node: Node, what: str, size: int) -> None:
    """Raise the alarm for an answer that is replaced by an error. what: module or path that was asked for."""
    log.error(
        "an answer is too large to be sent",
        asked=what,
        size=size,
        **metrics.answer_too_large(node.settings.table),
    )
