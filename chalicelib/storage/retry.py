"""Retries of conflicting writes, with random pauses.

The pause before a retry is random in a range that doubles each time ("full jitter"), so that two writers
that conflict once do not conflict again. Twenty tries take seven seconds on average, the longest time that a
caller can wait.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

from chalicelib.errors import ServerError

TRIES = 20
_FIRST_S, _LONGEST_S = 0.01, 1.0


def attempts() -> Iterator[int]:
    """Count the tries, from 0, with a pause before each but the first.

    Raises: ServerError when there were too many.
    """
    for attempt in range(TRIES):
        if attempt:
            time.sleep(random.uniform(0, min(_LONGEST_S, _FIRST_S * 2**attempt)))
        yield attempt
    raise ServerError("too many concurrent changes of one object: try again later")


def draw_lot() -> str:
    """Draw eight random hex digits, which distinguish two writers with the same time."""
    return f"{random.getrandbits(32):08x}"
