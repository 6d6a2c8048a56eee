"""Writers that meet: trying again when another change came between, and telling two of them apart.

The pause before a new try is drawn at random from a range that doubles ("full jitter"), so that
writers who met once do not meet again. Twenty tries take seven seconds in the mean, as long as a
caller can be kept waiting.
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
    raise ServerError("other changes keep coming between")


def draw_lot() -> str:
    """Eight random hex digits: they tell apart two writers that a clock cannot."""
    return f"{random.getrandbits(32):08x}"
