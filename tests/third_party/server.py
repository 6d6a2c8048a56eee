"""The HTTP server of a third party: records the requests and sends given answers.

It handles HTTP only; `partner.py` interprets the requests. It records every request before the answer, so
that a test can check the headers, the raw path and the bytes of the body.
"""

from __future__ import annotations

import base64
import binascii
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.third_party.wire import read_json

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class Received:
    """A received request; `target` is the raw path and query, header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    at: float = field(default_factory=time.monotonic)
    module: str = ""
    interface: str = ""
    segments: tuple[str, ...] = ()

    @property
    def document(self) -> Any:
        return read_json(self.body)

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def credentials_token(self) -> str | None:
        """The token, decoded as the specification requires: `Token`, one space, Base64. Source: TRN-03."""
        scheme, _, encoded = self.headers.get("authorization", "").partition(" ")
        if scheme != "Token":
            return None
        try:
            return base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return None

    @property
    def raw_token(self) -> str:
        return self.headers.get("authorization", "").removeprefix("Token ")

    @property
    def sender(self) -> tuple[str | None, str | None]:
        return self.headers.get("ocpi-from-country-code"), self.headers.get("ocpi-from-party-id")

    @property
    def receiver(self) -> tuple[str | None, str | None]:
        return self.headers.get("ocpi-to-country-code"), self.headers.get("ocpi-to-party-id")


@dataclass(frozen=True)
class Reply:
    """An answer; `hang_up` closes the connection without one."""

    http_status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    hang_up: bool = False


class Server:
    """Serves one `answer` function on a free loopback port, and records the requests."""

    def __init__(
        self,
        answer: Callable[[Received], Reply],
        locate: Callable[[Received], Received],
    ) -> None:
        self.received: list[Received] = []
        self.stopped = threading.Event()
        self._news = threading.Condition()
        self._locate = locate
        self._answer = answer
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def stop(self) -> None:
        self.stopped.set()
        self._http.shutdown()
        self._http.server_close()

    def wait_for(self, wanted: Callable[[Received], bool], *, within: float = 45, count: int = 1) -> Received:
        """Wait for the `count`-th wanted request; returns it. Raises: AssertionError at the deadline."""

        def found() -> list[Received]:
            return [received for received in self.received if wanted(received)]

        with self._news:
            self._news.wait_for(lambda: len(found()) >= count, timeout=within)
            hits = found()
            requests = [(received.method, received.target) for received in self.received]
        assert len(hits) >= count, f"not received within {within} s; received: {requests}"
        return hits[count - 1]

    def _take(self, received: Received) -> Reply:
        located = self._locate(received)
        with self._news:
            self.received.append(located)
            self._news.notify_all()
        return self._answer(located)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        take = self._take

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1  # one write per answer, because TCP's delayed acknowledgements slow down two writes
            timeout = 60

            def serve(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                headers = {name.lower(): value for name, value in self.headers.items()}
                reply = take(Received(self.command, self.path, headers, self.rfile.read(length)))
                if reply.hang_up:
                    self.close_connection = True
                    return
                self.send_response(reply.http_status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

            def log_message(self, *_: object) -> None:
                """Write no log: the test report is enough."""

        for method in METHODS:
            setattr(Handler, f"do_{method}", Handler.serve)
        return Handler


def split_target(target: str) -> tuple[str, ...]:
    """Split a path into segments, and decode each once, so that `%2F` stays inside its segment.

    >>> split_target("/in/prices/PT/ABC/day%2Fnight?x=1")
    ('in', 'prices', 'PT', 'ABC', 'day/night')
    """
    path = urlsplit(target).path
    return tuple(unquote(segment) for segment in path.split("/") if segment)
