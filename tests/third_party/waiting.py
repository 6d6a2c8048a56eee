"""Waiting with a deadline: what happens behind queues is awaited, never slept for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(look: Callable[[], T], *, within: float = 45, what: str = "") -> T:
    """The first truthy thing that `look` sees.

    A look that fails an assertion is a look that saw nothing yet.
    Raises: AssertionError at the deadline, telling what was seen last.
    """
    deadline = time.monotonic() + within
    while True:
        try:
            seen = look()
            last: object = seen
        except AssertionError as error:
            seen, last = None, error
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s: {what or look}; last seen: {last!r}")
        time.sleep(0.05)
