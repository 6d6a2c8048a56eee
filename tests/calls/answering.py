"""HTTP server on loopback whose answers a test chooses, good or bad."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any


@dataclass(frozen=True)
class Received:
    """One request as it was received; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class AnsweringPartner:
    """Answers every request by `answer`, and records what it received.

    stopped: set at the end of the test, so that a handler that answers nothing can end.
    """

    port: int = 0
    answer: Callable[[BaseHTTPRequestHandler, Received], None] = lambda handler, request: reply(handler)
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    stopped: Event = field(default_factory=Event)
    server_names: list[str | None] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def url(self, path: str = "", host: str = "127.0.0.1") -> str:
        """http URL on this server."""
        return f"http://{host}:{self.port}{path}"


def reply(
    handler: BaseHTTPRequestHandler,
    document: object = None,
    *,
    http_status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Answer a document as JSON; by default the envelope of a success."""
    body = document if document is not None else {"status_code": 1000, "timestamp": "2026-11-24T10:00:00Z"}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    handler.send_response(http_status)
    handler.send_header("Content-Length", str(len(content)))
    for name, value in (headers or {}).items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(content)


def envelope(data: Any, status_code: int = 1000, **others: Any) -> dict[str, Any]:
    """OCPI envelope around data."""
    return {"data": data, "status_code": status_code, "timestamp": "2026-11-24T10:00:00Z", **others}


@contextmanager
def answering_partner(tls: ssl.SSLContext | None = None) -> Iterator[AnsweringPartner]:
    """Run a server on a free port until the block ends."""
    partner = AnsweringPartner()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            with partner.lock:
                partner.connections += 1

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Received(self.command, self.path, headers, body)
            with partner.lock:
                partner.received.append(request)
            try:
                partner.answer(self, request)
            except OSError:
                self.close_connection = True

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        tls.sni_callback = lambda sock, name, context: partner.server_names.append(name)
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    partner.port = server.server_address[1]
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield partner
    finally:
        partner.stopped.set()
        server.shutdown()
        server.server_close()
