"""How the API's stage is set up: what it logs of a request, and how much it takes.

*Access log.* One JSON line per request with the route, never the path or the query: they carry ids of
drivers' tokens. No header, so no partner's token either. Writing it needs a role in the account, which
is made once for all stages (`account.yaml`).

*Throttling.* Of the whole API, so that a partner that loops, or an attacker, does not use up what the
account may run. Twenty thousand charge points with a status a minute are 330 requests in a second; OCPI
partners take a 429, which is an envelope here (`gateway_responses.py`), as a fault, and try again.
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
"""`answered_by` is "-" unless the gateway answered by itself."""
