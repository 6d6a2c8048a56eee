"""HTTP connections to checked addresses; `client.py` uses them.

A connection goes to an address of a `Target`, never to a name, while Host, SNI and the name in the
certificate stay those of the URL. A limited number of connections is kept for each address. A connection is
not used again after a few idle seconds: a Lambda function may be frozen for minutes between two calls, and
network devices between us and the partner drop idle connections.

A socket's timeout starts again with every byte, so a peer that sends one byte a second would hold a
caller for ever. So one deadline and one limit of bytes hold for the whole answer, headers included. The
socket's raw reader, below urllib3, enforces both.

An answer that declares more bytes than the limit is refused before any of it is read. A chunked answer is
read in small pieces, so a false length allocates no memory. Whatever a partner answers, the caller gets
a `RawAnswer` or a `PartnerFault`, no other error.

This module retries nothing and follows no redirect. It requests uncompressed bodies; one that is compressed
all the same is decompressed within the same limit of bytes (`compression.py`).
"""

from __future__ import annotations

import functools
import io
import logging
import re
import socket
import ssl
import time
from collections.abc import Mapping
from datetime import timedelta
from http.client import HTTPResponse
from typing import Any

import urllib3
from urllib3 import exceptions
from urllib3.connection import HTTPConnection, HTTPSConnection

from chalicelib.calls.answers import PartnerFault, RawAnswer
from chalicelib.calls.compression import TooMuch, Undecodable, decompress
from chalicelib.calls.urls import Target
from chalicelib.log import log

MAX_ANSWER_BYTES = 10 * 1024 * 1024

_PIECE_BYTES = 64 * 1024
_LENGTH = re.compile(r"(\s*[0-9]+\s*(,\s*[0-9]+\s*)*)?")
_MAX_IDLE_S = 4.0
_MAX_ADDRESSES = 50
_MAX_IDLE_PER_ADDRESS = 10

# urllib3 logs paths, which contain token uids: lines below these levels are dropped.
_LOG_LEVELS = {"urllib3.connection": logging.ERROR, "urllib3.connectionpool": logging.ERROR}


