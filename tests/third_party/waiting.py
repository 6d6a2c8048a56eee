"""Waiting with a deadline for the effects of asynchronous work, without fixed sleeps."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(look: Callable[[], T], *, within: float = 45, what: str = "") -> T:
    """Call `look` until its result is truthy; returns the result.

    A failed assertion inside `look` counts as an empty result.
    Raises: AssertionError at the deadline, with the last result.
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
