"""API Gateway in front of a Chalice app, as a WSGI application.

It turns each HTTP request into the event that API Gateway's REST API (payload version 1) passes to the
function, calls the app, and turns the function's answer into HTTP. It does these things like the real one,
because a partner can see the difference:

* **Paths.** A fixed segment goes before a variable one. One trailing slash is ignored. Paths and methods that
  no resource takes go to `/{proxy+}` (`infra/any_path.py`). Path parameters and `path` keep their
  percent-encoding, so `A%2FB` is one segment and arrives as `A%2FB` (REST APIs preserve it; HTTP APIs would
  decode it); query parameters arrive decoded.
* **Its own answers**, for what reaches no function: `infra/gateway_responses.py`.
* **Limits**: 10 MB for a body; 6 MB for the event and for the answer of a function (Lambda's).

It has no authorizers, CORS, throttling and caching, and does not end a request after 29 seconds, because a
thread cannot be stopped.

The headers of the event are in lower case, as a client over HTTP/2 sends them; the function must accept any
case.
"""

from __future__ import annotations

import base64
import logging
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from chalice.app import Chalice
from chalice.local import LambdaContext

from chalicelib.application import ANY_PATH, NodeApplication
from chalicelib.route_tree import Match, RouteTree
from infra import gateway_responses
from infra.gateway_responses import GatewayResponse

MAX_BODY_BYTES = 10 * 1024 * 1024
MAX_LAMBDA_BYTES = 6 * 1024 * 1024
FUNCTION_SECONDS = 29

Event = dict[str, Any]
Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], object]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HttpAnswer:
    """Answer to the client."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Gateway:
    """The WSGI application. `app` must be safe under threads (`threads.make_thread_safe`)."""

    def __init__(self, app: Chalice) -> None:
        self._app = app
        self._routes = RouteTree(app.routes)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        answer = self._answer(environ)
        length = [("Content-Length", str(len(answer.body)))]
        start_response(f"{answer.status} {_reason(answer.status)}", answer.headers + length)
        return [answer.body]

    def _answer(self, environ: Environ) -> HttpAnswer:
        headers = _read_headers(environ)
        if int(environ.get("CONTENT_LENGTH") or 0) > MAX_BODY_BYTES:
            return _own_answer(gateway_responses.TOO_LARGE, headers)
        path, _, query = environ["REQUEST_URI"].partition("?")
        match = self._match(path, environ["REQUEST_METHOD"])
        if match is None:
            return _own_answer(gateway_responses.UNKNOWN_PATH, headers)
        body = environ["wsgi.input"].read()
        if len(body) > MAX_LAMBDA_BYTES:
            return _own_answer(gateway_responses.TOO_LARGE, headers)
        return self._invoke(self._event(environ, headers, match, query, body), headers)

    def _match(self, path: str, method: str) -> Match | None:
        match = self._routes.find(path)
        if match is not None and method in self._app.routes[match.resource]:
            return match
        if not isinstance(self._app, NodeApplication) or path == "/":
            return None
        return Match(ANY_PATH, {"proxy": path.removeprefix("/")})

    def _event(
        self,
        environ: Environ,
        headers: Mapping[str, str],
        match: Match,
        query: str,
        body: bytes,
    ) -> Event:
        method = environ["REQUEST_METHOD"]
        path = environ["REQUEST_URI"].partition("?")[0]
        now = time.time()
        parameters: dict[str, list[str]] = {}
        for name, value in parse_qsl(query, keep_blank_values=True):
            parameters.setdefault(name, []).append(value)
        media_type = headers.get("content-type", "").partition(";")[0].strip()
        is_binary = media_type in self._app.api.binary_types or not _is_utf_8(body)
        return {
            "resource": match.resource,
            "path": path,
            "httpMethod": method,
            "headers": headers,
            "multiValueHeaders": {name: [value] for name, value in headers.items()},
            "queryStringParameters": {name: values[-1] for name, values in parameters.items()} or None,
            "multiValueQueryStringParameters": parameters or None,
            "pathParameters": match.parameters or None,
            "stageVariables": None,
            "requestContext": {
                "resourceId": "local",
                "resourcePath": match.resource,
                "httpMethod": method,
                "path": path,
                "protocol": environ["SERVER_PROTOCOL"],
                "stage": "local",
                "domainName": headers.get("host", "").partition(":")[0],
                "apiId": "local",
                "accountId": "000000000000",
                "requestId": str(uuid.uuid4()),
                "extendedRequestId": str(uuid.uuid4()),
                "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
                "requestTimeEpoch": int(now * 1000),
                "identity": {
                    "sourceIp": environ.get("REMOTE_ADDR", ""),
                    "userAgent": headers.get("user-agent"),
                },
            },
            "body": _event_body(body, is_binary),
            "isBase64Encoded": bool(body) and is_binary,
        }

    def _invoke(self, event: Event, headers: Mapping[str, str]) -> HttpAnswer:
        context = LambdaContext(self._app.app_name, memory_size=256, max_runtime_ms=FUNCTION_SECONDS * 1000)
        try:
            answer = _read_answer(self._app(event, context))
        except Exception:
            log.exception("the function failed on %s %s", event["httpMethod"], event["path"])
            return _own_answer(gateway_responses.SERVER_FAULT, headers, HTTPStatus.BAD_GATEWAY)
        if len(answer.body) > MAX_LAMBDA_BYTES:
            log.error("the answer to %s %s is larger than 6 MB", event["httpMethod"], event["path"])
            return _own_answer(gateway_responses.SERVER_FAULT, headers, HTTPStatus.BAD_GATEWAY)
        return answer


def _read_headers(environ: Environ) -> dict[str, str]:
    headers = {
        name[5:].replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            headers[name.replace("_", "-").lower()] = environ[name]
    return headers


def _event_body(body: bytes, is_binary: bool) -> str | None:
    if not body:
        return None
    if is_binary:
        return base64.b64encode(body).decode("ascii")
    return body.decode("utf-8")


def _is_utf_8(body: bytes) -> bool:
    """Tell whether bytes can be text in an event."""
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _read_answer(result: Mapping[str, Any]) -> HttpAnswer:
    """Read a function's answer by the rules of a Lambda proxy integration."""
    headers = [(name, str(value)) for name, value in (result.get("headers") or {}).items()]
    for name, values in (result.get("multiValueHeaders") or {}).items():
        headers += [(name, str(value)) for value in values]
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", "application/json"))
    body = result.get("body") or ""
    raw = base64.b64decode(body) if result.get("isBase64Encoded") else body.encode("utf-8")
    return HttpAnswer(result["statusCode"], headers, raw)


def _own_answer(
    response: GatewayResponse, headers: Mapping[str, str], http_status: int | None = None
) -> HttpAnswer:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    echoed = [
        (name, headers[name.lower()]) for name in gateway_responses.ECHOED_HEADERS if name.lower() in headers
    ]
    status = http_status or response.http_status
    assert status is not None, f"{response.type} leaves the status to its caller"
    return HttpAnswer(
        status, [("Content-Type", "application/json"), *echoed], response.envelope(now).encode("utf-8")
    )


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
