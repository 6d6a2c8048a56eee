"""The door itself: who may enter, and what every answer has."""

from __future__ import annotations

import re
from typing import Any

import pytest

from chalicelib.node import Node
from chalicelib.operator_api import door
from chalicelib.operator_api.keys import add_operator_key
from chalicelib.protocol.json_text import read_json
from chalicelib.protocol.message import Reply, Request, Route
from chalicelib.release import RELEASE
from tests.logged import Logged
from tests.logged import logged as logged
from tests.operator_api.caller import KEY, Door
from tests.operator_api.objects import tariff


@pytest.mark.parametrize("key", [None, "not-a-key-of-this-node", "", "x"])
def test_without_a_good_key_nobody_enters(cpo: Door, key: str | None) -> None:
    answer = cpo.call("GET", "/partners", key=key)

    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["title"] == "Unauthorized"


def test_a_partners_token_opens_no_operators_door(cpo: Door) -> None:
    token = cpo.ask("POST", "/partners/invitations", {"name": "Hub"})["token"]

    assert cpo.call("GET", "/partners", key=token).status == 401


def test_a_stranger_learns_nothing_of_methods_and_bodies(cpo: Door) -> None:
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
def test_a_method_that_is_not_offered_is_refused_with_those_that_are(
    cpo: Door, method: str, path: str, allowed: str
) -> None:
    answer = cpo.call(method, path)

    assert answer.status == 405
    assert answer.headers["Allow"] == allowed


def test_both_message_ids_are_echoed_on_success_and_on_refusal(cpo: Door) -> None:
    for path in ("/partners", "/partners/nobody"):
        answer = cpo.call("GET", path, headers={"x-request-id": "mine-1"})

        assert answer.headers["X-Request-ID"] == "mine-1"
        assert answer.headers["X-Correlation-ID"] == "correlation-1"
        assert answer.headers["Cache-Control"] == "no-store"


def test_a_body_above_a_megabyte_is_refused(cpo: Door) -> None:
    answer = cpo.call("PUT", "/tariffs/T1", tariff(padding="x" * (2 * 1024 * 1024)))

    assert answer.status == 413
    assert answer.json["title"]


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/xml"]
)
def test_a_body_that_is_not_announced_as_json_is_refused(cpo: Door, content_type: str) -> None:
    assert cpo.call("PUT", "/tariffs/T1", tariff(), headers={"content-type": content_type}).status == 415


def test_an_unforeseen_failure_tells_nothing(cpo: Door, caplog: pytest.LogCaptureFixture) -> None:
    def fail(node: Node, request: Request) -> Reply:
        raise KeyError("a secret of the inside")

    status, headers, body = _serve(cpo.node, fail)

    assert status == 500
    assert headers["Content-Type"] == "application/problem+json"
    assert "secret" not in body
    assert "Traceback" not in body


def test_a_reply_without_data_has_no_body(cpo: Door) -> None:
    status, headers, body = _serve(cpo.node, lambda node, request: Reply(http_status=204))

    assert (status, body) == (204, "")
    assert "Content-Type" not in headers


def test_an_answer_that_lambda_cannot_send_is_a_problem_and_an_alarm(cpo: Door, logged: Logged) -> None:
    status, headers, body = _serve(cpo.node, lambda node, request: Reply(data="ä" * 1_100_000))

    assert (status, headers["Content-Type"]) == (500, "application/problem+json")
    assert "too large" in read_json(body)["detail"]
    assert [line["asked"] for line in logged.measured("AnswersTooLarge")] == ["/x"]
    assert "Traceback" not in logged.text


def test_an_object_that_a_list_left_out_is_an_alarm(cpo: Door, logged: Logged) -> None:
    _serve(cpo.node, lambda node, request: Reply(data=[], too_large=(("tariffs#PT*ABC#T-1", 7_000_000),)))

    assert [line["size"] for line in logged.measured("AnswersTooLarge")] == [7_000_000]


def _serve(node: Node, handler: Any) -> door.Served:
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
    return door.serve(node, {"GET": Route("GET", "/x", handler)}, request)


def test_the_root_says_which_release_this_is_and_who(cpo: Door) -> None:
    answer = cpo.ask("GET", "")

    assert answer["release"] == RELEASE
    assert re.fullmatch(r"\d+\.\d+\.\d+", RELEASE)
    assert answer["ocpi_versions"] == ["2.2.1"]
    assert answer["roles"] == [{"role": "CPO", "country_code": "PT", "party_id": "ABC"}]
