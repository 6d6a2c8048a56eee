"""Cheap calls of a local node to the embedded AWS.

For a local node, botocore's own HTTP client and its signatures are half of what a call costs, and the
embedded AWS checks no signature. Nothing else of botocore is replaced: it writes the requests, judges the
answers and retries.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import botocore
from botocore import handlers
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError
from urllib3.util.wait import wait_for_read

ANSWER_SECONDS = 10.0
UNSIGNED = ("kms", "dynamodb-streams")
"""Services in botocore's spelling. Those of `storage/fast_client.py` are signed, which it does cheaply."""

_END_OF_HEAD = b"\r\n\r\n"


def make_calls_cheap(register: Callable[[str, Callable[..., Any]], object] | None = None) -> None:
    """Let clients call over plain connections, and unsigned if they sign anew for every call.

    register: of the events of one client; None is every client that this process makes from now on.
    """
    connections = Connections()

    def send(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        return connections.send(request)

    def leave_unsigned(**_: Any) -> Any:
        return botocore.UNSIGNED

    enlist = register or (lambda event, handler: handlers.BUILTIN_HANDLERS.append((event, handler)))
    enlist("before-send", send)
    for service in UNSIGNED:
        enlist(f"choose-signer.{service}", leave_unsigned)


class Connections:
    """HTTP connections to servers that tell the length of each answer; safe under threads."""

    def __init__(self) -> None:
        self._idle: dict[str, list[socket.socket]] = {}

    def send(self, request: AWSPreparedRequest) -> AWSResponse:
        """Send a request. Raises: the errors of botocore's own HTTP client."""
        host = request.url.split("/", 3)[2]
        idle = self._idle.setdefault(host, [])
        try:
            connection = _take(idle) or _connect(host)
        except OSError as error:
            raise EndpointConnectionError(endpoint_url=request.url, error=error) from error
        try:
            connection.sendall(_write(request, host))
            answer = _read(connection, request.url)
        except TimeoutError as error:
            connection.close()
            raise ReadTimeoutError(endpoint_url=request.url, error=error) from error
        except OSError as error:
            connection.close()
            raise ConnectionClosedError(endpoint_url=request.url, error=error) from error
        idle.append(connection)
        return answer


class _Raw:
    """The body of an answer, as botocore reads it."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self) -> list[bytes]:
        return [self._body]


def _take(idle: list[socket.socket]) -> socket.socket | None:
    """Take an idle connection that the server has not closed."""
    while idle:
        try:
            connection = idle.pop()
        except IndexError:  # another thread was faster
            return None
        if not wait_for_read(connection, timeout=0):
            return connection
        connection.close()
    return None


def _connect(host: str) -> socket.socket:
    name, _, port = host.partition(":")
    connection = socket.create_connection((name, int(port)), ANSWER_SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _write(request: AWSPreparedRequest, host: str) -> bytes:
    path = "/" + request.url.split("/", 3)[3] if request.url.count("/") > 2 else "/"
    body = request.body or b""
    if isinstance(body, str):
        body = body.encode()
    lines = [f"{request.method} {path} HTTP/1.1", f"Host: {host}"]
    lines.append(f"Content-Length: {len(body)}")
    for name, value in request.headers.items():
        if name.lower() != "content-length":
            lines.append(f"{name}: {value.decode() if isinstance(value, bytes) else value}")
    return "\r\n".join([*lines, "\r\n"]).encode() + body


def _read(connection: socket.socket, url: str) -> AWSResponse:
    received = b""
    while (end := received.find(_END_OF_HEAD)) < 0:
        received += _receive(connection)
    status, *lines = received[:end].decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    body = [received[end + len(_END_OF_HEAD) :]]
    missing = int(next(value for name, value in headers.items() if name.lower() == "content-length")) - len(
        body[0]
    )
    while missing > 0:
        body.append(_receive(connection))
        missing -= len(body[-1])
    return AWSResponse(url, int(status.split(" ", 2)[1]), headers, _Raw(b"".join(body)))


def _receive(connection: socket.socket) -> bytes:
    chunk = connection.recv(65536)
    if not chunk:
        raise ConnectionResetError("closed before the end of the answer")
    return chunk
