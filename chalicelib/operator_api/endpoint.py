"""The operator API: plain JSON over HTTP under `/operator`, for the operator's own back office.

It is simpler than OCPI on purpose: no envelope, no Base64 token, the bodies are the objects themselves,
and the HTTP status is the result. A client developer needs `docs/operator-api.md` only, and no knowledge
of the OCPI specification.

`serve` handles a request from start to end and is independent of the web framework. It reads the key in
the same DynamoDB call as the items that the route asks for, so authentication needs no extra call.

Source: RFC 9457 for errors (problems.py), RFC 6750 for the key (keys.py), RFC 8288 for pages
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from chalicelib.errors import AnswerTooLarge, OcpiError
from chalicelib.log import log, log_fields
from chalicelib.modules.oversize import log_left_out, log_not_sent
from chalicelib.node import Node
from chalicelib.operator_api.keys import key_item_of, read_bearer
from chalicelib.operator_api.problems import Problem, not_offered, problem_of, unauthorized
from chalicelib.protocol.headers import CORRELATION_ID, REQUEST_ID
from chalicelib.protocol.json_text import write_json
from chalicelib.protocol.message import ABSENT, Reply, Request
from chalicelib.protocol.sizes import MAX_BODY_BYTES, fits_answer
from chalicelib.routes import OperatorCall, OperatorRoute
from chalicelib.storage.table import Key

Served = tuple[int, dict[str, str], str]
"""HTTP status, headers, body."""


def serve(node: Node, routes: Mapping[str, OperatorRoute], request: Request) -> Served:
    """Answer one request; routes: those of the request's path, by HTTP method."""
    with log_fields(**_log_fields(request)):
        return _serve(node, routes, request)


def _serve(node: Node, routes: Mapping[str, OperatorRoute], request: Request) -> Served:
    started = time.perf_counter()
    try:
        call = _admit(node, routes, request)
        served = _write_reply(node, request, routes[request.method].handler(call))
    except Exception as error:
        problem = problem_of(error)
        if problem is None or (problem.status == 500 and not isinstance(error, AnswerTooLarge)):
            log.exception("unexpected failure of an operator API request")
            problem = Problem(500, "something went wrong here; the log has more under this request's id")
        served = _write_problem(problem)
    http_status, headers, body = served
    log.info(
        "operator request",
        extra={
            "http_status": http_status,
            "elapsed_ms": round((time.perf_counter() - started) * 1000, 1),
        },
    )
    return http_status, {**_common_headers(request), **headers}, body


def _admit(node: Node, routes: Mapping[str, OperatorRoute], request: Request) -> OperatorCall:
    """Check the key, the method and the body size, and return the request with the items of its route.

    Raises: Problem with status 401, 405 or 413; the error of the route's `keys` function.
    """
    key = read_bearer(request.headers.get("authorization"))
    if key is None:
        raise unauthorized("send the operator's key as `Authorization: Bearer <key>`")
    key_item = key_item_of(node.directory, key)
    route = routes.get(request.method)
    wanted, key_error = _keys(node, route, request)
    snapshot = node.table.get_many([key_item, *wanted])
    if key_item not in snapshot:
        raise unauthorized("this key is not known here")
    if route is None:
        raise not_offered(f"{request.method} is not offered here", list(routes))
    if request.body and len(request.body) > MAX_BODY_BYTES:
        raise Problem(413, f"the body is longer than {MAX_BODY_BYTES} bytes")
    if key_error is not None:
        raise key_error
    return OperatorCall(node, request, snapshot)


def _keys(node: Node, route: OperatorRoute | None, request: Request) -> tuple[list[Key], Exception | None]:
    """The keys of the items that the route needs, and an error to raise once the caller is authenticated."""
    if route is None or route.keys is None:
        return [], None
    try:
        return list(route.keys(node, request)), None
    except (OcpiError, Problem) as error:
        return [], error


def _write_reply(node: Node, request: Request, reply: Reply) -> Served:
    """The status, headers and body of an answer.

    Raises: AnswerTooLarge when the body is larger than Lambda can return.
    """
    if reply.data is ABSENT:
        return reply.http_status, dict(reply.headers), ""
    log_left_out(node, reply.too_large)
    body = write_json(reply.data)
    if not fits_answer(body):
        log_not_sent(node, _path_for_log(request), len(body))
        raise AnswerTooLarge
    return reply.http_status, {"Content-Type": "application/json", **reply.headers}, body


def _write_problem(problem: Problem) -> Served:
    headers = {"Content-Type": "application/problem+json", **problem.headers}
    return problem.status, headers, write_json(problem.document())


def _common_headers(request: Request) -> dict[str, str]:
    """The two ids in OCPI's headers, and `no-store`, because an invitation holds a token."""
    return {
        REQUEST_ID: request.request_id,
        CORRELATION_ID: request.correlation_id,
        "Cache-Control": "no-store",
    }


def _log_fields(request: Request) -> dict[str, object]:
    """Fields of every log line about a request: ids, without the key and the body."""
    return {
        "method": request.method,
        "path": _path_for_log(request),
        "request_id": request.request_id,
        "correlation_id": request.correlation_id,
    }


def _path_for_log(request: Request) -> str:
    """The path without a token's uid, which is personal data of a driver."""
    path = request.url.partition("/operator")[2]
    return "/tokens/…" if "token_uid" in request.path else path