class Connections:
    """Pools of connections to fixed addresses; thread-safe."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._own_tls = tls
        self._pools = urllib3.PoolManager(num_pools=_MAX_ADDRESSES, maxsize=_MAX_IDLE_PER_ADDRESS)
        self._pools.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
        for name, level in _LOG_LEVELS.items():
            logging.getLogger(name).setLevel(level)

    def request(
        self,
        target: Target,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None,
        *,
        connect_s: float,
        deadline: float,
    ) -> RawAnswer:
        """Send one request to the first of the target's addresses that accepts a connection.

        path: with the query. connect_s: limit for one step of connecting. deadline: on the monotonic clock.
        Raises: PartnerFault.
        """
        for address in target.addresses[:-1]:
            try:
                return self._request(address, target, method, path, headers, body, connect_s, deadline)
            except _NoConnection:
                continue
        return self._request(target.addresses[-1], target, method, path, headers, body, connect_s, deadline)

    def _request(
        self,
        address: str,
        target: Target,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None,
        connect_s: float,
        deadline: float,
    ) -> RawAnswer:
        started = time.monotonic()
        left = deadline - started
        if left <= 0:
            raise PartnerFault("did not answer in time", timed_out=True)
        # The connect timeout holds for each of three steps: TCP, TLS, sending the request.
        timeout = urllib3.Timeout(connect=min(connect_s, left / 3), read=None, total=left)
        pool = self._pools.connection_from_host(
            address, target.port, target.origin.scheme, self._pool_options(target)
        )
        response: urllib3.BaseHTTPResponse | None = None
        try:
            response = pool.urlopen(
                method, path, body=body, headers={**headers, "Host": target.origin.host_header()},
                retries=False, redirect=False, assert_same_host=False, timeout=timeout,
                preload_content=False, decode_content=False,
            )  # fmt: skip
            content = decompress(
                _read_body(response), response.headers.get("Content-Encoding", ""), MAX_ANSWER_BYTES
            )
        except Exception as error:
            # For malformed answers urllib3 and http.client also raise ValueError, OverflowError, MemoryError.
            if response is not None:
                response.close()
            raise _as_fault(error) from error
        response.release_conn()
        received = {name.lower(): value for name, value in response.headers.items()}
        return RawAnswer(response.status, received, content, timedelta(seconds=time.monotonic() - started))

    def _pool_options(self, target: Target) -> dict[str, Any]:
        if target.origin.scheme != "https":
            return {}
        return {"server_hostname": target.host, "ssl_context": self._tls}

    @functools.cached_property
    def _tls(self) -> ssl.SSLContext:
        # Loading the trusted roots takes tens of milliseconds, so it waits for the first https call.
        return self._own_tls or ssl.create_default_context()


class _NoConnection(PartnerFault):
    """The address accepted no connection, so the next address may be tried at once."""


class _AnswerTooLarge(Exception):
    pass


def _read_body(response: urllib3.BaseHTTPResponse) -> bytes:
    """Read a whole body within the limit of bytes.

    Raises: _AnswerTooLarge, and any error of urllib3 or http.client for a malformed body.
    """
    if (response.length_remaining or 0) > MAX_ANSWER_BYTES:
        raise _AnswerTooLarge
    if not getattr(response, "chunked", False):
        length = response.headers.get("Content-Length", "")
        if not _LENGTH.fullmatch(length):
            # The standard library would read until the end of the connection, and see no cut-off body.
            raise ValueError("Content-Length is no number")
        return response.read()
    # A chunk may declare any length, so each read requests a limited number of bytes.
    return b"".join(iter(lambda: response.read(_PIECE_BYTES), b""))


def _as_fault(error: Exception) -> PartnerFault:
    match error:
        case _AnswerTooLarge() | TooMuch():
            return PartnerFault(f"answered with more than {MAX_ANSWER_BYTES} bytes")
        case Undecodable():
            return PartnerFault("answered with a Content-Encoding that cannot be read and was not asked for")
        case exceptions.NewConnectionError():
            return _NoConnection("does not accept connections", never_sent=True)
        case exceptions.ConnectTimeoutError():
            return PartnerFault("does not accept connections in time", never_sent=True)
        case exceptions.SSLError(args=(ssl.SSLCertVerificationError() as cause, *_)):
            return PartnerFault(f"has no usable TLS: {cause.verify_message}", never_sent=True)
        case exceptions.SSLError():
            return PartnerFault("has no usable TLS", not_connected=True)
        case exceptions.TimeoutError() | exceptions.ProtocolError(args=(_, TimeoutError())):
            return PartnerFault("did not answer in time", timed_out=True)
        case exceptions.HTTPError():
            return PartnerFault("broke the connection off", not_connected=True)
        case _:
            log.warning("an answer is malformed HTTP", extra={"error": type(error).__name__})
            return PartnerFault("answered malformed HTTP", not_connected=True)


class _Connection(HTTPConnection):
    """A connection with a deadline and a limit of bytes for each answer, unused after a few idle seconds."""

    _last_used = 0.0

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]
        # urllib3 sets `timeout` to the rest of the total just before it requests the response.
        self._last_used = time.monotonic()
        deadline = self._last_used + (self.timeout or 0.0)
        self.response_class = functools.partial(_Response, deadline=deadline)  # type: ignore[assignment]
        return super().getresponse()

    @property
    def is_connected(self) -> bool:
        return time.monotonic() - self._last_used < _MAX_IDLE_S and super().is_connected


class _TlsConnection(_Connection, HTTPSConnection):
    pass


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _Response(HTTPResponse):
    """The standard library's response over a reader with a deadline and a limit of bytes."""

    def __init__(self, sock: socket.socket, *, deadline: float, **options: Any) -> None:
        super().__init__(sock, **options)
        self.fp: Any = io.BufferedReader(_WatchedReader(self.fp.detach(), sock, deadline))


class _WatchedReader(io.RawIOBase):
    def __init__(self, raw: io.RawIOBase, sock: socket.socket, deadline: float) -> None:
        self._raw = raw
        self._sock = sock
        self._deadline = deadline
        self._budget = MAX_ANSWER_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)
        count: int | None = self._raw.readinto(buffer)
        self._budget -= count or 0
        if self._budget < 0:
            raise _AnswerTooLarge
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()
