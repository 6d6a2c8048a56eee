"""The peer's side of the benchmark: extrawest-ocpi, called as an ASGI application, over a dictionary.

Runs in the peer's own environment: it imports the peer and the workload only. The peer's application does all
of its usual work (two middlewares, FastAPI's dependencies, validation, an answer with the whole object). Its
Crud is a dictionary and its Authenticator accepts one token, so it has no database. The calls use ASGI
directly in one event loop, without a server or a TestClient: the fastest entry point.

`python -m bench.peer_calls REPEATS` prints the times as JSON.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.timing import WARM_UP, repetitions, settle, summarise, time_in_fresh_processes
from bench.workload import COUNTRY_CODE, OPERATIONS, PARTY_ID, TOKEN, Call, stored_before

ROOT = Path(__file__).parent.parent
INCLUDES = (
    "Starlette's middlewares and FastAPI's routing and dependencies, validation, the answer, a log line to "
    "/dev/null; called as ASGI without a server. Its store is a dictionary in memory: no database client"
)
HEADERS = {
    "authorization": f"Token {base64.b64encode(TOKEN.encode()).decode()}",
    "content-type": "application/json",
    "x-request-id": "7a3f0f5e-6b0c-4f57-9d0e-0d5f3a4c8b11",
    "x-correlation-id": "1c8f6a52-91c7-4a0b-8a8f-2f7f5d6e9c22",
    "ocpi-from-country-code": COUNTRY_CODE,
    "ocpi-from-party-id": PARTY_ID,
    "ocpi-to-country-code": COUNTRY_CODE,
    "ocpi-to-party-id": "MOB",
}
PREFIXES = {
    "": "/ocpi/versions",
    "receiver/locations": "/ocpi/emsp/2.2.1/locations",
    "receiver/tariffs": "/ocpi/emsp/2.2.1/tariffs",
    "sender/locations": "/ocpi/cpo/2.2.1/locations/",
}


def make_application() -> Any:
    """Make the peer's application, with the modules that we have, in both roles."""
    from py_ocpi import get_application
    from py_ocpi.core.authentication.authenticator import Authenticator
    from py_ocpi.core.crud import Crud
    from py_ocpi.core.enums import ModuleID, RoleEnum
    from py_ocpi.modules.versions.enums import VersionNumber

    objects: dict[Any, dict[str, Any]] = {ModuleID.locations: {}, ModuleID.tariffs: {}}

    class Dictionary(Crud):
        @classmethod
        async def get(cls, module: Any, role: Any, id: Any, *args: Any, **kwargs: Any) -> Any:
            return objects[module].get(id)

        @classmethod
        async def list(cls, module: Any, role: Any, filters: Any, *args: Any, **kwargs: Any) -> Any:
            start, end = filters["offset"], filters["offset"] + filters["limit"]
            found = list_of(objects[module])
            return found[start:end], len(found), end >= len(found)

        @classmethod
        async def create(cls, module: Any, role: Any, data: Any, *args: Any, **kwargs: Any) -> Any:
            objects[module][data["id"]] = data
            return data

        @classmethod
        async def update(cls, module: Any, role: Any, data: Any, id: Any, *args: Any, **kwargs: Any) -> Any:
            objects[module][id] = data
            return data

        @classmethod
        async def delete(cls, module: Any, role: Any, id: Any, *args: Any, **kwargs: Any) -> None:
            del objects[module][id]

        @classmethod
        async def do(cls, *args: Any, **kwargs: Any) -> None:
            raise NotImplementedError

    class OneToken(Authenticator):
        @classmethod
        async def get_valid_token_c(cls) -> list[str]:
            return [TOKEN]

        @classmethod
        async def get_valid_token_a(cls) -> list[str]:
            return []

    return get_application(
        version_numbers=[VersionNumber.v_2_2_1],
        roles=[RoleEnum.cpo, RoleEnum.emsp],
        crud=Dictionary,
        modules=[ModuleID.credentials_and_registration, ModuleID.locations, ModuleID.tariffs],
        authenticator=OneToken,
    )


def list_of(stored: dict[Any, Any]) -> list[Any]:
    """The values of a dictionary, in the order of their insertion."""
    return list(stored.values())


def main() -> None:
    """Measure and print the times as JSON."""
    repeats = int(sys.argv[1])
    with open(os.devnull, "w") as nowhere:
        # Its log keeps the standard error output that is set at its import.
        with contextlib.redirect_stderr(nowhere):
            application = make_application()
        calls = asyncio.run(_measure_operations(application, repeats))
    statement = "from bench.peer_calls import make_application; make_application()"
    imported = time_in_fresh_processes(sys.executable, statement, repetitions(repeats, 1 / 30), ROOT)
    print(json.dumps({"includes": INCLUDES, "application": calls, "import": imported}))


async def _measure_operations(application: Any, repeats: int) -> dict[str, Any]:
    for call in stored_before():
        await _measure(application, [call])
    settle()
    return {
        operation.name: await _measure(
            application,
            [operation.call(1 + number) for number in range(WARM_UP + repetitions(repeats, operation.share))],
        )
        for operation in OPERATIONS
    }


async def _measure(application: Any, calls: Sequence[Call]) -> dict[str, Any]:
    seconds = []
    for call in calls:
        scope, body = _scope(call), (call.body or "").encode()
        sent: list[dict[str, Any]] = []
        coming = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive(coming: list[dict[str, Any]] = coming) -> dict[str, Any]:
            if coming:
                return coming.pop()
            await asyncio.sleep(3600)  # the client stays connected
            return {"type": "http.disconnect"}

        async def send(message: Any, sent: list[dict[str, Any]] = sent) -> None:
            sent.append(message)

        started = time.thread_time()
        await application(scope, receive, send)
        seconds.append(time.thread_time() - started)
        _check(call, sent)
    return summarise(seconds[WARM_UP:] or seconds)


def _scope(call: Call) -> dict[str, Any]:
    path = PREFIXES[call.interface] + call.path
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": call.method,
        "scheme": "https",
        "path": path,
        "raw_path": path.encode(),
        "query_string": call.query.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in HEADERS.items()],
        "client": ("127.0.0.1", 50000),
        "server": ("hub.example", 443),
    }


def _check(call: Call, sent: list[dict[str, Any]]) -> None:
    status = sent[0]["status"]
    body = b"".join(message.get("body", b"") for message in sent).decode()
    if status not in (200, 201) or '"status_code":1000' not in body:
        raise RuntimeError(f"{call.method} {call.interface}{call.path} was answered {status} {body[:300]}")


if __name__ == "__main__":
    main()
