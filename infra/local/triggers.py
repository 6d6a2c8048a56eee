"""Drives an app's queue, stream and schedule handlers, as Lambda's event sources do.

It reads the app's own declarations (`app.event_sources`) and calls each handler as Lambda would
(`app.handler_map`), so exactly the handlers of a deployment run. Every delivery is at least once.

One thread per queue (with a few workers), per stream and per schedule. `stop` lets running handlers finish
and starts no new ones.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalice.app import (
    Chalice,
    DynamoDBEventConfig,
    ScheduledEventConfig,
    ScheduleExpression,
    SQSEventConfig,
)
from chalice.local import LambdaContext

from infra.local.queue_poller import QueuePoller
from infra.local.stream_reader import StreamReader
from infra.local.timers import Timer, parse_rate

FUNCTION_SECONDS = 30
STOP_SECONDS = 20.0

Handler = Callable[[dict[str, Any]], Any]


@dataclass(frozen=True)
class LocalAws:
    """Access to the event sources: clients by service, the node's table, a folder for checkpoints."""

    client: Callable[[str], Any]
    table: str
    checkpoints: Path


class Triggers:
    """Every event source of one app."""

    def __init__(self, app: Chalice, aws: LocalAws) -> None:
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=run, args=(self._stopping,), name=name)
            for name, run in _sources(app, aws)
        ]

    def start(self) -> None:
        """Start delivering."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop delivering; returns when the running handlers have ended."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(STOP_SECONDS)


def _sources(app: Chalice, aws: LocalAws) -> list[tuple[str, Callable[[threading.Event], None]]]:
    sources: list[tuple[str, Callable[[threading.Event], None]]] = []
    for source in app.event_sources:
        handler = _as_lambda(app, source.name)
        match source:
            case SQSEventConfig():
                queue = source.queue or str(source.queue_arn).rpartition(":")[2]
                workers = min(source.maximum_concurrency or QueuePoller.WORKERS, QueuePoller.MOST_WORKERS)
                sources.append(
                    (source.name, QueuePoller(aws.client, queue, handler, source.batch_size, workers).run)
                )
            case DynamoDBEventConfig():
                # The ARN of a stream changes with each new table, so the node's own table is asked for it.
                reader = StreamReader(aws.client, aws.table, handler, source.batch_size, aws.checkpoints)
                sources.append((source.name, reader.run))
            case ScheduledEventConfig():
                expression = source.schedule_expression
                text = expression.to_string() if isinstance(expression, ScheduleExpression) else expression
                sources.append((source.name, Timer(source.name, parse_rate(text), handler).run))
            case _:
                raise NotImplementedError(f"{source.name}: no local trigger for {type(source).__name__}")
    return sources


def _as_lambda(app: Chalice, name: str) -> Handler:
    function = app.handler_map[name]

    def handle(event: dict[str, Any]) -> Any:
        return function(event, LambdaContext(name, memory_size=256, max_runtime_ms=FUNCTION_SECONDS * 1000))

    return handle
