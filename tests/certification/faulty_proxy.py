"""An HTTP proxy in front of a node or the probe that injects faults.

The certification is useful only if it fails when a behaviour is broken. Nodes that fail on demand do not
exist, so this proxy stands between the runner and a good node. It changes requests on the way in and answers
on the way out, or answers in the node's place. The rest passes unchanged, except that URLs of proxied nodes
lead to their proxies, so that the runner does not bypass them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import urllib3

HOP_BY_HOP = {"connection", "content-length", "transfer-encoding", "host", "keep-alive", "date", "server"}


@dataclass(frozen=True)
class Request:
    """A request on its way in; `path` includes the query, header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Response:
    """An answer on its way out."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Fault:
    """One fault. `before` returns the request to forward, or an answer in the node's place."""

    before: Callable[[Request], Request | Response] = lambda request: request
    after: Callable[[Request, Response], Response] = lambda _, response: response


@dataclass
class FaultyProxy:
    """Forwards to `target`, such as http://127.0.0.1:8000, and applies `faults` in order.

    behind: each proxied URL and the URL of its proxy, shared by all proxies of a test.
    """

    target: str = ""
    faults: Sequence[Fault] = ()
    behind: dict[str, str] = field(default_factory=dict)

    def __enter__(self) -> FaultyProxy:
        self._pool = urllib3.PoolManager(maxsize=20)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._pool.clear()

    def pass_on(self, request: Request) -> Response:
        """Send a request through the faults to the target, and its answer back through them."""
        sent = request
        for fault in self.faults:
            changed = fault.before(sent)
            if isinstance(changed, Response):
                return changed
            sent = changed
        response = self._forward(sent)
        for fault in self.faults:
            response = fault.after(request, response)
        return response

    def _forward(self, request: Request) -> Response:
        answer = self._pool.request(
            request.method,
            self.target + request.path,
            headers={name: value for name, value in request.headers.items() if name not in HOP_BY_HOP},
            body=self._outwards(request.body) or None,
            retries=False,
            redirect=False,
            timeout=35,
        )
        headers = {name.lower(): value for name, value in answer.headers.items()}
        if "link" in headers:
            headers["link"] = self._inwards(headers["link"].encode()).decode()
        return Response(answer.status, headers, self._inwards(answer.data))

    def _inwards(self, text: bytes) -> bytes:
        for target, proxy in self.behind.items():
            text = text.replace(target.encode(), proxy.encode())
        return text

    def _outwards(self, text: bytes) -> bytes:
        for target, proxy in self.behind.items():
            text = text.replace(proxy.encode(), target.encode())
        return text


def _handler(proxy: FaultyProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            response = proxy.pass_on(Request(self.command, self.path, headers, body))
            self.send_response(response.status)
            for name, value in response.headers.items():
                if name not in HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(response.body)))
            self.end_headers()
            self.wfile.write(response.body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = pass_on

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing: a failed test shows the reason."""

    return Handler
