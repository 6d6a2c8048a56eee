"""API Gateway's own answers, as OCPI envelopes.

The gateway itself answers a request that reaches no function (unknown path, undeclared method, body too
large, a crashed function), by default with `{"message": ...}`, and with 403 for an unknown path. A partner's
parser expects an envelope on every answer, and 404 for an unknown path. The deployed gateway is set to these
answers, and the local one (`infra/local/gateway.py`) gives the same.

API Gateway reports an unknown path in two ways: as MISSING_AUTHENTICATION_TOKEN, or, when the request has an
Authorization header that is not an AWS signature (an OCPI one never is), as INVALID_SIGNATURE.

Source: OCPI 2.2.1 transport_and_format_response_format, status_codes; TRN-16, TRN-18, STA-03
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class GatewayResponse:
    """One of the gateway's own answers. `type` is API Gateway's name for the case."""

    type: str
    http_status: int | None
    """None keeps API Gateway's own status."""
    status_code: int
    status_message: str

    def envelope(self, timestamp: str) -> str:
        """Write the answer's body."""
        return json.dumps(
            {
                "status_code": self.status_code,
                "status_message": self.status_message,
                "timestamp": timestamp,
            }
        )


UNKNOWN_PATH = GatewayResponse("MISSING_AUTHENTICATION_TOKEN", 404, 2001, "no such path or method")
BAD_SIGNATURE = GatewayResponse("INVALID_SIGNATURE", 404, 2001, "no such path or method")
TOO_LARGE = GatewayResponse("REQUEST_TOO_LARGE", 413, 2001, "the body is larger than 10 MB")
THROTTLED = GatewayResponse("THROTTLED", 429, 2000, "too many requests")
TIMED_OUT = GatewayResponse("INTEGRATION_TIMEOUT", 504, 3000, "no answer in time")
CLIENT_FAULT = GatewayResponse("DEFAULT_4XX", None, 2000, "the request was refused")
SERVER_FAULT = GatewayResponse("DEFAULT_5XX", None, 3000, "the server failed to answer")

ALL = (UNKNOWN_PATH, BAD_SIGNATURE, TOO_LARGE, THROTTLED, TIMED_OUT, CLIENT_FAULT, SERVER_FAULT)

ECHOED_HEADERS = ("X-Request-ID", "X-Correlation-ID")

# Spec: an envelope needs a timestamp in RFC 3339. A gateway response can insert variables only, and
# none of them has that form ($context.requestTime is in the Common Log Format). So the deployed
# answers carry a fixed, valid, obviously unreal time; HTTP's own Date header is correct.
FIXED_TIMESTAMP = "1970-01-01T00:00:00Z"


def openapi_extension() -> dict[str, dict[str, Any]]:
    """Describe the answers as `x-amazon-apigateway-gateway-responses`, by type.

    They are part of the API's own description, so every deployment of the API has them.
    """
    return {response.type: _described(response) for response in ALL}


def _described(response: GatewayResponse) -> dict[str, Any]:
    status = {} if response.http_status is None else {"statusCode": str(response.http_status)}
    return {
        **status,
        "responseParameters": {
            f"gatewayresponse.header.{name}": f"method.request.header.{name}" for name in ECHOED_HEADERS
        },
        "responseTemplates": {"application/json": response.envelope(FIXED_TIMESTAMP)},
    }
