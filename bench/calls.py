"""Our side of the benchmark: times per call of the endpoint alone, and of the whole application.

Two entry points:

- *endpoint*: `chalicelib.endpoint.serve`, with a request object made before;
- *application*: `app.app` as Lambda calls it, from an event of API Gateway (payload version 1) to the
  dictionary that is returned to API Gateway.

`python -m bench.calls REPEATS` prints the times as JSON. It runs in a process of its own, because the node
reads the environment and botocore's connections are replaced.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.embedded_aws import EmbeddedAws, embedded_aws
from bench.timing import WARM_UP, repetitions, settle, summarise, time_in_fresh_processes
from bench.workload import OPERATIONS, Call, stored_before

ROOT = Path(__file__).parent.parent
INCLUDES = (
    "knowing the caller, routing, validation, the conditional writes with their counters, all that botocore "
    "does but its connection (serialise, sign, parse), the envelope, a log line to /dev/null. Taken off: "
    "what stands in for DynamoDB. Not there: urllib3, TLS, the network. The endpoint alone is given its "
    "request ready made; the application is given API Gateway's event and pays for Chalice as well"
)


def main() -> None:
    """Measure and print the times as JSON."""
    print(json.dumps(measure(int(sys.argv[1]))))


def measure(repeats: int) -> dict[str, Any]:
    """Measure every operation at both entry points, and the import."""
    with embedded_aws() as aws, open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        # The log keeps the standard output that is set at its import.
        from bench.our_node import open_node

        ways = open_node()
        for call in stored_before():
            _check(call, *ways["application"](call)())
        settle()
        # The second entry point continues the times of the first: an older object would be ignored.
        calls = {
            way: _measure_operations(make, aws, repeats, first=1 + number * (WARM_UP + repeats))
            for number, (way, make) in enumerate(ways.items())
        }
    return {
        "includes": INCLUDES,
        **calls,
        "import": time_in_fresh_processes(sys.executable, "import app", repetitions(repeats, 1 / 30), ROOT),
    }


def _measure_operations(make: Any, aws: EmbeddedAws, repeats: int, first: int) -> dict[str, Any]:
    return {
        operation.name: _measure(
            [
                operation.call(first + number)
                for number in range(WARM_UP + repetitions(repeats, operation.share))
            ],
            make,
            aws,
        )
        for operation in OPERATIONS
    }


def _measure(calls: Sequence[Call], make: Any, aws: EmbeddedAws) -> dict[str, Any]:
    seconds, asked = [], set()
    for call in calls:
        send = make(call)
        asked_before, inside_before = aws.calls, aws.seconds
        started = time.thread_time()
        status, body = send()
        seconds.append(time.thread_time() - started - (aws.seconds - inside_before))
        asked.add(aws.calls - asked_before)
        _check(call, status, body)
    if len(asked) != 1:
        raise RuntimeError(f"one operation made {sorted(asked)} calls")
    return {**summarise(seconds[WARM_UP:]), "dynamodb_calls": asked.pop()}


def _check(call: Call, status: int, body: str) -> None:
    if status not in (200, 201) or '"status_code":1000' not in body:
        raise RuntimeError(f"{call.method} {call.interface}{call.path} was answered {status} {body[:300]}")


if __name__ == "__main__":
    main()
