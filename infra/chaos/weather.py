"""Decides which call to the embedded AWS fails, and how: drawn from a seed and the call's number.

Single calls fail at a low rate, and often during a storm: a block of calls in a row. A storm lasts longer
than botocore's retries, so an error reaches the node's own code.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from random import Random

STORM_CALLS = 250
"""Number of calls in a row with the same weather: a second or two."""


class Fault(StrEnum):
    """Kind of failure of a call."""

    THROTTLED = "throttled"
    INTERNAL_ERROR = "internal error"
    UNAVAILABLE = "unavailable"
    DROPPED = "dropped"
    """The connection closes before AWS gets the call."""
    ANSWER_LOST = "answer lost"
    """AWS executes the call, and the connection closes before the answer."""
    LATE = "late"
    """AWS executes the call, and the answer comes late."""
    PARTIAL = "partial"
    """A batch is executed for some of its entries."""


_BEFORE = (Fault.THROTTLED, Fault.INTERNAL_ERROR, Fault.UNAVAILABLE, Fault.DROPPED)
_ANY = (*_BEFORE, Fault.ANSWER_LOST, Fault.LATE)
_FAULTS: dict[str, tuple[Fault, ...]] = {
    **dict.fromkeys(("GetItem", "Query", "PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"), _ANY),
    **dict.fromkeys(("BatchGetItem", "BatchWriteItem", "SendMessageBatch"), (*_ANY, Fault.PARTIAL)),
    **dict.fromkeys(("SendMessage", "DeleteMessage", "ChangeMessageVisibilityBatch", "GetRecords"), _ANY),
    # Lambda's own poller repeats a receive with its attempt id and gets the same messages. The local one does
    # not, so a lost answer would only measure the visibility timeout.
    "ReceiveMessage": _BEFORE,
}


@dataclass(frozen=True)
class Weather:
    """Rates at which calls fail.

    rate: share of the calls that fail outside storms. storms: share of the blocks of calls that are storms.
    storm_rate: share of the calls that fail in a storm. duplicates: share of the queue messages that are sent
    again some seconds later, behind newer ones. swallowed: share of the queue messages that are accepted and
    thrown away; AWS never does that, it shows that the harness finds lost changes.
    """

    seed: int = 0
    rate: float = 0.0
    storms: float = 0.0
    storm_rate: float = 0.0
    duplicates: float = 0.0
    swallowed: float = 0.0


CALM = Weather()


def fault_for(weather: Weather, number: int, operation: str) -> Fault | None:
    """Draw the fault of the call with this number; None when it succeeds.

    operation: its name in the AWS API, such as `PutItem`.
    """
    faults = _FAULTS.get(operation)
    if not faults:
        return None
    chance = Random(f"{weather.seed}/call/{number}")
    rate = weather.storm_rate if _is_storm(weather, number // STORM_CALLS) else weather.rate
    return chance.choice(faults) if chance.random() < rate else None


def _is_storm(weather: Weather, block: int) -> bool:
    return Random(f"{weather.seed}/block/{block}").random() < weather.storms
