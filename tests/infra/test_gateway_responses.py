"""The gateway's own answers are envelopes, deployed as well as locally."""

from __future__ import annotations

import json

import pytest

from infra import gateway_responses
from infra.gateway_responses import ALL, GatewayResponse


@pytest.mark.parametrize("response", ALL, ids=lambda response: response.type)
def test_every_answer_is_an_envelope(response: GatewayResponse) -> None:
    envelope = json.loads(response.envelope("2026-11-24T10:00:00Z"))

    # Source: OCPI 2.2.1 transport_and_format_response_format; TRN-16
    assert set(envelope) == {"status_code", "status_message", "timestamp"}
    assert 2000 <= envelope["status_code"] < 4000


def test_an_unknown_path_is_404_with_and_without_a_token() -> None:
    deployed = gateway_responses.openapi_extension()

    statuses = {kind: answer.get("statusCode") for kind, answer in deployed.items()}

    assert statuses["MISSING_AUTHENTICATION_TOKEN"] == "404"
    assert statuses["INVALID_SIGNATURE"] == "404"
    assert statuses["DEFAULT_4XX"] is None


def test_the_deployed_answers_are_envelopes_and_echo_both_message_ids() -> None:
    # Source: OCPI 2.2.1 transport_and_format_unique_message_ids; TRN-18
    for answer in gateway_responses.openapi_extension().values():
        parameters = answer["responseParameters"]
        assert parameters["gatewayresponse.header.X-Request-ID"] == "method.request.header.X-Request-ID"
        assert "gatewayresponse.header.X-Correlation-ID" in parameters
        assert "timestamp" in json.loads(answer["responseTemplates"]["application/json"])
