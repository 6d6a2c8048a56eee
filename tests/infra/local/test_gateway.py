"""The local gateway makes the events and gives the answers of API Gateway."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from chalice.app import Chalice, Response

from infra.local.gateway import MAX_BODY_BYTES, Gateway
from infra.local.threads import make_thread_safe

ENVELOPE = {"status_code", "status_message", "timestamp"}


class Answer:
    """Answer of a WSGI application."""

    def __init__(self, gateway: Gateway, method: str, uri: str, body: bytes, headers: dict[str, str]) -> None:
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "REQUEST_URI": uri,
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_LENGTH": str(len(body)) if body else "",
            "wsgi.input": io.BytesIO(body),
        }
        for name, value in headers.items():
            key = name.upper().replace("-", "_")
            environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
        self.body = b"".join(gateway(environ, self._start))

    def _start(self, status: str, headers: list[tuple[str, str]]) -> None:
        self.status, self.headers = status, dict(headers)

    def json(self) -> Any:
        return json.loads(self.body)


def call(
    app: Chalice, uri: str, method: str = "GET", body: bytes = b"", headers: dict[str, str] | None = None
) -> Answer:
    return Answer(Gateway(make_thread_safe(app)), method, uri, body, headers or {})


@pytest.fixture
def app() -> Chalice:
    """An app whose view answers with its event."""
    app = Chalice(app_name="mirror")

    @app.route("/mirror/{id}", methods=["GET", "PUT"], content_types=["*/*"])
    def mirror(id: str) -> Response:
        return Response(json.dumps(app.current_request.to_original_event()), headers={"X-Own": "1"})

    @app.route("/huge")
    def huge() -> Response:
        return Response("x" * (6 * 1024 * 1024 + 1))

    return app


def test_the_event_is_that_of_a_rest_api(app: Chalice) -> None:
    headers = {"Host": "node.example:8000", "X-Request-ID": "r-1", "User-Agent": "test"}

    event = call(app, "/mirror/L1?limit=5&x=1&x=2", headers=headers).json()

    assert event["resource"] == "/mirror/{id}"
    assert event["path"] == "/mirror/L1"
    assert event["httpMethod"] == "GET"
    assert event["headers"]["x-request-id"] == "r-1"
    assert event["multiValueQueryStringParameters"] == {"limit": ["5"], "x": ["1", "2"]}
    assert event["queryStringParameters"] == {"limit": "5", "x": "2"}
    assert event["body"] is None and event["isBase64Encoded"] is False
    context = event["requestContext"]
    assert context["resourcePath"] == "/mirror/{id}"
    assert context["httpMethod"] == "GET"
    assert context["domainName"] == "node.example"
    assert context["identity"] == {"sourceIp": "127.0.0.1", "userAgent": "test"}
    assert {"requestId", "stage", "path", "accountId", "apiId", "requestTimeEpoch"} <= set(context)


@pytest.mark.parametrize("encoded", ["A%2FB", "a%20b", "DE*ABC*E1", "%C3%89", "50%25"])
def test_path_parameters_stay_encoded_as_rest_apis_keep_them(app: Chalice, encoded: str) -> None:
    event = call(app, f"/mirror/{encoded}/").json()

    assert event["pathParameters"] == {"id": encoded}
    assert event["path"] == f"/mirror/{encoded}/"


def test_query_parameters_arrive_decoded_and_empty_ones_are_kept(app: Chalice) -> None:
    event = call(app, "/mirror/x?date_from=2026-11-24T10%3A00%3A00Z&a+b=c%20d&empty=").json()

    assert event["queryStringParameters"] == {
        "date_from": "2026-11-24T10:00:00Z",
        "a b": "c d",
        "empty": "",
    }


def test_no_query_and_no_body_are_null(app: Chalice) -> None:
    event = call(app, "/mirror/x?").json()

    assert event["multiValueQueryStringParameters"] is None
    assert event["queryStringParameters"] is None
    assert event["body"] is None


def test_a_body_is_text_and_a_binary_one_is_base64(app: Chalice) -> None:
    text = call(app, "/mirror/x", "PUT", "é".encode(), {"Content-Type": "application/json"}).json()
    binary = call(app, "/mirror/x", "PUT", b"\x00\x01", {"Content-Type": "application/octet-stream"}).json()

    assert (text["body"], text["isBase64Encoded"]) == ("é", False)
    assert (binary["body"], binary["isBase64Encoded"]) == ("AAE=", True)


def test_status_and_headers_come_from_the_function(app: Chalice) -> None:
    answer = call(app, "/mirror/x")

    assert answer.status == "200 OK"
    assert answer.headers["X-Own"] == "1"
    assert answer.headers["Content-Length"] == str(len(answer.body))


@pytest.mark.parametrize(("method", "uri"), [("GET", "/nowhere"), ("DELETE", "/mirror/x"), ("GET", "/")])
def test_an_unknown_path_is_404_in_an_envelope(app: Chalice, method: str, uri: str) -> None:
    # Source: OCPI 2.2.1 transport_and_format_response_format; TRN-16, TRN-18
    ids = {"X-Request-ID": "r-1", "X-Correlation-ID": "c-1", "Authorization": "Token abc"}

    answer = call(app, uri, method, headers=ids)

    assert answer.status == "404 Not Found"
    assert set(answer.json()) == ENVELOPE
    assert answer.json()["status_code"] == 2001
    assert answer.headers["Content-Type"] == "application/json"
    assert (answer.headers["X-Request-ID"], answer.headers["X-Correlation-ID"]) == ("r-1", "c-1")


def test_a_body_larger_than_the_gateway_takes_is_413(app: Chalice) -> None:
    stated = call(app, "/mirror/x", "PUT", headers={"Content-Length": str(MAX_BODY_BYTES + 1)})
    too_much_for_a_function = call(app, "/mirror/x", "PUT", b"x" * (7 * 1024 * 1024))

    for answer in (stated, too_much_for_a_function):
        assert answer.status == "413 Request Entity Too Large"
        assert answer.json()["status_code"] == 2001


def test_a_function_that_crashes_is_502_in_an_envelope(
    app: Chalice, caplog: pytest.LogCaptureFixture
) -> None:
    class Crashing(Chalice):
        def __call__(self, event: Any, context: Any) -> Any:
            raise MemoryError

    app.__class__ = Crashing

    answer = call(app, "/mirror/x")

    assert answer.status == "502 Bad Gateway"
    assert answer.json()["status_code"] == 3000
    assert "the function failed on GET /mirror/x" in caplog.text


def test_an_answer_larger_than_a_function_may_give_is_502(app: Chalice) -> None:
    answer = call(app, "/huge")

    assert answer.status == "502 Bad Gateway"
    assert answer.json()["status_code"] == 3000
