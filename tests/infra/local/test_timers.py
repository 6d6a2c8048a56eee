"""A schedule's handler is called at its interval, which is read as in EventBridge."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest

from infra.local.timers import Timer, parse_rate


@pytest.mark.parametrize(
    ("expression", "every"),
    [
        ("rate(1 minute)", timedelta(minutes=1)),
        ("rate(5 minutes)", timedelta(minutes=5)),
        ("rate(2 hours)", timedelta(hours=2)),
        ("rate(1 day)", timedelta(days=1)),
    ],
)
def test_the_interval_follows_from_the_expression(expression: str, every: timedelta) -> None:
    assert parse_rate(expression) == every


@pytest.mark.parametrize("expression", ["", "every minute", "rate(1 week)", "cron(* * * * ? *)"])
def test_an_unknown_expression_is_refused(expression: str) -> None:
    with pytest.raises(ValueError):
        parse_rate(expression)


def test_the_handler_is_called_at_each_interval_even_after_it_failed() -> None:
    stopping = threading.Event()
    events: list[dict[str, Any]] = []

    def handler(event: dict[str, Any]) -> None:
        events.append(event)
        if len(events) == 3:
            stopping.set()
        raise RuntimeError("the handler's own trouble")

    Timer("look", timedelta(milliseconds=5), handler).run(stopping)

    assert len(events) == 3
    assert events[0]["detail-type"] == "Scheduled Event"
    assert events[0]["resources"] == ["arn:aws:events:local:000000000000:rule/look"]
