"""Settings of the API's stage: its access log and its throttling.

*Access log.* One JSON line per request with the route, without the path and the query, because they carry ids
of drivers' tokens, and without headers, because they carry partners' tokens. Writing the log needs a role in
the account, which is made once for all stages (`account.yaml`).

*Throttling.* It limits the whole API, so that a partner in a loop, or an attacker, does not use up the
account's concurrency. Twenty thousand charge points with one status a minute make 330 requests a second. A
throttled request is answered with 429 in an envelope (`gateway_responses.py`); OCPI partners treat that as a
fault and retry.
"""

from __future__ import annotations

import json

RATE = 500
"""Requests per second."""

BURST = 1000
"""Requests at once."""

LOG_FORMAT = json.dumps(
    {
        "time": "$context.requestTimeEpoch",
        "request_id": "$context.requestId",
        "method": "$context.httpMethod",
        "route": "$context.resourcePath",
        "status": "$context.status",
        "answered_by": "$context.error.responseType",
        "milliseconds": "$context.responseLatency",
        "function_milliseconds": "$context.integrationLatency",
        "bytes": "$context.responseLength",
        "address": "$context.identity.sourceIp",
    }
)
"""`answered_by` is "-" unless the gateway itself answered."""
