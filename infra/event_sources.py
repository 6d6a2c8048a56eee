"""What Chalice cannot say about the event sources, once, for both ways to deploy.

*ReportBatchItemFailures.* Our handlers answer with what failed of a batch. Without this setting
Lambda ignores the answer and deletes, or passes over, what failed.

*The filter.* Most of what the stream tells concerns nobody: counters, deliveries, claims, what stands
beside a session. Lambda does not invoke, nor bill, for what the filter leaves out. It lets through the
main items, the EVSEs and the partners, which is what `changes.py` and `ends.py` look at, and the shadows
that went, by which `expiry.py` knows what is to be forgotten; a test holds them together. The local reader
hands over everything, and those pass over the rest.

*The stream is the outbox*, so a batch is tried again for as long as the stream keeps its records (24
hours), and by halves, so that one record that kills the function is alone in the end. An hour before
the records are gone the batch is given up, and where it stands is put with the dead letters:
there it rings a bell, and the records can still be read.

*Concurrency.* A burst of pushes must not use up what the account may run at once, which is 1,000 in an
account of some age, and leave nothing to the API. What may wait has few workers, since a receiver can be
overrun as well: five, each with two pushes to one partner at a time, send it fifty thousand objects in about
25 minutes at 0.3 s each.

*Loops.* Lambda stops a function that a message of its own has led to for the seventeenth time, because most
such loops are mistakes. Ours are none, and each ends: a partner is caught up with step by step, each step
queues the next one (`catch_up.py`), and a command is handed to the CSMS until its deadline (`worker.py`).

The names are those of Lambda's API, which SAM shares.
"""

from __future__ import annotations

import json
from typing import Any

from chalicelib.partners.visibility import PUSHED
from chalicelib.queues import CATCH_UP_WORKERS
from chalicelib.storage.expiry import SHADOW

FILTERS = (
    {
        "dynamodb": {
            "Keys": {
                "pk": {"S": [{"prefix": f"{module}#"} for module in PUSHED]},
                "sk": {"S": ["#", {"prefix": "E#"}]},
            }
        }
    },
    {"dynamodb": {"Keys": {"pk": {"S": ["partners"]}}}},
    {"eventName": ["REMOVE"], "dynamodb": {"Keys": {"sk": {"S": [SHADOW]}}}},
)
"""A record passes when one of them fits."""

LONGEST_S = 23 * 3600

LOOPING = ("push_catch_up", "run_commands")
"""Functions that send messages to the queue that they are fed from, and may do so as often as it takes."""

_PARTIAL = {"FunctionResponseTypes": ["ReportBatchItemFailures"]}
_QUEUE = {**_PARTIAL, "ScalingConfig": {"MaximumConcurrency": 50}}
_CATCH_UP = {**_PARTIAL, "ScalingConfig": {"MaximumConcurrency": CATCH_UP_WORKERS}}
_STREAM = {
    **_PARTIAL,
    "FilterCriteria": {"Filters": [{"Pattern": json.dumps(pattern)} for pattern in FILTERS]},
    "BisectBatchOnFunctionError": True,
    "MaximumRetryAttempts": -1,
    "MaximumRecordAgeInSeconds": LONGEST_S,
}


def settings(changes_dead: Any) -> dict[str, dict[str, Any]]:
    """The settings of each event source, by the function that it feeds.

    changes_dead: the ARN of the queue for batches of the stream that are given up, in whatever way
    the caller says one.
    """
    return {
        "stream_changes": {**_STREAM, "DestinationConfig": {"OnFailure": {"Destination": changes_dead}}},
        "push_broadcasts": dict(_QUEUE),
        "push_catch_up": dict(_CATCH_UP),
        "run_commands": dict(_QUEUE),
    }
