"""The HTTP server of a partner: it passes requests on, and writes OCPI answers or raw bytes."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

from certification.probe_partner import ProbeReply, Received
from infra.chaos.partner_faults import Raw
from infra.local import children

Answer = Callable[[Received], Raw | ProbeReply]


class PartnerServer:
    """Server of one partner on a port of loopback; 0 takes a free port."""

    def __init__(self, answer: Answer, port: int) -> None:
        listener = children.listen(port)
        self.port: int = listener.getsockname()[1]
        self.ended = threading.Event()
        self._http = ThreadingHTTPServer(listener.getsockname(), _handler(answer, self.ended), False)
        self._http.socket.close()
        self._http.socket = listener
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Close the port; open connections end with their next request."""
        self.ended.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def _handler(answer: Answer, ended: threading.Event) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1  # one write per answer
        timeout = 60

        def serve(self) -> None:
            received = self._read()
            if ended.is_set():
                self.close_connection = True
                return
            reply = answer(received)
            if isinstance(reply, ProbeReply):
                self._write(received, reply)
                return
            self.close_connection = True
            ended.wait(reply.hangs_s)
            self.wfile.write(reply.content)

        def _read(self) -> Received:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urlsplit(self.path)
            return Received(
                method=self.command,
                segments=tuple(unquote(part) for part in parts.path.split("/") if part),
                query=dict(parse_qsl(parts.query)),
                headers={name.lower(): value for name, value in self.headers.items()},
                body=json.loads(content, parse_float=Decimal) if content else None,
            )

        def _write(self, received: Received, reply: ProbeReply) -> None:
            body = json.dumps(reply.envelope(), default=float).encode()
            self.send_response(reply.http_status)
            own = {"Content-Type": "application/json", "Content-Length": str(len(body))}
            ids = {
                name: received.headers.get(name.lower(), "") for name in ("X-Request-ID", "X-Correlation-ID")
            }
            for name, value in (own | ids | reply.headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = serve

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing: the partner's record has every arrival."""

        def handle(self) -> None:
            # The node closes the connection when a partner does not answer in time.
            with contextlib.suppress(OSError):
                super().handle()

    return Handler
