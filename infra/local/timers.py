"""Calls a handler at the fixed interval of its schedule, as an EventBridge rule does."""

from __future__ import annotations

import logging
import re
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

log = logging.getLogger(__name__)

_UNITS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}


def parse_rate(expression: str) -> timedelta:
    """Read the interval of an EventBridge schedule expression such as `rate(1 minute)`.

    Raises: ValueError for another expression; the node has no cron schedules.
    """
    found = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", expression)
    if found is None:
        raise ValueError(f"not a rate expression: {expression!r}")
    return int(found[1]) * _UNITS[found[2]]


class Timer:
    """Delivers one schedule. `run` returns soon after its event is set."""

    def __init__(self, name: str, every: timedelta, handler: Callable[[dict[str, Any]], Any]) -> None:
        self._name = name
        self._every = every
        self._handler = handler

    def run(self, stopping: threading.Event) -> None:
        """Call the handler, first after one interval; the next interval starts when it returns."""
        while not stopping.wait(self._every.total_seconds()):
            try:
                self._handler(self._event(datetime.now(UTC)))
            except Exception:
                log.exception("the handler of the schedule %s failed", self._name)

    def _event(self, due: datetime) -> dict[str, Any]:
        return {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": "000000000000",
            "time": due.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": "local",
            "resources": [f"arn:aws:events:local:000000000000:rule/{self._name}"],
            "detail": {},
        }
