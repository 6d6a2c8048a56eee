"""A partner of OCPI 2.1.1, for programs that have models only: it registers, calls a node, and is called.

Tokens are raw, credentials are flat, endpoints have no role, no request has routing headers. It takes every
push, and its lists are empty.

Source: OCPI 2.1.1 transport_and_format, version_information_endpoint, credentials
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

from certification.ocpi import Party, Reply, read_reply
from certification.refuted import Refuted
from certification.web import Web

VERSION = "2.1.1"


class FlatPartner:
    """One party in one role, below a URL of its own while it is entered."""

    def __init__(self, web: Web, role: str, modules: Iterable[str], party: Party) -> None:
        self.party = party
        self.name = f"interop {role} of 2.1.1"
        self._web = web
        self._modules = tuple(modules)
        self._our_token = secrets.token_urlsafe(24)
        self._token = ""
        self._endpoints: dict[str, str] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def register(self, versions_url: str, token: str) -> None:
        """Register at a node. Raises: Refuted when it refuses, or offers no 2.1.1."""
        self._token = token
        versions = self.call("GET", versions_url).data
        urls = [each["url"] for each in _list(versions) if each.get("version") == VERSION]
        if not urls:
            raise Refuted(f"{versions_url}: version {VERSION} is listed")
        details = self.call("GET", urls[0]).object()
        endpoints = _list(details.get("endpoints"))
        self._endpoints = {each["identifier"]: each["url"].rstrip("/") for each in endpoints}
        reply = self.call("POST", self.endpoint("credentials"), self._credentials())
        if not reply.is_success:
            raise Refuted(str(reply))
        self._token = str(reply.object()["token"])

    def leave(self) -> None:
        """End the registration."""
        self.call("DELETE", self.endpoint("credentials"))

    def endpoint(self, module: str, interface: str = "") -> str:
        """Return the node's only endpoint of a module. Raises: Refuted when it is not offered."""
        if module not in self._endpoints:
            raise Refuted(f"the node offers {module}")
        return self._endpoints[module]

    def call(self, method: str, url: str, body: object = None) -> Reply:
        """Send one request with the present token."""
        return read_reply(self._web.send(method, url, {"Authorization": f"Token {self._token}"}, body))

    def answer(self, method: str, path: str, token: str) -> tuple[int, object]:
        """Answer a call of the node: the HTTP status and `data`."""
        if token != f"Token {self._our_token}":
            return 401, None
        match path.strip("/").split("/"):
            case ["versions"]:
                return 200, [{"version": VERSION, "url": f"{self.url}/details"}]
            case ["details"]:
                offered = [{"identifier": each, "url": f"{self.url}/{each}"} for each in self._modules]
                return 200, {"version": VERSION, "endpoints": offered}
            case [_] if method == "GET":
                return 200, []
        return 200, None

    def _credentials(self) -> dict[str, Any]:
        return {
            "token": self._our_token,
            "url": f"{self.url}/versions",
            "business_details": {"name": self.name},
            "party_id": self.party.party_id,
            "country_code": self.party.country_code,
        }


def _list(value: object) -> list[dict[str, str]]:
    return value if isinstance(value, list) else []


def _handler(partner: FlatPartner) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path, token = urlsplit(self.path).path, self.headers.get("Authorization", "")
            status, data = partner.answer(self.command, path, token)
            envelope = {"status_code": 1000 if status == 200 else 2001, "timestamp": "2026-03-01T12:00:00Z"}
            body = json.dumps(envelope | ({} if data is None else {"data": data})).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing."""

    return Handler
