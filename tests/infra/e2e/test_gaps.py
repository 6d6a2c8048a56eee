"""Corrections of ministack, as far as they can be tested without running it."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from ministack.services import apigateway_v1

from infra.e2e import gaps
from infra.e2e.gaps import failed_items_of_stream

STREAM = {"Records": [{"eventSource": "aws:dynamodb"}]}
QUEUE = {"Records": [{"eventSource": "aws:sqs"}]}
FAILED = {"batchItemFailures": [{"itemIdentifier": "1"}]}


def test_failed_items_of_a_stream_are_found() -> None:
    assert failed_items_of_stream(STREAM, FAILED) == [{"itemIdentifier": "1"}]


def test_failed_items_of_a_queue_are_left_to_the_queue() -> None:
    assert failed_items_of_stream(QUEUE, FAILED) == []


def test_other_events_and_answers_have_no_failed_items() -> None:
    assert failed_items_of_stream({"Records": []}, FAILED) == []
    assert failed_items_of_stream([], None) == []
    assert failed_items_of_stream(STREAM, {"batchItemFailures": []}) == []


@pytest.fixture
def repaired(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """API Gateway with its corrections; afterwards as it was."""
    for name in ("_import_rest_api", "_create_rest_api", "_update_rest_api", "handle_request"):
        monkeypatch.setattr(apigateway_v1, name, getattr(apigateway_v1, name))
    gaps.import_descriptions()
    yield
    apigateway_v1.reset()


@pytest.mark.usefixtures("repaired")
def test_a_second_description_replaces_the_first_in_the_same_api() -> None:
    api = _ask("POST", "/restapis", _describe("/old", "400"))["id"]
    _ask("POST", f"/restapis/{api}/deployments", {"stageName": "api"})

    replaced = _ask("PUT", f"/restapis/{api}", _describe("/new/{id}", "401"), {"mode": ["overwrite"]})

    assert replaced["id"] == api
    resources = _ask("GET", f"/restapis/{api}/resources")["item"]
    assert {each["path"]: sorted(each["resourceMethods"]) for each in resources} == {
        "/": [],
        "/new": [],
        "/new/{id}": ["GET"],
    }
    answer = _ask("GET", f"/restapis/{api}/gatewayresponses/DEFAULT_4XX")
    assert answer["statusCode"] == "401"
    assert [each["stageName"] for each in _ask("GET", f"/restapis/{api}/stages")["item"]] == ["api"]
    assert [each["id"] for each in _ask("GET", "/restapis")["item"]] == [api]


@pytest.mark.usefixtures("repaired")
def test_an_unknown_api_gets_no_description() -> None:
    assert _ask("PUT", "/restapis/none", _describe("/", "400"), {"mode": ["overwrite"]}, status=404)
    assert _ask("GET", "/restapis")["item"] == []


@pytest.mark.usefixtures("repaired")
def test_replacing_an_endpoint_type_by_itself_keeps_it_readable() -> None:
    api = _ask("POST", "/restapis", _describe("/", "400"))["id"]
    operation = {"op": "replace", "path": "/endpointConfiguration/types/REGIONAL", "value": "REGIONAL"}

    _ask("PATCH", f"/restapis/{api}", {"patchOperations": [operation]})

    assert _ask("GET", f"/restapis/{api}")["endpointConfiguration"]["types"] == ["REGIONAL"]


def _describe(path: str, answers: str) -> dict[str, Any]:
    integration = {"type": "aws_proxy", "httpMethod": "POST", "uri": "arn:aws:lambda:::f"}
    return {
        "swagger": "2.0",
        "info": {"title": "ocpi-node", "version": "1.0"},
        "paths": {path: {"get": {"x-amazon-apigateway-integration": integration}}},
        gaps.ANSWERS: {"DEFAULT_4XX": {"statusCode": answers}},
    }


def _ask(
    method: str, path: str, body: Any = None, query: dict[str, list[str]] | None = None, status: int = 0
) -> dict[str, Any]:
    content = b"" if body is None else json.dumps(body).encode()
    answer = asyncio.run(apigateway_v1.handle_request(method, path, {}, content, query or {}))
    assert answer[0] == status or (not status and answer[0] < 300), answer
    body: dict[str, Any] = json.loads(answer[2])
    return body
