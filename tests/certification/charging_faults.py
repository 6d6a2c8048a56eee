"""Faults for the negative controls of chapters 4 to 6: tokens, commands and sessions."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from tests.certification.faults import change_body, change_headers, change_json, is_at
from tests.certification.faulty_proxy import Fault, FaultyProxy, Request, Response

ASKED_AT_OPERATOR_API = r"/operator/tokens/[^/]+/authorize$"
ASKED_AT_HUB = r"/sender/tokens/[^/]+/authorize$"
COMMAND_AT_OPERATOR_API = r"/operator/commands/[^/]+$"
COMMANDS_AT_OPERATOR_API = r"/operator/commands$"
COMMAND = r"/receiver/commands/[A-Z_]+$"
RESULT = r"/sender/commands/"
SESSION_AT_OPERATOR_API = r"/operator/sessions/[^/]+$"
SESSION = r"/receiver/sessions/"
SESSIONS = r"/sender/sessions/?$"


def operator_api_answers(method: str, path: str, when: int, status: int, document: object = None) -> Fault:
    """In an operator API: replace answers with HTTP status `when`."""
    body = json.dumps({} if document is None else document).encode()

    def after(request: Request, response: Response) -> Response:
        if is_at(request, method, path) and response.status == when:
            return Response(status, {"content-type": "application/json"}, body)
        return response

    return Fault(after=after)


def answer_from_cache(method: str, path: str) -> Fault:
    """Ask the node once for each path, and repeat that answer from then on."""
    known: dict[str, Response] = {}

    def before(request: Request) -> Request | Response:
        return known.get(request.path, request) if is_at(request, method, path) else request

    def after(request: Request, response: Response) -> Response:
        if is_at(request, method, path) and response.status < 400:
            known[request.path] = response
        return response

    return Fault(before, after)


def forget_type(method: str, path: str) -> Fault:
    """Ignore the type of a token, so that it counts as RFID."""

    def before(request: Request) -> Request:
        if is_at(request, method, path):
            return replace(request, path=urlsplit(request.path).path)
        return request

    return Fault(before=before)


def force_type(method: str, path: str, token_type: str) -> Fault:
    """Treat every token as one of this type."""

    def before(request: Request) -> Request:
        if is_at(request, method, path):
            return replace(request, path=f"{urlsplit(request.path).path}?type={token_type}")
        return request

    return Fault(before=before)


def set_field(method: str, path: str, name: str, value: object, when: object = ...) -> Fault:
    """In a node's answer: set a field, or only where it has the value `when`; None removes it.

    name: a dotted path, such as `data.allowed`.
    """

    def change(_: Request, document: Any) -> Any:
        *parents, last = name.split(".")
        target = document
        for parent in parents:
            target = (target or {}).get(parent)
        if target is not None and last in target and when in (..., target[last]):
            if value is None:
                del target[last]
            else:
                target[last] = value
        return document

    return change_json(method, path, change)


def change_request_header(method: str, path: str, **values: str) -> Fault:
    """In front of the probe: change request headers; `_` stands for `-`."""
    changed = {name.replace("_", "-"): value for name, value in values.items()}

    def before(request: Request) -> Request:
        if is_at(request, method, path):
            return replace(request, headers={**request.headers, **changed})
        return request

    return Fault(before=before)


def put_into_envelope(path: str) -> Fault:
    """In front of the probe: wrap a result in an envelope."""
    return change_body("POST", path, lambda result: {"data": result, "status_code": 1000})


def deliver_twice(proxy: FaultyProxy, path: str) -> Fault:
    """In front of the probe: deliver every request twice."""

    def before(request: Request) -> Request:
        if is_at(request, "POST", path):
            proxy._forward(request)
        return request

    return Fault(before=before)


def take_repeated_for_new() -> Fault:
    """At the hub: treat a repeated command as a new one."""

    def before(request: Request) -> Request:
        if not is_at(request, "POST", COMMAND):
            return request
        body = json.loads(request.body)
        body["response_url"] += f"/{uuid.uuid4().hex[:6]}"
        headers = {**request.headers, "x-request-id": str(uuid.uuid4())}
        return replace(request, headers=headers, body=json.dumps(body).encode())

    def after(request: Request, response: Response) -> Response:
        given = {"x-request-id": request.headers.get("x-request-id", "")}
        return replace(response, headers={**response.headers, **given})

    return Fault(before, after)


def hide_commands(name: str) -> Fault:
    """At the CPO's operator API: hide the commands of this name."""
    return change_json(
        "GET", COMMANDS_AT_OPERATOR_API, lambda _, rows: [row for row in rows if row["command"] != name]
    )


def report_late_result() -> Fault:
    """In an operator API: replace the TIMEOUT by a late result."""

    def change(_: Request, command: Any) -> Any:
        late = command.pop("late_result", None)
        return {**command, "result": late} if late else command

    return change_json("GET", COMMAND_AT_OPERATOR_API, change)


def freeze_objects(path: str) -> Fault:
    """In an operator API: show each object in its first state for ever."""
    first: dict[str, Any] = {}
    return change_json("GET", path, lambda request, found: first.setdefault(request.path, found))


def change_periods(path: str, change: Callable[[list[Any]], list[Any]], from_patch: int = 0) -> Fault:
    """Show a session with other periods; from_patch: only after that many PATCHes with periods."""
    count = 0

    def before(request: Request) -> Request:
        nonlocal count
        if request.method == "PATCH" and b"charging_periods" in request.body:
            count += 1
        return request

    def shown(_: Request, document: Any) -> Any:
        session = document.get("data", document)
        if count >= from_patch and session.get("charging_periods"):
            session["charging_periods"] = change(session["charging_periods"])
        return document

    return replace(change_json("GET", path, shown), before=before)


def show_others_as_well(path: str) -> Fault:
    """Add a session of another eMSP to the first page of a list, and count it."""

    def is_first(request: Request) -> bool:
        return re.search(r"[?&]offset=[1-9]", request.path) is None

    def add(request: Request, document: Any) -> Any:
        if is_first(request) and document.get("data"):
            document["data"] = [{**document["data"][0], "id": "OF-ANOTHER"}, *document["data"][1:]]
        return document

    return change_json("GET", path, add)


def count_others_as_well(path: str) -> Fault:
    """Count more sessions than are shown."""

    def change(_: Request, headers: dict[str, str]) -> dict[str, str]:
        total = headers.get("x-total-count")
        return {**headers, "x-total-count": str(int(total) + 1)} if total else headers

    return change_headers("GET", path, change)
