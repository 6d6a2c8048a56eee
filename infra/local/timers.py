"""Calls a handler at the due times of its schedule, as an EventBridge rule does."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from infra.local.schedules import Schedule

log = logging.getLogger(__name__)


class Timer:
    """Delivers one schedule. `run` returns soon after its event is set."""

    def __init__(self, name: str, schedule: Schedule, handler: Callable[[dict[str, Any]], Any]) -> None:
        self._name = name
        self._schedule = schedule
        self._handler = handler

    def run(self, stopping: threading.Event) -> None:
        """Call the handler at each due time; a due time that passes while it runs is skipped."""
        while True:
            now = datetime.now(UTC)
            due = self._schedule.next_after(now)
            if stopping.wait((due - now).total_seconds()):
                return
            try:
                self._handler(self._event(due))
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
