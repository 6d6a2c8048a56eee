"""The server of extrawest-ocpi in one role, with its own handlers, and a store in memory.

    python -m infra.interop.adapters.extrawest_server VERSION PORT ROLE PARTY_ID TOKEN_A TOKEN_C CONTEXT

The library asks its user for a store of objects (`Crud`) and for the tokens that it accepts
(`Authenticator`). Both are here. `/push` is the library's own: it sends one object to a partner's endpoint.
Registration at a node and commands are left to its user too: `/interop/…`, with the library's own models.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from typing import Any

VERSION, PORT, ROLE, PARTY_ID, TOKEN_A, TOKEN_C, CONTEXT = sys.argv[1:8]
os.environ |= {
    "OCPI_HOST": f"127.0.0.1:{PORT}",
    "PROTOCOL": "http",
    "COUNTRY_CODE": "PT",
    "PARTY_ID": PARTY_ID,
    "CI_STRING_LOWERCASE_PREFERENCE": "false",
}

import httpx  # noqa: E402
import uvicorn  # noqa: E402
from py_ocpi import get_application  # noqa: E402
from py_ocpi.core.authentication.authenticator import Authenticator  # noqa: E402
from py_ocpi.core.crud import Crud  # noqa: E402
from py_ocpi.core.enums import ModuleID, RoleEnum  # noqa: E402
from py_ocpi.modules.versions.enums import VersionNumber  # noqa: E402

from infra.interop.adapters import py_ocpi_models, py_ocpi_models_2_1_1  # noqa: E402
from infra.interop.examples import make_example  # noqa: E402

CLASSES = (py_ocpi_models_2_1_1 if VERSION == "2.1.1" else py_ocpi_models).CLASSES
MODULES = ("locations", "tariffs", "sessions", "cdrs", "tokens")
CREDENTIALS = "credentials"


class Store(Crud):  # type: ignore[misc]
    """Objects by module and id. received: what the node has sent, by module."""

    objects: dict[tuple[str, str], Any] = {}
    received: dict[str, int] = {}
    node: dict[str, Any] = {}

    @classmethod
    async def get(cls, module: Any, role: Any, id: Any, *args: Any, **kwargs: Any) -> Any:
        if module == CREDENTIALS:
            return _credentials()
        return cls.objects.get((str(module.value), str(id)))

    @classmethod
    async def list(cls, module: Any, role: Any, filters: Any, *args: Any, **kwargs: Any) -> Any:
        found = [value for (name, _), value in cls.objects.items() if name == module.value]
        return found, len(found), True

    @classmethod
    async def create(cls, module: Any, role: Any, data: Any, *args: Any, **kwargs: Any) -> Any:
        if module == CREDENTIALS:
            cls.node = data
            return _credentials()
        return cls._keep(str(module.value), data)

    @classmethod
    async def update(cls, module: Any, role: Any, data: Any, id: Any, *args: Any, **kwargs: Any) -> Any:
        return cls._keep(str(module.value), data)

    @classmethod
    async def delete(cls, module: Any, role: Any, id: Any, *args: Any, **kwargs: Any) -> None:
        return None

    @classmethod
    async def do(cls, module: Any, role: Any, action: Any, *args: Any, **kwargs: Any) -> Any:
        return {"allowed": "ALLOWED"} if module == "tokens" else {"result": "ACCEPTED", "timeout": 30}

    @classmethod
    def _keep(cls, module: str, data: Any) -> Any:
        cls.received[module] = cls.received.get(module, 0) + 1
        cls.objects[module, f"received-{cls.received[module]}"] = data
        return data


class Tokens(Authenticator):  # type: ignore[misc]
    """The two tokens that the node may use."""

    @classmethod
    async def get_valid_token_c(cls) -> list[str]:
        return [TOKEN_C]

    @classmethod
    async def get_valid_token_a(cls) -> list[str]:
        return [TOKEN_A]


def _credentials() -> dict[str, Any]:
    party = {"business_details": {"name": "extrawest"}, "party_id": PARTY_ID, "country_code": "PT"}
    roles = party if VERSION == "2.1.1" else {"roles": [{"role": ROLE, **party}]}
    return {"token": TOKEN_C, "url": f"http://127.0.0.1:{PORT}/ocpi/versions", **roles}


async def _register(versions_url: str, token: str) -> dict[str, Any]:
    """Register at a node with its token A; returns the node's envelope."""
    versions = await _call("GET", versions_url, token)
    details_url = next(each["url"] for each in versions["data"] if each["version"] == VERSION)
    details = await _call("GET", details_url, token)
    answer = await _call("POST", _url_of(details["data"], "credentials"), token, _credentials())
    Store.node = {"credentials": answer.get("data"), "endpoints": details["data"]}
    return answer


async def _command(name: str) -> dict[str, Any]:
    """Send a command to the node; its result is posted to this server. Returns the node's envelope."""
    ids = {**json.loads(CONTEXT), "response_url": f"http://127.0.0.1:{PORT}/ocpi/emsp/{VERSION}/commands/1"}
    body = json.loads(CLASSES[name](**make_example(CLASSES[name].schema(), ids, True)).json())
    url = f"{_url_of(Store.node['endpoints'], 'commands')}/{name}"
    return await _call("POST", url, Store.node["credentials"]["token"], body)


def _url_of(details: dict[str, Any], module: str) -> str:
    return str(next(each["url"] for each in details["endpoints"] if each["identifier"] == module)).rstrip("/")


async def _call(method: str, url: str, token: str, body: object = None) -> dict[str, Any]:
    sent = token if VERSION == "2.1.1" else base64.b64encode(token.encode()).decode()
    async with httpx.AsyncClient() as client:
        answer = await client.request(method, url, headers={"Authorization": f"Token {sent}"}, json=body)
    return {"status_code": 0, **answer.json()}


def main() -> None:
    """Serve until the process is ended."""
    context = json.loads(CONTEXT)
    for module in MODULES:
        for number, variant in enumerate(("required", "all"), 1):
            ids = {"id": f"{module[:1].upper()}{number}", "uid": f"U{number}", **context}
            example = make_example(CLASSES[module].schema(), ids, variant == "required")
            Store.objects[module, example.get("id") or example["uid"]] = example
    app = get_application(
        version_numbers=[VersionNumber(VERSION)],
        roles=[RoleEnum(ROLE)],
        crud=Store,
        modules=[*map(ModuleID, MODULES), ModuleID.credentials_and_registration, ModuleID.commands],
        authenticator=Tokens,
        http_push=True,
    )

    @app.get("/interop")  # type: ignore[untyped-decorator]
    async def state() -> dict[str, Any]:
        return {"received": Store.received, "node": Store.node}

    @app.post("/interop/register")  # type: ignore[untyped-decorator]
    async def register(body: dict[str, str]) -> dict[str, Any]:
        return await _register(**body)

    @app.post("/interop/command/{name}")  # type: ignore[untyped-decorator]
    async def command(name: str) -> dict[str, Any]:
        return await _command(name)

    uvicorn.run(app, host="127.0.0.1", port=int(PORT), log_level="warning")


if __name__ == "__main__":
    main()
