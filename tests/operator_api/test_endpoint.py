"""Requests to the operator API: authentication, and the headers and errors of every answer."""

from __future__ import annotations

import re
from typing import Any

import pytest

from chalicelib.node import Node
from chalicelib.operator_api import endpoint
from chalicelib.operator_api.keys import add_operator_key
from chalicelib.protocol.json_text import read_json
from chalicelib.protocol.message import Reply, Request
from chalicelib.release import RELEASE
from chalicelib.routes import Route
from tests.logged import Logged
from tests.logged import logged as logged
from tests.operator_api.caller import KEY, OperatorApi
from tests.operator_api.objects import tariff


@pytest.mark.parametrize("key", [None, "not-a-key-of-this-node", "", "x"])
def test_a_request_without_a_valid_key_is_unauthorized(cpo: OperatorApi, key: str | None) -> None:
    answer = cpo.call("GET", "/partners", key=key)

    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["title"] == "Unauthorized"


def test_a_partners_token_is_not_valid_as_an_operator_key(cpo: OperatorApi) -> None:
    token = cpo.ask("POST", "/partners/invitations", {"name": "Hub"})["token"]

    assert cpo.call("GET", "/partners", key=token).status == 401


def test_without_a_valid_key_an_unknown_method_and_a_bad_body_are_unauthorized_too(cpo: OperatorApi) -> None:
    assert cpo.call("DELETE", "/tariffs", key=None).status == 401
    assert cpo.call("PUT", "/tariffs/T1", "{", key=None).status == 401
    assert cpo.call("GET", "/tariffs?limit=0", key=None).status == 401


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/partners", "GET"),
        ("GET", "/partners/invitations", "POST"),
        ("PUT", "/partners/P1", "DELETE, GET, PATCH"),
        ("POST", "/tariffs", "GET"),
        ("POST", "/tariffs/T1", "DELETE, GET, PATCH, PUT"),
        ("DELETE", "/locations/L1", "GET, PATCH, PUT"),
        ("DELETE", "/locations/L1/E1/1", "GET, PATCH, PUT"),
        ("GET", "/location-ids", "POST"),
        ("POST", "/broadcasts", "GET"),
    ],
)
def test_an_unsupported_method_is_refused_with_the_supported_ones(
    cpo: OperatorApi, method: str, path: str, allowed: str
) -> None:
    answer = cpo.call(method, path)

    assert answer.status == 405
    assert answer.headers["Allow"] == allowed


def test_request_and_correlation_id_are_echoed_on_success_and_on_error(cpo: OperatorApi) -> None:
    for path in ("/partners", "/partners/nobody"):
        answer = cpo.call("GET", path, headers={"x-request-id": "mine-1"})

        assert answer.headers["X-Request-ID"] == "mine-1"
        assert answer.headers["X-Correlation-ID"] == "correlation-1"
        assert answer.headers["Cache-Control"] == "no-store"


def test_a_body_above_a_megabyte_is_refused(cpo: OperatorApi) -> None:
    answer = cpo.call("PUT", "/tariffs/T1", tariff(padding="x" * (2 * 1024 * 1024)))

    assert answer.status == 413
    assert answer.json["title"]


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/xml"]
)
def test_a_body_without_a_json_content_type_is_refused(cpo: OperatorApi, content_type: str) -> None:
    assert cpo.call("PUT", "/tariffs/T1", tariff(), headers={"content-type": content_type}).status == 415


def test_an_unexpected_failure_is_answered_without_details(
    cpo: OperatorApi, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(call: Any) -> Reply:
        raise KeyError("a secret of the inside")

    status, headers, body = _serve(cpo.node, fail)

    assert status == 500
    assert headers["Content-Type"] == "application/problem+json"
    assert "secret" not in body
    assert "Traceback" not in body


def test_a_reply_without_data_has_no_body(cpo: OperatorApi) -> None:
    status, headers, body = _serve(cpo.node, lambda call: Reply(http_status=204))

    assert (status, body) == (204, "")
    assert "Content-Type" not in headers


def test_an_answer_too_large_for_lambda_is_an_error_and_raises_an_alarm(
    cpo: OperatorApi, logged: Logged
) -> None:
    status, headers, body = _serve(cpo.node, lambda call: Reply(data="ä" * 1_100_000))

    assert (status, headers["Content-Type"]) == (500, "application/problem+json")
    assert "too large" in read_json(body)["detail"]
    assert [line["asked"] for line in logged.measured("AnswersTooLarge")] == ["/x"]
    assert "Traceback" not in logged.text


def test_an_object_too_large_for_its_list_raises_an_alarm(cpo: OperatorApi, logged: Logged) -> None:
    _serve(cpo.node, lambda call: Reply(data=[], too_large=(("tariffs#PT*ABC#T-1", 7_000_000),)))

    assert [line["size"] for line in logged.measured("AnswersTooLarge")] == [7_000_000]


def _serve(node: Node, handler: Any) -> endpoint.Served:
    add_operator_key(node, "tests", KEY)
    request = Request(
        method="GET",
        url="https://cpo.example/operator/x",
        base_url="https://cpo.example/ocpi",
        path={},
        query={},
        headers={"authorization": f"Bearer {KEY}"},
        body=None,
        request_id="r",
        correlation_id="c",
    )
    return endpoint.serve(node, {"GET": Route("GET", "/x", handler)}, request)


def test_the_root_shows_the_release_and_the_roles(cpo: OperatorApi) -> None:
    answer = cpo.ask("GET", "")

    assert answer["release"] == RELEASE
    assert re.fullmatch(r"\d+\.\d+\.\d+", RELEASE)
    assert answer["ocpi_versions"] == ["2.2.1", "2.2", "2.1.1"]
    assert answer["roles"] == [{"role": "CPO", "country_code": "PT", "party_id": "ABC"}]
