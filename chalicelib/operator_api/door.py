"""The operator's door: what a CPO's own back office uses, in plain JSON over HTTP under `/operator`.

Not OCPI, and on purpose not like it: no envelope, no Base64 token, bodies are the objects themselves,
and the HTTP status says what happened. Whoever writes to it need not have read the specification;
`docs/operator-api.md` is all there is to know.

`serve` is the whole story of a request and knows no web framework. The key is read together with the
items that the route asks for, so that knowing the caller costs no call of its own.

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
from chalicelib.protocol.message import ABSENT, Reply, Request, Route
from chalicelib.protocol.sizes import MAX_BODY_BYTES, fits_answer
from chalicelib.storage.table import Key

Served = tuple[int, dict[str, str], str]
"""HTTP status, headers, body."""


def serve(node: Node, routes: Mapping[str, Route], request: Request) -> Served:
    """Answer one request; routes: the methods of the path that it came to."""
    with log_fields(**_story(request)):
        return _serve(node, routes, request)


def _serve(node: Node, routes: Mapping[str, Route], request: Request) -> Served:
    started = time.perf_counter()
    try:
        request = _admit(node, routes, request)
        served = _write_reply(node, request, routes[request.method].handler(node, request))
    except Exception as error:
        problem = problem_of(error)
        if problem is None or (problem.status == 500 and not isinstance(error, AnswerTooLarge)):
            log.exception("unforeseen failure at the operator's door")
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


def _admit(node: Node, routes: Mapping[str, Route], request: Request) -> Request:
    """Everything that is decided before the handler runs; the request comes back completed."""
    key = read_bearer(request.headers.get("authorization"))
    if key is None:
        raise unauthorized("send the operator's key as `Authorization: Bearer <key>`")
    route = routes.get(request.method)
    wanted, objection = _keys(node, route, request)
    key_item = key_item_of(node, key)
    snapshot = node.table.get_many([key_item, *wanted])
    if key_item not in snapshot:
        raise unauthorized("this key is not known here")
    if route is None:
        raise not_offered(f"{request.method} is not offered here", list(routes))
    if request.body and len(request.body) > MAX_BODY_BYTES:
        raise Problem(413, f"the body is longer than {MAX_BODY_BYTES} bytes")
    if objection is not None:
        raise objection
    return request.with_(snapshot=snapshot)


def _keys(node: Node, route: Route | None, request: Request) -> tuple[list[Key], Exception | None]:
    """What the route wants to have read; its objections wait until the caller is known."""
    if route is None or route.keys is None:
        return [], None
    try:
        return list(route.keys(node, request)), None
    except (OcpiError, Problem) as error:
        return [], error


def _write_reply(node: Node, request: Request, reply: Reply) -> Served:
    """The answer's parts.

    Raises: AnswerTooLarge.
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
    """Both ids as OCPI has them, and no copy of an answer anywhere: an invitation holds a token."""
    return {
        REQUEST_ID: request.request_id,
        CORRELATION_ID: request.correlation_id,
        "Cache-Control": "no-store",
    }


def _story(request: Request) -> dict[str, object]:
    """What every line about a request tells: ids, never a key or a body."""
    return {
        "method": request.method,
        "path": _path_for_log(request),
        "request_id": request.request_id,
        "correlation_id": request.correlation_id,
    }


def _path_for_log(request: Request) -> str:
    """The path without a token's uid, which is a driver's data."""
    path = request.url.partition("/operator")[2]
    return "/tokens/…" if "token_uid" in request.path else path
