"""Chalice's calls carry the settings that Chalice does not support."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import botocore.session
import pytest

from infra import event_sources, gateway_responses
from infra.deploy.run_chalice import add_to_calls

DEAD = "arn:aws:sqs:eu-west-1:1:ocpi-node-cpo-changes-dead"


class Aws:
    """An AWS that records the calls."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self._session = botocore.session.Session()
        add_to_calls(self._session, "cpo", DEAD)
        self._session.register("before-call.*.*", self._take)

    def client(self, service: str) -> Any:
        return self._session.create_client(
            service, region_name="eu-west-1", aws_access_key_id="k", aws_secret_access_key="s"
        )

    def _take(self, params: dict[str, Any], **_: Any) -> tuple[Any, dict[str, Any]]:
        self.sent.append(json.loads(params["body"]))
        return SimpleNamespace(status_code=200), {"ResponseMetadata": {"HTTPStatusCode": 200}}


@pytest.mark.parametrize("name", sorted(event_sources.settings(DEAD)))
def test_a_new_event_source_has_its_settings_from_the_start(name: str) -> None:
    aws = Aws()
    asked = {
        "EventSourceArn": "arn:aws:sqs:eu-west-1:000000000000:q",
        "FunctionName": f"arn:aws:lambda:eu-west-1:000000000000:function:ocpi-node-cpo-{name}",
        "BatchSize": 10,
    }

    aws.client("lambda").create_event_source_mapping(**asked)

    assert aws.sent == [{**asked, **event_sources.settings(DEAD)[name]}]


def test_a_deployed_api_always_has_the_gateway_s_own_answers() -> None:
    aws = Aws()
    gateway = aws.client("apigateway")

    gateway.import_rest_api(body='{"swagger": "2.0"}', parameters={"endpointConfigurationTypes": "REGIONAL"})
    gateway.put_rest_api(restApiId="1", mode="overwrite", body='{"swagger": "2.0"}')

    assert aws.sent == 2 * [
        {
            "swagger": "2.0",
            "x-amazon-apigateway-gateway-responses": gateway_responses.openapi_extension(),
        }
    ]
