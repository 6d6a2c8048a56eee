"""A schedule's handler is called when it is due, again and again."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Any

from infra.local.timers import Timer


class Soon:
    """A schedule that is always due very soon."""

    def next_after(self, now: datetime) -> datetime:
        return now + timedelta(milliseconds=5)


def test_the_handler_is_called_at_each_due_time_even_after_it_failed() -> None:
    stopping = threading.Event()
    events: list[dict[str, Any]] = []

    def handler(event: dict[str, Any]) -> None:
        events.append(event)
        if len(events) == 3:
            stopping.set()
        raise RuntimeError("the handler's own trouble")

    Timer("look", Soon(), handler).run(stopping)

    assert len(events) == 3
    assert events[0]["detail-type"] == "Scheduled Event"
    assert events[0]["resources"] == ["arn:aws:events:local:000000000000:rule/look"]
