"""Captures a node's log lines in the form that CloudWatch gets."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from chalicelib.log import log

Line = dict[str, Any]


class Logged:
    """The lines logged so far."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    @property
    def text(self) -> str:
        """All lines as one text."""
        return self.stream.getvalue()

    @property
    def lines(self) -> list[Line]:
        """The lines, parsed."""
        return [json.loads(line) for line in self.text.splitlines()]

    def measured(self, metric: str) -> list[Line]:
        """The lines with a metric."""
        return [line for line in self.lines if metric in names_in(line)]


def names_in(line: Line) -> set[str]:
    """The names of the metrics that CloudWatch reads from a line."""
    directives = line.get("_aws", {}).get("CloudWatchMetrics", ())
    return {metric["Name"] for directive in directives for metric in directive["Metrics"]}


def dimensions_of(line: Line, metric: str) -> list[dict[str, str]]:
    """The sets of dimensions of a metric in a line."""
    return [
        {name: line[name] for name in names}
        for directive in line["_aws"]["CloudWatchMetrics"]
        if metric in {each["Name"] for each in directive["Metrics"]}
        for names in directive["Dimensions"]
    ]


@contextmanager
def capture() -> Iterator[Logged]:
    """Capture the log instead of writing it to standard output, starting without any log fields."""
    logged = Logged()
    log.thread_safe_clear_keys()
    before = log.registered_handler.setStream(logged.stream)  # type: ignore[attr-defined]
    yield logged
    log.registered_handler.setStream(before)  # type: ignore[attr-defined]


@pytest.fixture
def logged() -> Iterator[Logged]:
    """The lines logged during a test."""
    with capture() as logged:
        yield logged
