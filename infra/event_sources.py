"""Settings of the event sources that Chalice does not support, in one place for both ways to deploy.

*ReportBatchItemFailures.* Our handlers answer with the failed items of a batch. Without this setting Lambda
ignores the answer and deletes, or skips, the failed items.

*The filter.* Most records of the stream need no handler: counters, delivery rows, claims, items beside a
session. Lambda does not invoke the function, nor bill, for a record that the filter rejects. It accepts the
main items, the EVSEs and the partners, which `pushing/outbox.py`, `modules/cdrs/session_changes.py` and
`modules/reconciliation/noted_cdrs.py` use, and deleted expiry items, by which `expiry.py` finds the objects
to delete. A test compares filter and code. The local reader passes on every record, and the code skips the
rest.

*The stream is the outbox*, so a batch is retried for as long as the stream keeps its records (24 hours), and
split into halves, so that a record that kills the function is alone in the end. An hour before the records
are gone, the batch is given up and its position goes to the dead-letter queue: that raises an alarm, and the
records can still be read.

*Concurrency.* A burst of pushes must leave part of the account's concurrency (usually 1,000) to the API. How
many workers the live pushes have is a variable of the stage (OCPI_PUSH_WORKERS), which `app.py` tells
Chalice. The catch-up queue has few workers, because a receiver can be overrun as well: five workers, each
with two pushes to one partner at a time, send it fifty thousand objects in about 25 minutes at 0.3 s each.
Nobody waits for the background queue, so it has few workers, too.

*Loops.* Lambda stops a function that its own messages have invoked sixteen times in a row, because most such
loops are mistakes. Ours are intended and each ends: catch-up goes in steps, and each step queues the next one
(`catch_up.py`); a command is sent to the CSMS until its deadline (`worker.py`); a pull goes on page by page
(`pulling/`).

The names are those of Lambda's API, which SAM shares.
"""

from __future__ import annotations

import json
from typing import Any

from chalicelib.modules.registry import pushed_modules
from chalicelib.queues import BACKGROUND_WORKERS, CATCH_UP_WORKERS
from chalicelib.storage.expiry import SHADOW

FILTERS = (
    {
        "dynamodb": {
            "Keys": {
                "pk": {"S": [{"prefix": f"{module}#"} for module in pushed_modules()]},
                "sk": {"S": ["#", {"prefix": "E#"}]},
            }
        }
    },
    {"dynamodb": {"Keys": {"pk": {"S": ["partners"]}}}},
    {"eventName": ["REMOVE"], "dynamodb": {"Keys": {"sk": {"S": [SHADOW]}}}},
)
"""A record passes if one of them matches."""

LONGEST_S = 23 * 3600

LOOPING = ("push_catch_up", "run_commands", "run_background")
"""Functions that send messages to the queue that invokes them, without a limit."""

_PARTIAL = {"FunctionResponseTypes": ["ReportBatchItemFailures"]}
_COMMANDS = {**_PARTIAL, "ScalingConfig": {"MaximumConcurrency": 50}}
_CATCH_UP = {**_PARTIAL, "ScalingConfig": {"MaximumConcurrency": CATCH_UP_WORKERS}}
_BACKGROUND = {**_PARTIAL, "ScalingConfig": {"MaximumConcurrency": BACKGROUND_WORKERS}}
_STREAM = {
    **_PARTIAL,
    "FilterCriteria": {"Filters": [{"Pattern": json.dumps(pattern)} for pattern in FILTERS]},
    "BisectBatchOnFunctionError": True,
    "MaximumRetryAttempts": -1,
    "MaximumRecordAgeInSeconds": LONGEST_S,
}


def settings(changes_dead: Any) -> dict[str, dict[str, Any]]:
    """The settings of each event source, by the function that it invokes.

    changes_dead: the ARN of the dead-letter queue for batches of the stream, in any form that the caller
    needs.
    """
    return {
        "stream_changes": {**_STREAM, "DestinationConfig": {"OnFailure": {"Destination": changes_dead}}},
        "push_broadcasts": dict(_PARTIAL),
        "push_catch_up": dict(_CATCH_UP),
        "run_commands": dict(_COMMANDS),
        "run_background": dict(_BACKGROUND),
    }
